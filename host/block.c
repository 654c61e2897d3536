/* SPDX-License-Identifier: MIT */
#include "host/block.h"

#include "host/say.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static int carry_out(const struct block_request *request)
{
	struct xd_image *image = request->block->image;
	struct xd_error error;
	int result = 0;

	switch (request->operation) {
	case BLOCK_READ:
		result = xd_readv(image, request->iov, request->iov_count, request->offset, &error);
		break;
	case BLOCK_WRITE:
		result =
		    xd_writev(image, request->iov, request->iov_count, request->offset, &error);
		break;
	case BLOCK_FLUSH: result = xd_flush(image, &error); break;
	case BLOCK_ZERO: result = xd_zero(image, request->offset, request->length, &error); break;
	case BLOCK_DISCARD:
		result = xd_discard(image, request->offset, request->length, &error);
		break;
	}
	if (result == 0 && request->durable && request->operation != BLOCK_FLUSH) {
		result = xd_flush(image, &error);
	}
	if (result) {
		say_warning("%s: %s", xd_get_path(image), error.message);
	}
	return result;
}

static struct block_request *next_request(struct block_pool *pool)
{
	struct block_request *request;

	while (!pool->queue && !pool->stopping) {
		pthread_cond_wait(&pool->work, &pool->lock);
	}
	request = pool->queue;
	if (request) {
		pool->queue = request->next;
		if (!pool->queue) {
			pool->queue_end = &pool->queue;
		}
	}
	return request;
}

static void put_done(struct block_pool *pool, struct block_request *request)
{
	request->next = NULL;
	*pool->done_end = request;
	pool->done_end = &request->next;
}

static void *work(void *argument)
{
	struct block_pool *pool = argument;
	struct block_request *request;

	pthread_mutex_lock(&pool->lock);
	while ((request = next_request(pool))) {
		bool first;

		pthread_mutex_unlock(&pool->lock);
		request->error = carry_out(request);
		pthread_mutex_lock(&pool->lock);
		first = !pool->done;
		put_done(pool, request);
		if (first) {
			event_signal(pool->watch.fd);
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void handle_done(struct block_pool *pool)
{
	struct block_request *done;

	event_take(pool->watch.fd);
	pthread_mutex_lock(&pool->lock);
	done = pool->done;
	pool->done = NULL;
	pool->done_end = &pool->done;
	pthread_mutex_unlock(&pool->lock);
	while (done) {
		struct block_request *next = done->next;

		done->block->in_flight--;
		done->complete(done, done->error);
		done = next;
	}
}

static void ready(void *context, uint32_t events)
{
	(void)events;
	handle_done(context);
}

int block_pool_init(struct block_pool *pool, struct loop *loop, unsigned threads)
{
	*pool = (struct block_pool){.loop = loop};
	pool->queue_end = &pool->queue;
	pool->done_end = &pool->done;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pool->watch = (struct loop_watch){event_create(), ready, pool};
	if (pool->watch.fd < 0) {
		return pool->watch.fd;
	}
	for (; pool->threads < threads && pool->threads < BLOCK_MAX_THREADS; pool->threads++) {
		int error = pthread_create(&pool->thread[pool->threads], NULL, work, pool);

		if (error) {
			return -error;
		}
	}
	return loop_add(loop, &pool->watch, EPOLLIN);
}

void block_pool_destroy(struct block_pool *pool)
{
	if (!pool->loop) {
		return;
	}
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->threads; i++) {
		pthread_join(pool->thread[i], NULL);
	}
	if (pool->watch.fd >= 0) {
		loop_remove(pool->loop, &pool->watch);
		close(pool->watch.fd);
	}
	pool->loop = NULL;
}

int block_open(struct block *block, struct block_pool *pool, const char *path,
	       enum xd_format format, bool read_only)
{
	const struct xd_open how = {
	    .path = path, .format = format, .flags = read_only ? 0 : XD_OPEN_WRITE};
	struct xd_error error;
	struct xd_info info;

	*block = (struct block){.pool = pool, .read_only = read_only};
	if (xd_open_with(&how, &block->image, &error) < 0) {
		return say_error("%s: %s", path, error.message);
	}
	xd_get_info(block->image, &info);
	block->sector = info.logical_sector;
	block->physical_sector = info.physical_sector;
	block->size = info.virtual_size - info.virtual_size % info.logical_sector;
	if (block->size == 0) {
		xd_close(block->image, NULL);
		block->image = NULL;
		return say_error("%s: has not even one sector", path);
	}
	return 0;
}

void block_submit(struct block_request *request)
{
	struct block_pool *pool = request->block->pool;

	request->block->in_flight++;
	request->next = NULL;
	pthread_mutex_lock(&pool->lock);
	*pool->queue_end = request;
	pool->queue_end = &request->next;
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

void block_drain(struct block *block)
{
	struct pollfd poll_done = {.fd = block->pool->watch.fd, .events = POLLIN};

	while (block->in_flight) {
		poll(&poll_done, 1, -1);
		handle_done(block->pool);
	}
}

void block_close(struct block *block)
{
	struct xd_error error;

	if (!block->image) {
		return;
	}
	block_drain(block);
	if (xd_close(block->image, &error) < 0) {
		say_warning("%s", error.message);
	}
	block->image = NULL;
}
