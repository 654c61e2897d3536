/* SPDX-License-Identifier: MIT */
/* Reads and overwrites by io_uring: gathered during a turn of the loop, handed over at its end in one system call. */
#include "host/block_internal.h"

#include "host/ring.h"

#include <errno.h>

#define REAP 64u
/* Writes that go to the threads after the kernel could not do one at once. */
#define PAUSE 1024u

/* What the kernel would only hand to a thread of its own, our threads do with less ado. */
static bool waits(const struct block_request *request)
{
	return request->operation == BLOCK_WRITE;
}

static bool pauses(const struct block_request *request)
{
	struct block *block = request->block;

	if (!waits(request) || !block->ring_pause) {
		return false;
	}
	block->ring_pause--;
	return true;
}

static bool fits(const struct block_request *request, struct extent_place *place)
{
	const struct block *block = request->block;

	/* The library remembers that something could not be made durable: the kernel says so only once. */
	if ((request->operation != BLOCK_READ && request->operation != BLOCK_WRITE) ||
	    request->durable || block->unsettling || block->pool->in_ring == RING_MOST ||
	    pauses(request)) {
		return false;
	}
	return extents_find(&block->extents, request->offset, request->length,
			    request->operation == BLOCK_WRITE, place);
}

static struct io_uring_sqe *get_entry(struct block_pool *pool)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&pool->ring->uring);

	if (!entry) {
		io_uring_submit(&pool->ring->uring);
		entry = io_uring_get_sqe(&pool->ring->uring);
	}
	return entry;
}

static void fill(struct io_uring_sqe *entry, const struct block_request *request,
		 const struct extent_place *place)
{
	uint64_t file_offset = place->offset;
	int fd = place->fd;
	const struct iovec *iov = request->iov;
	unsigned count = (unsigned)request->iov_count;

	if (request->operation == BLOCK_READ && count == 1) {
		io_uring_prep_read(entry, fd, iov->iov_base, (unsigned)iov->iov_len, file_offset);
	} else if (request->operation == BLOCK_READ) {
		io_uring_prep_readv(entry, fd, iov, count, file_offset);
	} else if (count == 1) {
		io_uring_prep_write(entry, fd, iov->iov_base, (unsigned)iov->iov_len, file_offset);
	} else {
		io_uring_prep_writev(entry, fd, iov, count, file_offset);
	}
	if (waits(request)) {
		entry->rw_flags = RWF_NOWAIT;
	}
}

bool ring_submit(struct block_request *request)
{
	struct block_pool *pool = request->block->pool;
	struct io_uring_sqe *entry;
	struct extent_place place;

	if (!pool->ring || !fits(request, &place) || !(entry = get_entry(pool))) {
		return false;
	}
	fill(entry, request, &place);
	io_uring_sqe_set_data(entry, request);
	pool->queued++;
	pool->in_ring++;
	request->block->in_ring++;
	return true;
}

/* Once the last one of a disk is back, what would move its blocks may go. */
static void release_held(struct block *block)
{
	while (!block->in_ring && block->held) {
		struct block_request *held = block->held;

		block->held = held->next;
		pool_submit(held);
	}
}

static void came_back(struct block_request *request, int result)
{
	struct block *block = request->block;

	block->pool->in_ring--;
	block->in_ring--;
	if (result >= 0 && (uint64_t)result == request->length) {
		request->error = 0;
		release_held(block);
		block_done(request);
	} else {
		/* Past the end of the file, no space, it would wait: the library knows what to make of it. */
		if (waits(request)) {
			block->ring_pause = PAUSE;
		}
		release_held(block);
		pool_submit(request);
	}
}

static unsigned reap(struct block_pool *pool)
{
	struct io_uring_cqe *entries[REAP];
	unsigned count = io_uring_peek_batch_cqe(&pool->ring->uring, entries, REAP);

	for (unsigned i = 0; i < count; i++) {
		struct block_request *request = io_uring_cqe_get_data(entries[i]);
		int result = entries[i]->res;

		io_uring_cqe_seen(&pool->ring->uring, entries[i]);
		came_back(request, result);
	}
	return count;
}

/* False where the kernel did not take all of it. */
static bool hand_over(struct block_pool *pool)
{
	if (pool->queued) {
		io_uring_submit(&pool->ring->uring);
		pool->queued = io_uring_sq_ready(&pool->ring->uring);
	}
	return !pool->queued;
}

void ring_turn(struct block_pool *pool)
{
	bool taken;

	do {
		taken = hand_over(pool);
	} while (reap(pool) || (taken && pool->queued));
	if (pool->queued) {
		event_signal(pool->watch.fd); /* it has no memory now: again in the next turn */
	}
}

static void ring_ready(void *context, uint32_t events)
{
	(void)events;
	ring_turn(context);
}

int ring_attach(struct block_pool *pool)
{
	pool->ring_watch = (struct loop_watch){pool->ring->uring.ring_fd, ring_ready, pool};
	return loop_add(pool->loop, &pool->ring_watch, EPOLLIN);
}

void ring_detach(struct block_pool *pool)
{
	loop_remove(pool->loop, &pool->ring_watch);
}
