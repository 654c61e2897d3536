/* SPDX-License-Identifier: MIT */
/*
 * The back end's side of a shared ring, <xen/io/ring.h>: requests come in, responses go out in the same slots.
 *
 * The pages are the guest's: each entry is copied out once, the producer index is read once for each entry and checked, our
 * own indices are kept here. A ring may span several pages that lie apart. Not thread-safe: one lock of the caller's for each ring.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XENRING_PAGES_MAX 16
#define XENRING_PAGE_SIZE 4096u
#define XENRING_HEADER    64u /* bytes: four indices and padding */

/* ring.h, DEFINE_RING_TYPES: the start of the first page. */
struct xenring_header {
	uint32_t req_prod, req_event;
	uint32_t rsp_prod, rsp_event;
};

struct xenring {
	char *page[XENRING_PAGES_MAX];
	uint32_t entry_size;         /* bytes: the larger of request and response */
	uint32_t nr;                 /* entries, a power of two */
	uint32_t req_cons, rsp_prod; /* free-running */
	uint32_t rsp_pushed;         /* what the guest knows of rsp_prod */
};

enum xenring_result { XENRING_EMPTY, XENRING_TAKEN, XENRING_BAD };

/* How many entries a ring of nr_pages has: the largest power of two that fits. 0 when not even one does. */
uint32_t xenring_entries(unsigned nr_pages, uint32_t entry_size);
/* Attaches at the responses that the ring already holds: none on one that the front end has just initialised. */
void xenring_attach(struct xenring *ring, void *const *pages, unsigned nr_pages,
		    uint32_t entry_size);
/* Copies the next request. XENRING_BAD: the guest's index claims more than the ring holds; nothing more can be made of it. */
enum xenring_result xenring_take(struct xenring *ring, void *entry);
/*
 * For who knows that there is one: takes the next request of a ring whose entries are so long, on one page. The copy is what counts; the guest may change
 * its own at any time.
 */
static inline void xenring_take_known(struct xenring *ring, void *entry, uint32_t entry_size)
{
	uint32_t index = ring->req_cons++ & (ring->nr - 1);

	__builtin_memcpy(entry, ring->page[0] + XENRING_HEADER + index * entry_size, entry_size);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* The same for a response. */
static inline void xenring_put_short(struct xenring *ring, const void *response, uint32_t len,
				     uint32_t entry_size)
{
	uint32_t index = ring->rsp_prod++ & (ring->nr - 1);

	__builtin_memcpy(ring->page[0] + XENRING_HEADER + index * entry_size, response, len);
}

/* How many requests there are to take, up to the ring's size; more than that: broken. */
uint32_t xenring_waiting(const struct xenring *ring);
/* Asks for an event at the next request; true when one has come meanwhile. */
bool xenring_rearm(struct xenring *ring);
/* Whether `need` requests wait; if not, asks for an event at the next one that comes. */
bool xenring_want(struct xenring *ring, uint32_t need);
/* Requests taken and not answered yet. */
uint32_t xenring_open(const struct xenring *ring);
/* Writes a response of len bytes into the next slot, for the next push. There must be an open request. */
void xenring_put(struct xenring *ring, const void *response, uint32_t len);
/* Shows the guest the responses; true when it wants an event. */
bool xenring_push(struct xenring *ring);
