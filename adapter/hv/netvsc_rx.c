/* SPDX-License-Identifier: MIT */
/*
 * What a channel brings: answers, and packets for the guest. A packet lies in the receive buffer, which the host may write at any time: headers are copied
 * out and checked, the data goes to the guest as it is. A VMBus packet names ranges of the buffer, each of which holds one RNDIS message or several; they
 * are the host's again once it has a completion. Every packet gets one.
 *
 * TCP segments that come together are gathered into one large packet, where the front end takes such (core/coalesce.h). It goes to the guest when a frame
 * comes that does not join it, and at the latest when all that has come was looked at. Its data being the host's memory, completions wait for it.
 */
#include "adapter/hv/netvsc_int.h"

#include "adapter/seam/vps.h"
#include "core/string.h"

#define VLAN_BYTES 4u
#define QUIET_MAX  8u

/* A frame as it lies in the receive buffer. */
struct frame {
	const uint8_t *bytes;
	uint32_t length;
	struct net_offload offload;
	bool tagged;
	uint8_t tag[VLAN_BYTES]; /* that belongs behind its addresses */
};

static bool inside(uint32_t offset, uint32_t length, uint32_t whole)
{
	return offset <= whole && length <= whole - offset;
}

static void set_tag(struct frame *frame, uint32_t value)
{
	uint32_t tag =
	    RNDIS_VLAN_PRIORITY(value) << 13 | RNDIS_VLAN_CFI(value) << 12 | RNDIS_VLAN_ID(value);

	frame->tagged = true;
	frame->tag[0] = 0x81;
	frame->tag[1] = 0;
	frame->tag[2] = (uint8_t)(tag >> 8);
	frame->tag[3] = (uint8_t)tag;
}

/* The per-packet information, as far as it makes sense. */
static void read_infos(const uint8_t *at, uint32_t length, struct frame *frame)
{
	struct rndis_packet_info info;
	uint32_t value;

	while (length >= sizeof(info)) {
		memcpy(&info, at, sizeof(info));
		if (info.size < sizeof(info) || info.size > length)
			return;
		if (inside(info.offset, sizeof(value), info.size)) {
			memcpy(&value, at + info.offset, sizeof(value));
			if (info.type == RNDIS_INFO_CHECKSUM)
				frame->offload.csum_good =
				    value & (RNDIS_RX_TCP_GOOD | RNDIS_RX_UDP_GOOD);
			else if (info.type == RNDIS_INFO_VLAN)
				set_tag(frame, value);
		}
		at += info.size;
		length -= info.size;
	}
}

/* A packet message's body, `length` bytes. False: no frame. */
static bool read_packet(const uint8_t *body, uint32_t length, struct frame *frame)
{
	struct rndis_packet packet;

	if (length < sizeof(packet))
		return false;
	memcpy(&packet, body, sizeof(packet));
	if (!inside(packet.data_offset, packet.data_length, length) ||
	    packet.data_length < NET_HEADER_MIN)
		return false;
	frame->bytes = body + packet.data_offset;
	frame->length = packet.data_length;
	frame->offload = (struct net_offload){0};
	frame->tagged = false;
	if (inside(packet.info_offset, packet.info_length, length))
		read_infos(body + packet.info_offset, packet.info_length, frame);
	return true;
}

/* False: the guest has no room; net_room() follows. It may have come between the answer and our note, so ask again after that. */
static bool give(struct netvsc_queue *queue, const struct net_offload *offload,
		 const struct net_piece *pieces, unsigned nr_pieces)
{
	struct net_device *net = &queue->device->net;

	if (xen_net_receive(net, queue->index, offload, pieces, nr_pieces) == XEN_NET_TAKEN)
		return true;
	atomic_store(&queue->full, true);
	if (xen_net_receive(net, queue->index, offload, pieces, nr_pieces) != XEN_NET_TAKEN)
		return false;
	atomic_store(&queue->full, false);
	return true;
}

static bool give_frame(struct netvsc_queue *queue, const struct frame *frame)
{
	const uint32_t addresses = 12;
	const struct net_piece whole = {frame->bytes, frame->length};
	const struct net_piece split[] = {
	    {frame->bytes, addresses},
	    {frame->tag, VLAN_BYTES},
	    {frame->bytes + addresses, frame->length - addresses},
	};

	return give(queue, &frame->offload, frame->tagged ? split : &whole, frame->tagged ? 3 : 1);
}

/* What has been gathered. False: the guest has no room. */
static bool give_held(struct netvsc_queue *queue)
{
	struct coalesce *held = &queue->held;
	struct net_offload offload;
	unsigned nr;

	if (!held->frames)
		return true;
	nr = coalesce_packet(held, &offload);
	if (!give(queue, &offload, held->piece, nr))
		return false;
	coalesce_drop(held);
	return true;
}

/* False: it does not join what is held, or nothing may be held of this kind. */
static bool gather(struct netvsc_queue *queue, const struct frame *frame)
{
	struct coalesce *held = &queue->held;
	unsigned kinds = 0;

	if (frame->tagged || !frame->offload.csum_good ||
	    !coalesce_may_add(held, frame->bytes, frame->length))
		return false;
	if (!held->frames) {
		kinds = xen_net_large(&queue->device->net, queue->index);
		if (!kinds)
			return false;
		/* The packet that is being looked at comes there. */
		queue->owed_held = queue->nr_owed;
	}
	return coalesce_add(held, kinds, frame->bytes, frame->length);
}

/* False: the guest has no room. */
static bool deliver(struct netvsc_queue *queue, const uint8_t *body, uint32_t length)
{
	struct frame frame;

	if (!queue->device->ready || !read_packet(body, length, &frame))
		return true;
	if (gather(queue, &frame))
		return true;
	if (!queue->held.frames)
		return give_frame(queue, &frame);
	return give_held(queue) && (gather(queue, &frame) || give_frame(queue, &frame));
}

/* The conversation is VP 0's, but net_room() may have brought another VP here. False: VP 0 will see to it. */
static bool may_talk(struct netvsc_queue *queue)
{
	if (vps_self() == 0)
		return true;
	net_room_later(&queue->device->net);
	return false;
}

/* Control messages come on the first channel. */
static bool control(struct netvsc_queue *queue, const uint8_t *message, uint32_t length)
{
	struct netvsc *device = queue->device;

	if (queue->index)
		return true;
	if (!may_talk(queue))
		return false;
	length = length < sizeof(device->answer) ? length : sizeof(device->answer);
	memcpy(device->answer, message, length);
	netvsc_setup_rndis(device, length);
	return true;
}

/* From queue->at on. False: the guest has no room. */
static bool receive_range(struct netvsc_queue *queue, const uint8_t *bytes, uint32_t length)
{
	struct rndis_header header;

	while (length - queue->at >= sizeof(header)) {
		const uint8_t *message = bytes + queue->at;

		memcpy(&header, message, sizeof(header));
		if (header.length < sizeof(header) || header.length > length - queue->at)
			break;
		if (header.type == RNDIS_PACKET
			? !deliver(queue, message + sizeof(header), header.length - sizeof(header))
			: !control(queue, message, header.length))
			return false;
		queue->at += header.length;
	}
	queue->at = 0;
	return true;
}

/* Ranges that are not in the buffer are passed over. */
static bool receive_ranges(struct netvsc_queue *queue, const struct vmbus_in_packet *packet)
{
	struct netvsc *device = queue->device;
	uint32_t whole = (uint32_t)device->receive_pages * NETVSC_PAGE, count;
	struct vmbus_transfer_pages pages;
	struct vmbus_transfer_range range;

	if (packet->extension_length < sizeof(pages))
		return true;
	memcpy(&pages, packet->extension, sizeof(pages));
	count = (packet->extension_length - sizeof(pages)) / sizeof(range);
	count = pages.count < count ? pages.count : count;
	if (pages.set != NETVSC_RECEIVE_ID)
		return true;
	for (; queue->range < count; queue->range++) {
		memcpy(&range, packet->extension + sizeof(pages) + queue->range * sizeof(range),
		       sizeof(range));
		if (inside(range.offset, range.bytes, whole) &&
		    !receive_range(queue, device->receive + range.offset, range.bytes))
			return false;
	}
	queue->range = 0;
	return true;
}

/* ---- completions ---- */

/* What a completion says, eight bytes on the wire. */
static const union {
	struct {
		uint32_t type, status;
	};
	uint64_t word;
} received = {.type = NVSP_SEND_RNDIS_PACKET_COMPLETE, .status = NVSP_STATUS_SUCCESS};

_Static_assert(offsetof(struct nvsp_message, type) == 0 &&
		   offsetof(struct nvsp_message, rndis_complete.status) == 4,
	       "as in struct nvsp_message");

static enum vmbus_ring_result complete(struct netvsc_queue *queue, uint64_t transaction)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_COMPLETION,
	    .transaction = transaction,
	    .payload[0] = {&received, sizeof(received)},
	};

	return hv_channel_send_quietly(queue->channel, &packet);
}

/* As many at once as the ring has room for; the one after those asks for more. None whose frames are held. */
static void pay(struct netvsc_queue *queue)
{
	unsigned due = queue->held.frames ? queue->owed_held : queue->nr_owed, paid;

	if (!due)
		return;
	paid = hv_channel_complete_quietly(queue->channel, queue->owed, due, received.word);
	while (paid < due && complete(queue, queue->owed[paid]) != VMBUS_RING_FULL)
		paid++;
	queue->quiet += paid;
	queue->nr_owed -= paid;
	queue->owed_held -= paid;
	memmove(queue->owed, queue->owed + paid, queue->nr_owed * sizeof(queue->owed[0]));
}

/* The completion follows once the ring has been emptied, with others. */
static bool receive(struct netvsc_queue *queue, const struct vmbus_in_packet *packet)
{
	if (queue->nr_owed == NETVSC_OWED_MAX)
		pay(queue);
	queue->refused = queue->nr_owed == NETVSC_OWED_MAX;
	if (queue->refused || !receive_ranges(queue, packet))
		return false;
	queue->owed[queue->nr_owed++] = packet->transaction;
	return true;
}

/* ---- the channel ---- */

static bool answered(struct netvsc_queue *queue, const struct vmbus_in_packet *packet)
{
	struct nvsp_message message = {0};

	memcpy(&message, packet->payload,
	       packet->payload_length < sizeof(message) ? packet->payload_length : sizeof(message));
	if ((packet->transaction & 0xffff) != NETVSC_CONTROL)
		netvsc_tx_completed(queue, packet->transaction, message.rndis_complete.status);
	else if (queue->index == 0 && !may_talk(queue))
		return false;
	else if (queue->index == 0)
		netvsc_setup_nvsp(queue->device, packet->transaction, &message);
	return true;
}

bool netvsc_packet(struct hv_channel *channel, const struct vmbus_in_packet *packet)
{
	struct netvsc *device = channel->device;
	struct netvsc_queue *queue = &device->queue[channel->queue];

	switch (packet->type) {
	case VMBUS_PACKET_COMPLETION: return answered(queue, packet);
	case VMBUS_PACKET_TRANSFER_PAGES: return receive(queue, packet);
	/* In-band: the send table, but the guest has chosen the queue by its own hash; a virtual function, which we do not ask for. */
	default: return true;
	}
}

void netvsc_drained(struct hv_channel *channel)
{
	struct netvsc *device = channel->device;
	struct netvsc_queue *queue = &device->queue[channel->queue];

	/* What waits behind it would wait for ever where the guest has made room just now and net_room() found nobody waiting. */
	if (queue->held.frames && give_held(queue) && channel->stalled)
		hv_channel_resume(channel);
	pay(queue);
	/* Some places in its buffer the host can do without for a while. */
	if (netvsc_tx_resume(queue) || queue->quiet >= QUIET_MAX || channel->stalled) {
		queue->quiet = 0;
		hv_channel_flush(channel);
	}
	if (queue->refused && queue->nr_owed < NETVSC_OWED_MAX) {
		queue->refused = false;
		hv_channel_resume(channel);
	}
}

void net_room(struct net_device *net, unsigned index)
{
	struct netvsc *device = netvsc_of(net);
	struct netvsc_queue *queue = &device->queue[index];

	if (index < device->nr_queues && atomic_load_explicit(&queue->full, memory_order_relaxed) &&
	    atomic_exchange(&queue->full, false))
		hv_channel_resume(queue->channel);
}

void netvsc_rx_again(struct netvsc *device)
{
	for (unsigned i = 0; i < device->nr_queues; i++) {
		atomic_store(&device->queue[i].full, false);
		if (device->queue[i].opened || i == 0)
			hv_channel_resume(device->queue[i].channel);
	}
}
