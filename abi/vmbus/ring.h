/* SPDX-License-Identifier: MIT */
/*
 * A VMBus ring: one control page, then whole pages of packets. Two of them make a channel.
 * Source: openvmm, vm/devices/vmbus/vmbus_ring/src/lib.rs (MIT), module `protocol`.
 */
#ifndef ABI_VMBUS_RING_H
#define ABI_VMBUS_RING_H

#include <stddef.h>
#include <stdint.h>

#define VMBUS_RING_PAGE 4096u

struct vmbus_ring_control {
	uint32_t write;          /* the producer's: byte offset in the data */
	uint32_t read;           /* the consumer's */
	uint32_t interrupt_mask; /* the consumer's: do not signal */
	uint32_t pending_send;   /* the producer's: signal once this many bytes are free */
	uint32_t reserved[12];
	uint32_t features;
	uint8_t rest[VMBUS_RING_PAGE - 68];
};
_Static_assert(sizeof(struct vmbus_ring_control) == VMBUS_RING_PAGE, "ring control");
_Static_assert(offsetof(struct vmbus_ring_control, features) == 64, "ring features");

#define VMBUS_RING_FEATURE_PENDING_SEND 1u

enum vmbus_packet_type {
	VMBUS_PACKET_IN_BAND = 6,
	VMBUS_PACKET_TRANSFER_PAGES = 7,
	VMBUS_PACKET_GPA_DIRECT = 9,
	VMBUS_PACKET_COMPLETION = 11,
};

#define VMBUS_PACKET_WANTS_COMPLETION 1u

/* Lengths and offsets count units of 8 bytes, from the start of the packet. */
struct vmbus_packet_header {
	uint16_t type;
	uint16_t payload_offset8;
	uint16_t length8; /* of header and payload, without the trailer */
	uint16_t flags;
	uint64_t transaction;
};
_Static_assert(sizeof(struct vmbus_packet_header) == 16, "packet header");

/* After every packet: the ring offset where it began, in the high half. */
#define VMBUS_PACKET_TRAILER 8u

/* After the header of a GPA-direct packet; then `count` struct vmbus_gpa_range. */
struct vmbus_gpa_direct {
	uint32_t reserved;
	uint32_t count;
};
_Static_assert(sizeof(struct vmbus_gpa_direct) == 8, "GPA direct");

/* After the header of a transfer-page packet; then `count` struct vmbus_transfer_range. */
struct vmbus_transfer_pages {
	uint16_t set;
	uint16_t reserved;
	uint32_t count;
};
_Static_assert(sizeof(struct vmbus_transfer_pages) == 8, "transfer pages");

struct vmbus_transfer_range {
	uint32_t bytes;
	uint32_t offset;
};
_Static_assert(sizeof(struct vmbus_transfer_range) == 8, "transfer range");

/* What precedes the payload on a channel in pipe mode. */
struct vmbus_pipe_header {
	uint32_t type; /* VMBUS_PIPE_DATA */
	uint32_t bytes;
};
_Static_assert(sizeof(struct vmbus_pipe_header) == 8, "pipe header");
#define VMBUS_PIPE_DATA 1u

#endif
