/* SPDX-License-Identifier: MIT */
/*
 * The event indices are a handshake: one side publishes and then looks whether the other wants to hear, the other says that it
 * wants to hear and then looks whether something was published. Sequentially consistent stores keep each in that order.
 */
#include "core/xenring.h"
#include "core/string.h"

uint32_t xenring_entries(unsigned nr_pages, uint32_t entry_size)
{
	uint32_t fit = (nr_pages * XENRING_PAGE_SIZE - XENRING_HEADER) / entry_size;

	return fit ? 1u << (31 - __builtin_clz(fit)) : 0;
}

static struct xenring_header *header(const struct xenring *ring)
{
	return (struct xenring_header *)ring->page[0];
}

void xenring_attach(struct xenring *ring, void *const *pages, unsigned nr_pages,
		    uint32_t entry_size)
{
	memset(ring, 0, sizeof(*ring));
	for (unsigned i = 0; i < nr_pages; i++)
		ring->page[i] = pages[i];
	ring->entry_size = entry_size;
	ring->nr = xenring_entries(nr_pages, entry_size);
	ring->rsp_prod = __atomic_load_n(&header(ring)->rsp_prod, __ATOMIC_ACQUIRE);
	ring->req_cons = ring->rsp_pushed = ring->rsp_prod;
}

/* Copies between a slot that spans two pages and memory of ours. */
static __attribute__((noinline)) void transfer_split(char *end, char *begin, char *ours,
						     uint32_t first, uint32_t len, bool out)
{
	if (out) {
		memcpy(ours, end, first);
		memcpy(ours + first, begin, len - first);
	} else {
		memcpy(end, ours, first);
		memcpy(begin, ours + first, len - first);
	}
}

/* Copies between a slot and memory of ours. */
static inline void transfer(const struct xenring *ring, uint32_t index, void *memory, uint32_t len,
			    bool out)
{
	uint32_t at = XENRING_HEADER + (index & (ring->nr - 1)) * ring->entry_size;
	char *theirs = ring->page[at / XENRING_PAGE_SIZE] + at % XENRING_PAGE_SIZE;
	uint32_t room = XENRING_PAGE_SIZE - at % XENRING_PAGE_SIZE;

	if (len > room)
		transfer_split(theirs, ring->page[at / XENRING_PAGE_SIZE + 1], memory, room, len,
			       out);
	else if (out)
		memcpy(memory, theirs, len);
	else
		memcpy(theirs, memory, len);
}

uint32_t xenring_waiting(const struct xenring *ring)
{
	uint32_t prod = __atomic_load_n(&header(ring)->req_prod, __ATOMIC_ACQUIRE);

	/* The slots of requests not yet answered are not free for new ones. */
	return prod - ring->rsp_prod > ring->nr ? UINT32_MAX : prod - ring->req_cons;
}

enum xenring_result xenring_take(struct xenring *ring, void *entry)
{
	uint32_t waiting = xenring_waiting(ring);

	if (waiting > ring->nr)
		return XENRING_BAD;
	if (!waiting)
		return XENRING_EMPTY;
	transfer(ring, ring->req_cons++, entry, ring->entry_size, true);
	return XENRING_TAKEN;
}

bool xenring_rearm(struct xenring *ring)
{
	__atomic_store_n(&header(ring)->req_event, ring->req_cons + 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&header(ring)->req_prod, __ATOMIC_SEQ_CST) != ring->req_cons;
}

bool xenring_want(struct xenring *ring, uint32_t need)
{
	struct xenring_header *h = header(ring);
	uint32_t prod = __atomic_load_n(&h->req_prod, __ATOMIC_ACQUIRE), seen;

	do {
		seen = prod;
		if (seen - ring->req_cons >= need)
			return true;
		__atomic_store_n(&h->req_event, seen + 1, __ATOMIC_SEQ_CST);
		prod = __atomic_load_n(&h->req_prod, __ATOMIC_SEQ_CST);
	} while (prod != seen);
	return false;
}

uint32_t xenring_open(const struct xenring *ring)
{
	return ring->req_cons - ring->rsp_prod;
}

void xenring_put(struct xenring *ring, const void *response, uint32_t len)
{
	transfer(ring, ring->rsp_prod++, (void *)response, len, false);
}

bool xenring_push(struct xenring *ring)
{
	uint32_t old = ring->rsp_pushed, new = ring->rsp_prod, event;

	__atomic_store_n(&header(ring)->rsp_prod, new, __ATOMIC_SEQ_CST);
	ring->rsp_pushed = new;
	event = __atomic_load_n(&header(ring)->rsp_event, __ATOMIC_SEQ_CST);
	return new - event < new - old;
}
