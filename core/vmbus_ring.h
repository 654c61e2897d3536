/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a VMBus ring, for either side of the partition's wall. Freestanding, no allocation, no globals.
 *
 * Each end keeps its own index private and publishes it; the peer's is read once per call and checked. A packet is
 * copied out before anybody looks at it, since the peer may change ring memory at any time. Neither end signals: the calls
 * say whether the peer needs it.
 */
#ifndef CORE_VMBUS_RING_H
#define CORE_VMBUS_RING_H

#include "abi/vmbus/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vmbus_ring_result {
	VMBUS_RING_OK,
	VMBUS_RING_EMPTY,
	VMBUS_RING_FULL,   /* try again after the peer has read */
	VMBUS_RING_BROKEN, /* the peer wrote nonsense; the ring is of no more use */
};

struct vmbus_ring {
	struct vmbus_ring_control *control;
	uint8_t *data;
	uint32_t size;  /* of the data, bytes */
	uint32_t own;   /* the producer's write or the consumer's read index */
	uint32_t mark;  /* consumer: the read index last published */
	uint32_t waits; /* producer: the length that it has asked for room for; 0: none */
};

/* `pages` ≥ 2 contiguous pages, control page first. The memory stays the caller's. */
void vmbus_ring_init(struct vmbus_ring *ring, void *memory, size_t pages);

/* A piece of a packet to send. */
struct vmbus_piece {
	const void *bytes;
	uint32_t length;
};

struct vmbus_out_packet {
	uint16_t type;
	uint16_t flags;
	uint64_t transaction;
	/* What follows the header: descriptor extension (ranges), of whole 8 bytes, then the payload, padded by the ring. */
	struct vmbus_piece extension;
	struct vmbus_piece payload[2];
};

/*
 * Sends one packet, or nothing. *signal is set where the consumer must be told. When FULL, the ring asks the consumer to
 * signal once there is room; until a packet as long has been sent it goes on asking, whatever else finds room.
 */
enum vmbus_ring_result vmbus_ring_send(struct vmbus_ring *ring,
				       const struct vmbus_out_packet *packet, bool *signal);

/*
 * Sends completions of so many transactions, each with the same 8 bytes, as far as there is room for them now, and tells of all at once. Returns how
 * many; vmbus_ring_send() of the next one says what is wrong where these are not all.
 */
unsigned vmbus_ring_complete(struct vmbus_ring *ring, const uint64_t *transaction, unsigned nr,
			     uint64_t payload, bool *signal);

/* A packet received: copied into the caller's buffer, and checked so that each part lies in it. */
struct vmbus_in_packet {
	uint16_t type;
	uint16_t flags;
	uint64_t transaction;
	const uint8_t *extension; /* what lies between header and payload: ranges */
	uint32_t extension_length;
	const uint8_t *payload;
	uint32_t payload_length; /* multiple of 8 */
};

/* Takes one packet; one that is larger than `capacity` breaks the ring. */
enum vmbus_ring_result vmbus_ring_receive(struct vmbus_ring *ring, void *buffer, uint32_t capacity,
					  struct vmbus_in_packet *packet);
/* Gives the space of the packets taken back. True where the producer waits for it and must be signalled. */
bool vmbus_ring_release(struct vmbus_ring *ring);

/* Asks the producer not to signal while the consumer is at work anyway. */
void vmbus_ring_mask(struct vmbus_ring *ring);
/* Asks for signals again. True where a packet came in meanwhile: go on receiving. */
bool vmbus_ring_unmask(struct vmbus_ring *ring);

#endif
