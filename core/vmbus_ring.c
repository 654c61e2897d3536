/* SPDX-License-Identifier: MIT */
#include "core/vmbus_ring.h"

#include "core/string.h"

#include <stdatomic.h>

static uint32_t load(const uint32_t *word, memory_order order)
{
	return atomic_load_explicit((const _Atomic uint32_t *)word, order);
}

static void store(uint32_t *word, uint32_t value, memory_order order)
{
	atomic_store_explicit((_Atomic uint32_t *)word, value, order);
}

static bool valid_index(const struct vmbus_ring *ring, uint32_t index)
{
	return index < ring->size && index % 8 == 0;
}

static uint32_t distance(const struct vmbus_ring *ring, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : ring->size - from + to;
}

static uint32_t advance(const struct vmbus_ring *ring, uint32_t index, uint32_t bytes)
{
	index += bytes;
	return index >= ring->size ? index - ring->size : index;
}

void vmbus_ring_init(struct vmbus_ring *ring, void *memory, size_t pages)
{
	*ring = (struct vmbus_ring){
	    .control = memory,
	    .data = (uint8_t *)memory + VMBUS_RING_PAGE,
	    .size = (uint32_t)(pages - 1) * VMBUS_RING_PAGE,
	};
}

/* Copies into the ring at `at`, around its end, and returns the offset behind. */
static inline uint32_t put(const struct vmbus_ring *ring, uint32_t at, const void *bytes,
			   uint32_t length)
{
	uint32_t first = ring->size - at;

	if (length < first) {
		memcpy(ring->data + at, bytes, length);
		return at + length;
	}
	memcpy(ring->data + at, bytes, first);
	memcpy(ring->data, (const uint8_t *)bytes + first, length - first);
	return length - first;
}

static inline void get(const struct vmbus_ring *ring, uint32_t at, void *bytes, uint32_t length)
{
	uint32_t first = ring->size - at;

	if (length <= first) {
		memcpy(bytes, ring->data + at, length);
		return;
	}
	memcpy(bytes, ring->data + at, first);
	memcpy((uint8_t *)bytes + first, ring->data, length - first);
}

static uint32_t put_piece(const struct vmbus_ring *ring, uint32_t at,
			  const struct vmbus_piece *piece)
{
	return piece->length ? put(ring, at, piece->bytes, piece->length) : at;
}

static uint8_t *copy_piece(uint8_t *to, const struct vmbus_piece *piece)
{
	if (piece->length)
		memcpy(to, piece->bytes, piece->length);
	return to + piece->length;
}

/* A packet that does not go around the ring's end, as nearly all. Returns the offset behind it. */
static uint32_t put_straight(const struct vmbus_ring *ring, const struct vmbus_packet_header *wire,
			     const struct vmbus_out_packet *packet, uint32_t payload)
{
	uint64_t trailer = (uint64_t)ring->own << 32;
	uint8_t *to = ring->data + ring->own;

	memcpy(to, wire, sizeof(*wire));
	to = copy_piece(to + sizeof(*wire), &packet->extension);
	to = copy_piece(to, &packet->payload[0]);
	to = copy_piece(to, &packet->payload[1]);
	for (; payload % 8; payload++)
		*to++ = 0;
	memcpy(to, &trailer, sizeof(trailer));
	return (uint32_t)(to + sizeof(trailer) - ring->data);
}

/* The peer reads between our check and our wait; so ask for the signal first and look again. */
static bool has_room(struct vmbus_ring *ring, uint32_t need, uint32_t *read)
{
	/* A ring that is quite full would look empty. */
	if (ring->size - distance(ring, *read, ring->own) > need) {
		return true;
	}
	ring->waits = need;
	store(&ring->control->pending_send, need, memory_order_seq_cst);
	*read = load(&ring->control->read, memory_order_seq_cst);
	return valid_index(ring, *read) && ring->size - distance(ring, *read, ring->own) > need;
}

/*
 * Shows the consumer what lies between `start` and `at`, packets of `length`. True where it must be told: only one that had read everything may be
 * asleep.
 */
static inline bool publish(struct vmbus_ring *ring, uint32_t start, uint32_t at, uint32_t length)
{
	ring->own = at;
	if (ring->waits == length) {
		ring->waits = 0;
		store(&ring->control->pending_send, 0, memory_order_relaxed);
	}
	store(&ring->control->write, at, memory_order_seq_cst);
	return !load(&ring->control->interrupt_mask, memory_order_seq_cst) &&
	       load(&ring->control->read, memory_order_seq_cst) == start;
}

unsigned vmbus_ring_complete(struct vmbus_ring *ring, const uint64_t *transaction, unsigned nr,
			     uint64_t payload, bool *signal)
{
	struct {
		struct vmbus_packet_header header;
		uint64_t payload, trailer;
	} wire = {.header = {.type = VMBUS_PACKET_COMPLETION,
			     .payload_offset8 = sizeof(wire.header) / 8,
			     .length8 = (sizeof(wire.header) + sizeof(wire.payload)) / 8},
		  .payload = payload};
	uint32_t read = load(&ring->control->read, memory_order_acquire);
	uint32_t start = ring->own, at = start, room;
	unsigned done = 0;

	*signal = false;
	if (!valid_index(ring, read)) {
		return 0;
	}
	for (room = ring->size - distance(ring, read, start); done < nr && room > sizeof(wire);
	     room -= sizeof(wire)) {
		wire.header.transaction = transaction[done++];
		wire.trailer = (uint64_t)at << 32;
		at = put(ring, at, &wire, sizeof(wire));
	}
	if (done) {
		*signal = publish(ring, start, at, sizeof(wire));
	}
	return done;
}

enum vmbus_ring_result vmbus_ring_send(struct vmbus_ring *ring,
				       const struct vmbus_out_packet *packet, bool *signal)
{
	static const uint8_t zeros[8];
	uint32_t payload = packet->payload[0].length + packet->payload[1].length;
	uint32_t header = sizeof(struct vmbus_packet_header) + packet->extension.length;
	uint32_t length = header + ((payload + 7) & ~7u);
	uint32_t start = ring->own, at = start;
	uint32_t read = load(&ring->control->read, memory_order_acquire);
	uint64_t trailer = (uint64_t)start << 32;
	struct vmbus_packet_header wire = {
	    .type = packet->type,
	    .payload_offset8 = (uint16_t)(header / 8),
	    .length8 = (uint16_t)(length / 8),
	    .flags = packet->flags,
	    .transaction = packet->transaction,
	};

	*signal = false;
	if (!valid_index(ring, read)) {
		return VMBUS_RING_BROKEN;
	}
	if (!has_room(ring, length + VMBUS_PACKET_TRAILER, &read)) {
		return valid_index(ring, read) ? VMBUS_RING_FULL : VMBUS_RING_BROKEN;
	}
	if (length + VMBUS_PACKET_TRAILER < ring->size - start) {
		at = put_straight(ring, &wire, packet, payload);
	} else {
		at = put(ring, at, &wire, sizeof(wire));
		at = put_piece(ring, at, &packet->extension);
		at = put_piece(ring, at, &packet->payload[0]);
		at = put_piece(ring, at, &packet->payload[1]);
		if (payload % 8)
			at = put(ring, at, zeros, 8 - payload % 8);
		at = put(ring, at, &trailer, sizeof(trailer));
	}
	*signal = publish(ring, start, at, length + VMBUS_PACKET_TRAILER);
	return VMBUS_RING_OK;
}

static bool valid_header(const struct vmbus_packet_header *header, uint32_t available,
			 uint32_t capacity)
{
	uint32_t length = header->length8 * 8u, offset = header->payload_offset8 * 8u;

	return offset >= sizeof(*header) && offset <= length && length <= capacity &&
	       length + VMBUS_PACKET_TRAILER <= available;
}

enum vmbus_ring_result vmbus_ring_receive(struct vmbus_ring *ring, void *buffer, uint32_t capacity,
					  struct vmbus_in_packet *packet)
{
	uint32_t write = load(&ring->control->write, memory_order_acquire);
	struct vmbus_packet_header header;
	uint32_t available, length, offset;

	if (!valid_index(ring, write)) {
		return VMBUS_RING_BROKEN;
	}
	available = distance(ring, ring->own, write);
	if (available == 0) {
		return VMBUS_RING_EMPTY;
	}
	if (available < sizeof(header) + VMBUS_PACKET_TRAILER) {
		return VMBUS_RING_BROKEN;
	}
	get(ring, ring->own, &header, sizeof(header));
	if (!valid_header(&header, available, capacity)) {
		return VMBUS_RING_BROKEN;
	}
	length = header.length8 * 8u;
	offset = header.payload_offset8 * 8u;
	get(ring, ring->own, buffer, length);
	ring->own = advance(ring, ring->own, length + VMBUS_PACKET_TRAILER);
	*packet = (struct vmbus_in_packet){
	    .type = header.type,
	    .flags = header.flags,
	    .transaction = header.transaction,
	    .extension = (const uint8_t *)buffer + sizeof(header),
	    .extension_length = offset - (uint32_t)sizeof(header),
	    .payload = (const uint8_t *)buffer + offset,
	    .payload_length = length - offset,
	};
	return VMBUS_RING_OK;
}

bool vmbus_ring_release(struct vmbus_ring *ring)
{
	uint32_t freed = distance(ring, ring->mark, ring->own);
	uint32_t pending, write, room;

	if (freed == 0) {
		return false;
	}
	ring->mark = ring->own;
	store(&ring->control->read, ring->own, memory_order_seq_cst);
	pending = load(&ring->control->pending_send, memory_order_seq_cst);
	write = load(&ring->control->write, memory_order_relaxed);
	if (!pending || !valid_index(ring, write)) {
		return false;
	}
	/* Tell once, when the room passes what it waits for. */
	room = ring->size - distance(ring, ring->own, write);
	return room > pending && room - freed <= pending;
}

void vmbus_ring_mask(struct vmbus_ring *ring)
{
	store(&ring->control->interrupt_mask, 1, memory_order_relaxed);
}

bool vmbus_ring_unmask(struct vmbus_ring *ring)
{
	store(&ring->control->interrupt_mask, 0, memory_order_seq_cst);
	return load(&ring->control->write, memory_order_seq_cst) != ring->own;
}
