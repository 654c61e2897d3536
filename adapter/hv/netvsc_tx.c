/* SPDX-License-Identifier: MIT */
/*
 * From the guest to the host. A large packet goes in the guest's own pages; before it lie an RNDIS header in a slot of ours and, for a large send,
 * its own headers, which must be changed for the host. Small packets are copied, several to a section of the send buffer: the
 * guest has its pages back at once, and one message and one answer do for all of them.
 *
 * What the ring or the slots have no room for waits here, in order.
 */
#include "adapter/hv/netvsc_int.h"

#include "core/string.h"

/* From here on the host is given the pages: copying costs more than naming them. */
#define COPY_MAX 2048u

#define INFO_SIZE   (sizeof(struct rndis_packet_info) + sizeof(uint32_t))
#define RNDIS_MAX   (sizeof(struct rndis_header) + sizeof(struct rndis_packet) + 2 * INFO_SIZE)
#define DIRECT_MAX  (1 + NET_SEGMENTS_MAX)
#define SLOT_FIRST  1u       /* in transactions: the direct ones, then the sections */
#define FAILED_PART 0x10000u /* in a packet's device_private, beside how many parts are under way */

_Static_assert(RNDIS_MAX + FRAME_HEADERS_MAX <= NETVSC_HEADER_BYTES, "a slot holds both headers");

enum sent {
	SENT,   /* its answer will come */
	COPIED, /* the guest may have its pages back */
	WAITS,  /* for room in the ring or for an answer */
	FAILED,
	NO_ROOM, /* in a section: it must go by itself */
};

/* What the host must do to a packet. */
struct work {
	struct frame_headers headers;
	bool checksum; /* by the host */
	bool software; /* by us */
	uint16_t mss;  /* 0: not a large send */
};

struct direct {
	struct vmbus_gpa_direct direct;
	struct {
		struct vmbus_gpa_range range;
		uint64_t frame;
	} at[DIRECT_MAX];
};

/* ---- what a packet needs ---- */

static uint32_t gather(const struct net_packet *packet, uint8_t *to, uint32_t most)
{
	uint32_t done = 0;

	for (unsigned i = 0; i < packet->nr_segments && done < most; i++) {
		const struct net_segment *segment = &packet->segment[i];
		uint32_t n = segment->len < most - done ? segment->len : most - done;

		memcpy(to + done, (const uint8_t *)segment->va + segment->offset, n);
		done += n;
	}
	return done;
}

static bool host_checksums(const struct netvsc *device, const struct frame_headers *headers)
{
	uint32_t can = headers->ipv6 ? device->tx6 : device->tx4;

	return can & (headers->udp ? NDIS_CHECKSUM_UDP : NDIS_CHECKSUM_TCP);
}

/* A large send's headers must all be there; one that is not longer than a segment is an ordinary packet. */
static bool find_large(const struct net_packet *packet, uint32_t got, struct work *work)
{
	if (work->headers.udp || work->headers.payload > got || !work->checksum)
		return false;
	if (packet->len - work->headers.payload > packet->offload.gso_size)
		work->mss = packet->offload.gso_size;
	return true;
}

/* False: it cannot be sent. `bytes` gets the packet's first ones. */
static bool find_work(const struct netvsc *device, const struct net_packet *packet,
		      uint8_t bytes[FRAME_HEADERS_MAX], struct work *work)
{
	uint32_t got;

	work->checksum = work->software = false;
	work->mss = 0;
	if (!packet->offload.csum_blank)
		return packet->offload.gso == NET_GSO_NONE;
	got = gather(packet, bytes, FRAME_HEADERS_MAX);
	if (!frame_parse(bytes, got, &work->headers))
		return false;
	work->checksum = host_checksums(device, &work->headers);
	work->software = !work->checksum;
	return packet->offload.gso == NET_GSO_NONE || find_large(packet, got, work);
}

/* ---- RNDIS ---- */

static uint32_t header_size(const struct work *work)
{
	return (uint32_t)(sizeof(struct rndis_header) + sizeof(struct rndis_packet)) +
	       (work->checksum || work->mss ? (uint32_t)INFO_SIZE : 0);
}

static uint32_t checksum_value(const struct frame_headers *headers)
{
	return (headers->ipv6 ? RNDIS_TX_IPV6 : RNDIS_TX_IPV4) |
	       (headers->udp ? RNDIS_TX_UDP : RNDIS_TX_TCP) |
	       (uint32_t)headers->transport << RNDIS_TX_OFFSET_SHIFT;
}

static uint32_t large_value(const struct work *work)
{
	return work->mss | (uint32_t)work->headers.transport << RNDIS_LSO_OFFSET_SHIFT |
	       RNDIS_LSO_VERSION_2 | (work->headers.ipv6 ? RNDIS_LSO_IPV6 : 0);
}

/* The header of a frame of `length` bytes, which `padding` follow. A large send says so instead of asking for a checksum. */
static void write_header(uint8_t *to, const struct work *work, uint32_t length, uint32_t padding)
{
	struct {
		struct rndis_header header;
		struct rndis_packet packet;
		struct rndis_packet_info info;
		uint32_t value;
	} message;
	uint32_t size = header_size(work);

	message.header = (struct rndis_header){RNDIS_PACKET, size + length + padding};
	message.packet = (struct rndis_packet){
	    .data_offset = size - (uint32_t)sizeof(message.header),
	    .data_length = length,
	};
	if (work->checksum || work->mss) {
		message.packet.info_offset = sizeof(message.packet);
		message.packet.info_length = INFO_SIZE;
		message.info = (struct rndis_packet_info){
		    INFO_SIZE, work->mss ? RNDIS_INFO_LSO : RNDIS_INFO_CHECKSUM,
		    sizeof(message.info)};
		message.value = work->mss ? large_value(work) : checksum_value(&work->headers);
	}
	memcpy(to, &message, size);
}

static enum vmbus_ring_result send_message(struct netvsc_queue *queue, unsigned slot,
					   uint32_t generation, uint32_t section, uint32_t bytes,
					   const void *extension, uint32_t extension_length)
{
	const struct nvsp_message message = {
	    .type = NVSP_SEND_RNDIS_PACKET,
	    .rndis = {NVSP_CHANNEL_DATA, section, bytes},
	};
	const struct vmbus_out_packet packet = {
	    .type = extension_length ? VMBUS_PACKET_GPA_DIRECT : VMBUS_PACKET_IN_BAND,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .transaction = netvsc_transaction(generation, SLOT_FIRST + slot),
	    .extension = {extension, extension_length},
	    .payload[0] = {&message, sizeof(message)},
	};

	return hv_channel_send(queue->channel, &packet, true);
}

static enum sent sent_of(enum vmbus_ring_result result)
{
	return result == VMBUS_RING_OK ? SENT : result == VMBUS_RING_FULL ? WAITS : FAILED;
}

/* ---- sections ---- */

/* Sends what has been gathered. */
static enum sent send_batch(struct netvsc_queue *queue)
{
	struct netvsc_batch *batch = &queue->batch;
	enum sent sent;

	if (!batch->packets)
		return SENT;
	sent = sent_of(send_message(queue, NETVSC_DIRECT_MAX + batch->slot,
				    queue->section[batch->slot].generation,
				    queue->first_section + batch->slot, batch->bytes, NULL, 0));
	if (sent == WAITS)
		return WAITS;
	if (sent == FAILED)
		queue->section_free |= 1ull << batch->slot;
	batch->packets = 0;
	return sent;
}

static bool begin_batch(struct netvsc_queue *queue)
{
	unsigned slot;

	if (!queue->section_free)
		return false;
	slot = (unsigned)__builtin_ctzll(queue->section_free);
	queue->section_free &= queue->section_free - 1;
	queue->section[slot].generation++;
	queue->batch = (struct netvsc_batch){.slot = slot};
	return true;
}

/* Copies a packet into the section at hand, or the next one. */
static enum sent copy(struct netvsc_queue *queue, const struct net_packet *packet,
		      const struct work *work)
{
	struct netvsc *device = queue->device;
	struct netvsc_batch *batch = &queue->batch;
	uint32_t header = header_size(work), size = header + packet->len;
	uint32_t padding = -size & (device->alignment - 1);
	uint8_t *to;

	size += padding;
	if (size > device->section_size)
		return NO_ROOM;
	if (batch->packets &&
	    (batch->bytes + size > device->section_size || batch->packets == device->batch_max) &&
	    send_batch(queue) == WAITS)
		return WAITS;
	if (!batch->packets && !begin_batch(queue))
		return NO_ROOM;
	to = device->send + (size_t)(queue->first_section + batch->slot) * device->section_size +
	     batch->bytes;
	gather(packet, to + header, packet->len);
	if (work->software && !frame_checksum(to + header, packet->len, &work->headers)) {
		if (!batch->packets)
			queue->section_free |= 1ull << batch->slot;
		return FAILED;
	}
	write_header(to, work, packet->len, padding);
	batch->bytes += size;
	batch->packets++;
	return COPIED;
}

/* ---- the guest's pages ---- */

static void add_range(struct direct *direct, uint64_t frame, uint32_t offset, uint32_t bytes)
{
	uint32_t i = direct->direct.count++;

	direct->at[i].range = (struct vmbus_gpa_range){bytes, offset};
	direct->at[i].frame = frame;
}

/* Names `bytes` of the packet, from `from` on. */
static void add_ranges(struct direct *direct, const struct net_packet *packet, uint32_t from,
		       uint32_t bytes)
{
	const struct net_segment *segment = packet->segment, *end = segment + packet->nr_segments;

	for (; segment < end && bytes; segment++) {
		uint32_t n = segment->len;

		if (from >= n) {
			from -= n;
			continue;
		}
		n = n - from < bytes ? n - from : bytes;
		add_range(direct, segment->mfn, segment->offset + from, n);
		bytes -= n;
		from = 0;
	}
}

/*
 * What the next part of a large send holds: segments as far as the host takes them at once. The parts are about equal, since a host may refuse a large
 * send of less than two segments.
 */
static uint32_t part_size(const struct netvsc *device, const struct work *work, uint32_t left)
{
	uint32_t most = (work->headers.ipv6 ? device->lso6 : device->lso4) / work->mss, segments;

	most = most ? most : 1;
	if (left <= most * work->mss)
		return left;
	segments = (left + work->mss - 1) / work->mss;
	segments = (segments + 1) / 2 < most ? (segments + 1) / 2 : most;
	return segments * work->mss;
}

/* One message, with `own` bytes of headers in the slot and `bytes` of the packet from `from` on behind them. */
static enum sent send_part(struct netvsc_queue *queue, struct net_packet *packet,
			   const struct work *work, const uint8_t *own, uint32_t nr_own,
			   uint32_t from, uint32_t bytes)
{
	uint32_t header = header_size(work);
	struct direct direct;
	uint64_t own_ma;
	unsigned slot;
	enum sent sent;
	uint8_t *to;

	if (!queue->direct_free)
		return WAITS;
	direct.direct = (struct vmbus_gpa_direct){0, 0};
	slot = (unsigned)__builtin_ctzll(queue->direct_free);
	to = queue->headers + slot * NETVSC_HEADER_BYTES;
	write_header(to, work, nr_own + bytes, 0);
	if (nr_own)
		memcpy(to + header, own, nr_own);
	own_ma = queue->headers_ma + slot * NETVSC_HEADER_BYTES;
	add_range(&direct, own_ma / NETVSC_PAGE, own_ma % NETVSC_PAGE, header + nr_own);
	add_ranges(&direct, packet, from, bytes);
	sent = sent_of(
	    send_message(queue, slot, ++queue->direct[slot].generation, NVSP_NO_SECTION, 0, &direct,
			 sizeof(direct.direct) + direct.direct.count * sizeof(direct.at[0])));
	if (sent == SENT) {
		queue->direct_free &= queue->direct_free - 1;
		queue->direct[slot].packet = packet;
		packet->device_private = (void *)((uintptr_t)packet->device_private + 1);
	}
	return sent;
}

/* All parts but those sent before; queue->progress says how far that was. */
static enum sent send_large(struct netvsc_queue *queue, struct net_packet *packet,
			    const struct work *work, const uint8_t *bytes)
{
	uint32_t payload = work->headers.payload, all = packet->len - payload;
	enum sent sent = SENT;

	while (queue->progress < all && sent == SENT) {
		uint32_t n = part_size(queue->device, work, all - queue->progress);
		struct frame_part part = {queue->progress, work->mss, queue->progress + n == all};
		uint8_t own[FRAME_HEADERS_MAX];

		memcpy(own, bytes, payload);
		frame_make_part(own, &work->headers, &part);
		sent = send_part(queue, packet, work, own, payload, payload + queue->progress, n);
		queue->progress += sent == SENT ? n : 0;
	}
	return sent;
}

static enum sent send_packet(struct netvsc_queue *queue, struct net_packet *packet)
{
	uint8_t bytes[FRAME_HEADERS_MAX];
	struct work work;
	enum sent sent;

	if (!queue->open || !find_work(queue->device, packet, bytes, &work))
		return FAILED;
	if (!work.mss && (packet->len <= COPY_MAX || work.software)) {
		sent = copy(queue, packet, &work);
		if (sent != NO_ROOM)
			return sent;
		if (work.software) /* a section is where it can be done */
			return queue->nr_sections && !queue->section_free ? WAITS : FAILED;
	}
	if (send_batch(queue) == WAITS)
		return WAITS;
	return work.mss ? send_large(queue, packet, &work, bytes)
			: send_part(queue, packet, &work, NULL, 0, 0, packet->len);
}

/* ---- the queue ---- */

/* With the lock. Counts one part of a packet as done; its status once that was the last, or -1. */
static int part_done(struct net_packet *packet, bool good)
{
	uintptr_t state = (uintptr_t)packet->device_private - 1;

	if (!good)
		state |= FAILED_PART;
	packet->device_private = (void *)state;
	if (state & (FAILED_PART - 1))
		return -1;
	return state & FAILED_PART ? NET_ERROR : NET_OK;
}

/* With the lock: sends, from the start or from where it waited. The packet's status, or -1 while that is not known. */
static int try(struct netvsc_queue *queue, struct net_packet *packet, bool *waits)
{
	enum sent sent = send_packet(queue, packet);

	*waits = sent == WAITS;
	if (sent == WAITS)
		return -1;
	queue->progress = 0;
	queue->fresh += packet->len;
	if (sent == COPIED)
		return NET_OK;
	/* The part that was held for as long as it was not sent whole. */
	return part_done(packet, sent == SENT);
}

static bool enqueue(struct netvsc_queue *queue, struct net_packet *packet)
{
	unsigned at = (queue->first_waiting + queue->nr_waiting) % NETVSC_WAITING_MAX;

	if (queue->nr_waiting == NETVSC_WAITING_MAX)
		return false;
	queue->waiting[at] = packet;
	queue->nr_waiting++;
	return true;
}

static void dequeue(struct netvsc_queue *queue)
{
	queue->first_waiting = (queue->first_waiting + 1) % NETVSC_WAITING_MAX;
	queue->nr_waiting--;
}

/* The queue of that number, or the first while it is not open. */
static struct netvsc_queue *queue_of(struct netvsc *device, unsigned index)
{
	bool usable = index < device->nr_queues && device->queue[index].open;

	return &device->queue[usable ? index : 0];
}

static void commit_queue(struct netvsc_queue *queue)
{
	uint32_t bytes;
	bool waits;

	lock_take(&queue->lock);
	if (queue->open)
		send_batch(queue);
	waits = queue->nr_waiting || queue->batch.packets;
	bytes = queue->fresh;
	queue->fresh = 0;
	lock_drop(&queue->lock);
	if (!queue->channel)
		return;
	if (waits)
		hv_channel_flush_and_look(queue->channel);
	else
		hv_channel_flush_soon(queue->channel, bytes);
}

static void commit(struct net_device *net, unsigned index)
{
	commit_queue(queue_of(netvsc_of(net), index));
}

static void transmit(struct net_device *net, unsigned index, struct net_packet *packet)
{
	struct netvsc *device = netvsc_of(net);
	struct netvsc_queue *queue = queue_of(device, index);
	bool waits = true;
	int status = -1;

	packet->device_private = (void *)1;
	lock_take(&queue->lock);
	if (!queue->nr_waiting)
		status = try(queue, packet, &waits);
	if (waits && !enqueue(queue, packet))
		status = NET_DROPPED;
	lock_drop(&queue->lock);
	if (status >= 0)
		net_transmitted(net, packet, (enum net_status)status);
	/* The queue of that number may be open by the time it is committed. */
	if (index && index < device->nr_queues && queue == device->queue)
		commit_queue(queue);
}

const struct net_device_ops netvsc_net_ops = {.transmit = transmit, .commit = commit};

bool netvsc_tx_resume(struct netvsc_queue *queue)
{
	struct net_packet *packet;
	bool waits, any = false;
	int status;

	do {
		waits = false;
		status = -1;
		lock_take(&queue->lock);
		packet = queue->nr_waiting ? queue->waiting[queue->first_waiting] : NULL;
		any |= packet || queue->batch.packets;
		if (packet)
			status = try(queue, packet, &waits);
		if (packet && !waits)
			dequeue(queue);
		if ((!packet || waits) && queue->open)
			send_batch(queue);
		lock_drop(&queue->lock);
		if (status >= 0)
			net_transmitted(&queue->device->net, packet, (enum net_status)status);
	} while (packet && !waits);
	return any;
}

/* With the lock: the slot that this transaction names and that is in use; NETVSC_DIRECT_MAX and up for a section. -1: none. */
static int slot_of(const struct netvsc_queue *queue, uint64_t transaction)
{
	uint64_t number = (transaction & 0xffff) - SLOT_FIRST, generation = transaction >> 16;
	bool is_section = number >= NETVSC_DIRECT_MAX;
	unsigned n = (unsigned)(is_section ? number - NETVSC_DIRECT_MAX : number);

	if (number >= NETVSC_DIRECT_MAX + NETVSC_SECTIONS_MAX)
		return -1;
	if (is_section)
		return n < queue->nr_sections && !(queue->section_free >> n & 1) &&
			       queue->section[n].generation == generation &&
			       !(queue->batch.packets && queue->batch.slot == n)
			   ? (int)number
			   : -1;
	return !(queue->direct_free >> n & 1) && queue->direct[n].generation == generation
		   ? (int)number
		   : -1;
}

void netvsc_tx_completed(struct netvsc_queue *queue, uint64_t transaction, uint32_t status)
{
	struct net_packet *packet = NULL;
	int slot, answer = -1;

	lock_take(&queue->lock);
	slot = queue->open ? slot_of(queue, transaction) : -1;
	if (slot >= (int)NETVSC_DIRECT_MAX) {
		queue->section_free |= 1ull << (slot - NETVSC_DIRECT_MAX);
	} else if (slot >= 0) {
		queue->direct_free |= 1ull << slot;
		packet = queue->direct[slot].packet;
		answer = part_done(packet, status == NVSP_STATUS_SUCCESS);
	}
	lock_drop(&queue->lock);
	if (answer >= 0)
		net_transmitted(&queue->device->net, packet, (enum net_status)answer);
}

void netvsc_tx_open(struct netvsc_queue *queue)
{
	lock_take(&queue->lock);
	queue->direct_free = ~0ull >> (64 - NETVSC_DIRECT_MAX);
	queue->section_free = queue->nr_sections ? ~0ull >> (64 - queue->nr_sections) : 0;
	queue->open = true;
	lock_drop(&queue->lock);
}

/* With the lock: a packet that nobody will answer, with its status. NULL: there is none. */
static struct net_packet *next_lost(struct netvsc_queue *queue, int *status)
{
	struct net_packet *packet;

	*status = -1;
	if (queue->nr_waiting) {
		packet = queue->waiting[queue->first_waiting];
		dequeue(queue);
	} else if (~queue->direct_free) {
		unsigned slot = (unsigned)__builtin_ctzll(~queue->direct_free);

		queue->direct_free |= 1ull << slot;
		packet = queue->direct[slot].packet;
	} else {
		return NULL;
	}
	*status = part_done(packet, false);
	return packet;
}

void netvsc_tx_close(struct netvsc_queue *queue)
{
	struct net_packet *packet;
	int status;

	do {
		lock_take(&queue->lock);
		packet = queue->open || queue->nr_waiting ? next_lost(queue, &status) : NULL;
		if (!packet) {
			queue->open = false;
			queue->batch.packets = 0;
		}
		lock_drop(&queue->lock);
		if (packet && status >= 0)
			net_transmitted(&queue->device->net, packet, (enum net_status)status);
	} while (packet);
}
