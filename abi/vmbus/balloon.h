/* SPDX-License-Identifier: MIT */
/*
 * Dynamic memory: the host takes pages from the guest, gives them back, and adds new ones. In-band packets without a pipe header.
 * There is no public specification; source: the behaviour of Linux's hv_balloon, its client.
 */
#ifndef ABI_VMBUS_BALLOON_H
#define ABI_VMBUS_BALLOON_H

#include <stddef.h>
#include <stdint.h>

/* 525074dc-8985-46e2-8057-a307dc18a502 */
#define BALLOON_TYPE                                                   \
	{                                                              \
		0x525074dc, 0x8985, 0x46e2,                            \
		{                                                      \
			0x80, 0x57, 0xa3, 0x07, 0xdc, 0x18, 0xa5, 0x02 \
		}                                                      \
	}

#define BALLOON_VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))
#define BALLOON_VERSION_WIN7          BALLOON_VERSION(0, 3)
#define BALLOON_VERSION_WIN8          BALLOON_VERSION(1, 0)
#define BALLOON_VERSION_WIN10         BALLOON_VERSION(2, 0)

enum balloon_message {
	BALLOON_ERROR = 0,
	BALLOON_VERSION_REQUEST = 1, /* from the guest */
	BALLOON_VERSION_RESPONSE = 2,
	BALLOON_CAPABILITIES = 3, /* from the guest */
	BALLOON_CAPABILITIES_RESPONSE = 4,
	BALLOON_STATUS = 5, /* from the guest, now and then, unanswered */
	BALLOON_INFLATE = 6,
	BALLOON_INFLATE_RESPONSE = 7,
	BALLOON_DEFLATE = 8,
	BALLOON_DEFLATE_RESPONSE = 9,
	BALLOON_HOT_ADD = 10,
	BALLOON_HOT_ADD_RESPONSE = 11,
	BALLOON_INFO = 12,
};

struct balloon_header {
	uint16_t type;
	uint16_t size; /* of the message with this header */
	uint32_t transaction;
};
_Static_assert(sizeof(struct balloon_header) == 8, "balloon header");

struct balloon_version_request {
	uint32_t version;
	uint32_t last; /* bit 0: there will be no other attempt */
};
_Static_assert(sizeof(struct balloon_version_request) == 8, "balloon version request");

/* To versions and capabilities: bit 0 says yes. */
struct balloon_accept {
	uint64_t accepted;
};
_Static_assert(sizeof(struct balloon_accept) == 8, "balloon accept");

struct balloon_capabilities {
	uint64_t flags;
	uint64_t least_pages; /* the guest wants to keep */
	uint64_t highest_page;
} __attribute__((packed));
_Static_assert(sizeof(struct balloon_capabilities) == 24, "balloon capabilities");
#define BALLOON_CAN_INFLATE           (1ull << 0)
#define BALLOON_CAN_HOT_ADD           (1ull << 1)
#define BALLOON_ALIGNMENT_LOG2(flags) ((flags) >> 2 & 0xf) /* of hot-added memory, in MiB */

struct balloon_status {
	uint64_t available; /* pages, as the rest */
	uint64_t committed;
	uint64_t page_file;
	uint64_t zero_free;
	uint32_t page_file_writes;
	uint32_t io_difference;
};
_Static_assert(sizeof(struct balloon_status) == 40, "balloon status");

struct balloon_inflate {
	uint32_t pages;
	uint32_t reserved;
};
_Static_assert(sizeof(struct balloon_inflate) == 8, "balloon inflate");

/* A range of pages: the first in the low 40 bits, how many in the rest. */
#define BALLOON_RANGE(first, count) ((uint64_t)(first) | (uint64_t)(count) << 40)
#define BALLOON_RANGE_FIRST(range)  ((range) & ((1ull << 40) - 1))
#define BALLOON_RANGE_COUNT(range)  ((range) >> 40)
#define BALLOON_RANGE_MOST          ((1u << 24) - 1)

/* Then the ranges that the guest gives. */
struct balloon_inflate_response {
	uint32_t reserved;
	uint32_t count_and_more; /* bit 0: more responses follow; the rest: how many ranges */
};
_Static_assert(sizeof(struct balloon_inflate_response) == 8, "balloon inflate response");

/* Then the ranges that the guest gets back. */
struct balloon_deflate {
	uint32_t more; /* bit 0: more requests follow, answer the last */
	uint32_t ranges;
};
_Static_assert(sizeof(struct balloon_deflate) == 8, "balloon deflate");

struct balloon_hot_add {
	uint64_t range;
};
_Static_assert(sizeof(struct balloon_hot_add) == 8, "balloon hot add");

struct balloon_hot_add_response {
	uint32_t pages;  /* that were added */
	uint32_t result; /* 1: done */
};
_Static_assert(sizeof(struct balloon_hot_add_response) == 8, "balloon hot add response");

#endif
