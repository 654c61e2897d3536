/* SPDX-License-Identifier: MIT */
/*
 * To the guest, which has posted empty pages. A packet takes one for each 4096 bytes, in the order of the ring, and one slot
 * more for its segmentation, written over the second response. netif.h, "Guest receive".
 */
#include "core/netback_int.h"

/* Where the copying stands in the pieces. */
struct reader {
	const struct net_piece *piece;
	uint32_t at; /* in the piece */
};

static inline void read_pieces(struct reader *from, char *to, uint32_t len)
{
	uint32_t left;

	while ((left = from->piece->len - from->at) < len) {
		memcpy(to, (const char *)from->piece->data + from->at, left);
		to += left;
		len -= left;
		from->piece++;
		from->at = 0;
	}
	memcpy(to, (const char *)from->piece->data + from->at, len);
	from->at += len;
}

/* Fills one posted page; its status for the response: the length, or an error. */
static int16_t fill(struct netback_queue *queue, grant_ref_t ref, struct reader *from, uint32_t len)
{
	struct gnttab_page page;
	int16_t status = len;

	if (gnttab_acquire(queue->grants, 0, ref, true, &page))
		return NETIF_RSP_ERROR;
	if (page.offset || page.len < len)
		status = NETIF_RSP_ERROR;
	else
		read_pieces(from, page.va, len);
	gnttab_release(queue->grants, ref, true);
	return status;
}

static uint16_t first_flags(const struct net_offload *offload)
{
	return (offload->csum_blank ? NETRXF_csum_blank | NETRXF_data_validated : 0) |
	       (offload->csum_good ? NETRXF_data_validated : 0) |
	       (offload->gso ? NETRXF_extra_info : 0);
}

/* The slot after the first response; the request that it takes is lost to data, the guest posts its page again. */
static void put_gso(struct netback_queue *queue, const struct net_offload *offload)
{
	struct netif_rx_request request;
	struct netif_extra_info extra = {
	    .type = XEN_NETIF_EXTRA_TYPE_GSO,
	    .u.gso = {.size = offload->gso_size,
		      .type = offload->gso == NET_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4
							    : XEN_NETIF_GSO_TYPE_TCPV6},
	};

	xenring_take_known(&queue->rx, &request, NETBACK_POST);
	xenring_put_short(&queue->rx, &extra, sizeof(extra), NETBACK_POST);
}

/* With the lock, and room made sure of. */
static void deliver(struct netback_queue *queue, const struct net_offload *offload,
		    const struct net_piece *pieces, uint32_t len)
{
	struct netif_rx_response response = {.flags = first_flags(offload)};
	struct reader from = {pieces, 0};
	struct netif_rx_request request;
	bool first = true, bad = false;

	for (; len; first = false) {
		uint32_t n = len < NETBACK_PAGE ? len : NETBACK_PAGE;

		xenring_take_known(&queue->rx, &request, NETBACK_POST);
		len -= n;
		response.id = request.id;
		response.flags |= len ? NETRXF_more_data : 0;
		response.status = bad ? NETIF_RSP_ERROR : fill(queue, request.gref, &from, n);
		bad |= response.status < 0;
		xenring_put_short(&queue->rx, &response, sizeof(response), NETBACK_POST);
		if (first && offload->gso)
			put_gso(queue, offload);
		response.flags = 0;
	}
}

static bool acceptable(const struct netback_queue *queue, const struct net_offload *offload,
		       uint32_t len)
{
	const struct netback_peer *peer = &queue->peer;

	if (!queue->rx_started || len < NET_HEADER_MIN || len > NET_PACKET_MAX ||
	    (len > NETBACK_PAGE && !peer->sg))
		return false;
	if (offload->csum_blank && !peer->csum_v4 && !peer->csum_v6)
		return false;
	if (offload->gso && !offload->csum_blank)
		return false;
	return offload->gso == NET_GSO_TCPV4
		   ? peer->gso_v4 && peer->csum_v4
		   : offload->gso == NET_GSO_NONE || (peer->gso_v6 && peer->csum_v6);
}

enum netback_received netback_receive(struct netback_queue *queue,
				      const struct net_offload *offload,
				      const struct net_piece *pieces, unsigned nr_pieces)
{
	enum netback_received result = NETBACK_DELIVERED;
	bool notify = false;
	uint32_t len = 0, slots;

	for (unsigned i = 0; i < nr_pieces; i++)
		len += pieces[i].len;
	slots = (len + NETBACK_PAGE - 1) / NETBACK_PAGE + (offload->gso != NET_GSO_NONE);
	lock_take(&queue->rx_lock);
	if (!acceptable(queue, offload, len) || xenring_waiting(&queue->rx) > queue->rx.nr) {
		result = NETBACK_REFUSED;
		queue->rx_dropped++;
	} else if (!xenring_want(&queue->rx, slots)) {
		result = NETBACK_NO_ROOM;
	} else {
		deliver(queue, offload, pieces, len);
		notify = xenring_push(&queue->rx);
	}
	lock_drop(&queue->rx_lock);
	if (notify)
		queue->env->notify_rx(queue->ctx, queue);
	return result;
}
