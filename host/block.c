/* SPDX-License-Identifier: MIT */
#include "host/block.h"

#include "host/block_internal.h"
#include "host/say.h"

#include <poll.h>
#include <stdio.h>

static void measure(struct block *block)
{
	struct xd_info info;

	xd_get_info(block->image, &info);
	block->sector = info.logical_sector;
	block->physical_sector = info.physical_sector;
	block->size = info.virtual_size - info.virtual_size % info.logical_sector;
	extents_init(&block->extents, block->image, block->read_only);
}

int block_open(struct block *block, struct block_pool *pool, const struct block_source *source,
	       struct xd_error *error)
{
	const struct xd_open how = {.path = source->path,
				    .format = source->format,
				    .flags = source->read_only ? 0 : XD_OPEN_WRITE};
	int result;

	*block = (struct block){.pool = pool, .read_only = source->read_only};
	result = source->files ? disk_files_open(source->files, &how, &block->image, error)
			       : xd_open_with(&how, &block->image, error);
	if (result < 0) {
		block->image = NULL;
		return -1;
	}
	measure(block);
	if (block->size == 0) {
		block_close(block, NULL);
		snprintf(error->message, sizeof(error->message), "has not even one sector");
		return -1;
	}
	return 0;
}

int block_grow(struct block *block, uint64_t size, struct xd_error *error)
{
	int result;

	block_drain(block);
	extents_destroy(&block->extents);
	result = xd_resize(block->image, size, 0, error);
	measure(block);
	return result < 0 ? -1 : 0;
}

/* An image without blocks of its own has nothing that a discard could move. */
static bool unsettles(const struct block_request *request)
{
	return (request->operation == BLOCK_ZERO || request->operation == BLOCK_DISCARD) &&
	       request->block->extents.slot;
}

void block_submit(struct block_request *request)
{
	struct block *block = request->block;

	block->in_flight++;
	request->answered = false;
	if (unsettles(request)) {
		block->unsettling++;
		extents_forget(&block->extents);
		if (block->in_ring) {
			request->next = block->held;
			block->held = request;
			return;
		}
	}
	if (!ring_submit(request)) {
		pool_submit(request);
	}
}

void block_done(struct block_request *request)
{
	struct block *block = request->block;

	block->in_flight--;
	if (unsettles(request)) {
		block->unsettling--;
		extents_forget(&block->extents);
	} else {
		if (request->operation == BLOCK_WRITE) {
			extents_written(&block->extents, request->offset, request->length);
		}
		if (request->found.region) {
			extents_keep(&block->extents, &request->found, request->age);
		}
	}
	request->complete(request, request->error);
}

void block_turn(struct block_pool *pool)
{
	if (atomic_load_explicit(&pool->untold, memory_order_relaxed)) {
		pool_reap(pool);
	}
	pool_turn(pool);
	if (pool->queued) {
		ring_turn(pool);
		pool_turn(pool); /* what the ring gave back */
	}
}

void block_drain(struct block *block)
{
	struct block_pool *pool = block->pool;
	struct pollfd poll_done[] = {{.fd = pool->watch.fd, .events = POLLIN},
				     {.fd = pool->ring_watch.fd, .events = POLLIN}};

	pool_draining(pool, 1);
	block_turn(pool);
	while (block->in_flight) {
		poll(poll_done, pool->ring ? 2 : 1, -1);
		event_take(pool->watch.fd);
		pool_reap(pool);
		if (pool->ring) {
			ring_turn(pool);
		}
		block_turn(pool);
	}
	pool_draining(pool, -1);
}

int block_close(struct block *block, struct xd_error *error)
{
	struct xd_error own;
	int result;

	error = error ? error : &own;
	if (!block->image) {
		return 0;
	}
	block_drain(block);
	extents_destroy(&block->extents);
	result = xd_close(block->image, error);
	if (result < 0) {
		say_warning("%s", error->message);
	}
	block->image = NULL;
	return result < 0 ? -1 : 0;
}
