/* SPDX-License-Identifier: MIT */
/*
 * From the guest. A packet takes these slots: a request whose size is the whole packet's; extra information, where its flags say
 * so; and a request for each further piece, with that piece's size. netif.h, "Guest transmit".
 */
#include "core/netback_int.h"

static bool take_extras(struct netback_queue *queue, uint32_t *waiting, struct netback_slot *slot,
			struct netback_frame *frame)
{
	union {
		struct netif_extra_info info;
		char bytes[NETBACK_ENTRY];
	} extra;

	do {
		if (!(*waiting)--)
			return false;
		xenring_take_known(&queue->tx, &extra, NETBACK_ENTRY);
		slot->nr_extras++;
		if (extra.info.type == XEN_NETIF_EXTRA_TYPE_GSO)
			frame->gso = extra.info;
		else if (extra.info.type != XEN_NETIF_EXTRA_TYPE_HASH)
			frame->bad_extra = true;
	} while (extra.info.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return true;
}

static bool take_requests(struct netback_queue *queue, uint32_t waiting, struct netback_slot *slot,
			  struct netback_frame *frame)
{
	struct netif_tx_request *request = frame->request;
	unsigned n = 0;

	do {
		if (n == NET_SEGMENTS_MAX || !waiting--)
			return false;
		xenring_take_known(&queue->tx, request, NETBACK_ENTRY);
		slot->id[n++] = request->id;
		if (n == 1 && request->flags & NETTXF_extra_info &&
		    !take_extras(queue, &waiting, slot, frame))
			return false;
	} while (request++->flags & NETTXF_more_data);
	slot->nr_requests = n;
	return true;
}

/* What waits, after asking for an event if that is nothing. */
static uint32_t waiting(struct netback_queue *queue)
{
	uint32_t n = xenring_waiting(&queue->tx);

	while (!n && xenring_rearm(&queue->tx))
		n = xenring_waiting(&queue->tx);
	return n;
}

struct netback_slot *netback_take(struct netback_queue *queue, struct netback_frame *frame)
{
	struct netback_slot *slot = queue->free;
	uint32_t n;

	if (!slot || queue->q.stopped || queue->q.broken)
		return NULL;
	n = waiting(queue);
	if (!n)
		return NULL;
	slot->nr_requests = slot->nr_extras = slot->nr_refs = 0;
	memset(&frame->gso, 0, sizeof(frame->gso));
	frame->bad_extra = false;
	if (n > queue->tx.nr || !take_requests(queue, n, slot, frame)) {
		queue->q.broken = true;
		return NULL;
	}
	queue->free = slot->next;
	queue->q.in_flight++;
	queue->q.taken++;
	return slot;
}

/* Notes a piece, whose page comes later. */
static inline bool add_segment(struct netback_slot *slot, grant_ref_t ref, uint32_t offset,
			       uint32_t len)
{
	unsigned i = slot->packet.nr_segments;

	if (!len || offset + len > NETBACK_PAGE)
		return false;
	slot->ref[i] = ref;
	slot->packet.segment[i].offset = (uint16_t)offset;
	slot->packet.segment[i].len = (uint16_t)len;
	slot->packet.nr_segments = i + 1;
	return true;
}

/* Gets the pieces' pages; false where one is not granted, or not all of the piece. */
static bool acquire_pages(struct netback_slot *slot)
{
	struct gnttab_page page[NET_SEGMENTS_MAX];
	unsigned nr = slot->packet.nr_segments;

	slot->nr_refs = gnttab_acquire_all(slot->queue->grants, 0, slot->ref, nr, false, page);
	if (slot->nr_refs < nr)
		return false;
	for (unsigned i = 0; i < nr; i++) {
		struct net_segment *segment = &slot->packet.segment[i];

		segment->mfn = page[i].mfn;
		segment->va = page[i].va;
		if (page[i].len != GNTTAB_PAGE_SIZE &&
		    (segment->offset < page[i].offset ||
		     segment->offset + segment->len > page[i].offset + page[i].len))
			return false;
	}
	return true;
}

static bool set_offload(struct net_offload *offload, const struct netback_frame *frame)
{
	uint16_t flags = frame->request[0].flags;

	*offload = (struct net_offload){
	    .csum_blank = flags & NETTXF_csum_blank,
	    .csum_good = flags & NETTXF_data_validated,
	};
	if (frame->bad_extra)
		return false;
	if (frame->gso.type == XEN_NETIF_EXTRA_TYPE_NONE)
		return true;
	offload->gso_size = frame->gso.u.gso.size;
	if (frame->gso.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4)
		offload->gso = NET_GSO_TCPV4;
	else if (frame->gso.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV6)
		offload->gso = NET_GSO_TCPV6;
	return offload->gso && offload->gso_size && offload->csum_blank;
}

bool netback_prepare(struct netback_slot *slot, const struct netback_frame *frame)
{
	const struct netif_tx_request *request = frame->request;
	struct net_packet *packet = &slot->packet;
	uint32_t rest = 0;
	bool good;

	packet->nr_segments = 0;
	packet->len = request[0].size;
	for (unsigned i = 1; i < slot->nr_requests; i++)
		rest += request[i].size;
	if (packet->len < NET_HEADER_MIN || rest >= packet->len ||
	    !set_offload(&packet->offload, frame))
		return false;
	good = add_segment(slot, request[0].gref, request[0].offset, packet->len - rest);
	for (unsigned i = 1; good && i < slot->nr_requests; i++)
		good = add_segment(slot, request[i].gref, request[i].offset, request[i].size);
	return good && acquire_pages(slot);
}
