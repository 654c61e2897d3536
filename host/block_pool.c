/* SPDX-License-Identifier: MIT */
/* Threads that call the image library. They are started one by one as requests find nobody idle. */
#include "host/block_internal.h"

#include "host/say.h"

#include <errno.h>
#include <unistd.h>

/* Quick requests that one thread does before another one is woken, or their ends told. */
#define QUICK 8u

/* A write goes to the page cache. */
static bool is_quick(const struct block_request *request)
{
	return request->operation == BLOCK_WRITE && !request->durable;
}

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

/* The next time the ring can do it. */
static void look_where(struct block_request *request)
{
	struct block *block = request->block;

	request->found.region = 0;
	if (block->pool->ring && block->extents.slot && request->error == 0 &&
	    (request->operation == BLOCK_READ || request->operation == BLOCK_WRITE)) {
		extents_look(&block->extents, block->image, request->offset, &request->found);
	}
}

/* With the lock held. */
static struct block_request *take_first(struct block_pool *pool)
{
	struct block_request *request = pool->queue;

	pool->queue = request->next;
	if (!pool->queue) {
		pool->queue_end = &pool->queue;
	}
	return request;
}

/* With the lock, which a condition variable would leave marked as fought for: its release was a system call each time. */
static struct block_request *next_request(struct block_pool *pool)
{
	while (!pool->queue && !pool->stopping) {
		pool->idle++; /* until somebody posts for it */
		pthread_mutex_unlock(&pool->lock);
		while (sem_wait(&pool->work) < 0) {
		}
		pthread_mutex_lock(&pool->lock);
	}
	return pool->queue ? take_first(pool) : NULL;
}

/* Where another quick one waits, their ends are told together. */
static struct block_request *next_quick(struct block_pool *pool)
{
	struct block_request *request = NULL;

	pthread_mutex_lock(&pool->lock);
	if (pool->queue && is_quick(pool->queue)) {
		request = take_first(pool);
	}
	pthread_mutex_unlock(&pool->lock);
	return request;
}

/* Not where the device thread has something to note before the guest may ask again: extents_written(). */
static void answer(struct block_request *request)
{
	const struct extents *extents = &request->block->extents;

	request->answered = request->answer && request->error == 0 &&
			    !(request->operation == BLOCK_WRITE && extents->child);
	if (request->answered) {
		request->answer(request);
	}
}

static void put_done(struct block_pool *pool, struct block_request *request)
{
	request->next = NULL;
	*pool->done_end = request;
	pool->done_end = &request->next;
}

/* With the lock held. The guest has what was answered, and the device thread need not hear of that now. */
static void tell(struct block_pool *pool, struct block_request *const *done, unsigned count)
{
	bool wake = pool->draining > 0;

	for (unsigned i = 0; i < count; i++) {
		wake = wake || !done[i]->answered;
		put_done(pool, done[i]);
	}
	atomic_store_explicit(&pool->untold, true, memory_order_relaxed);
	if (wake && !pool->told) {
		pool->told = true;
		event_signal(pool->watch.fd);
	}
}

static void *work(void *argument)
{
	struct block_pool *pool = argument;
	struct block_request *request, *done[QUICK];

	pthread_mutex_lock(&pool->lock);
	while ((request = next_request(pool))) {
		unsigned count = 0;

		pthread_mutex_unlock(&pool->lock);
		while (request) {
			request->error = carry_out(request);
			look_where(request);
			done[count++] = request;
			request = count < QUICK ? next_quick(pool) : NULL;
		}
		for (unsigned i = 0; i < count; i++) {
			answer(done[i]);
		}
		pthread_mutex_lock(&pool->lock);
		tell(pool, done, count);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* With the lock held. The first thread must start; where another one does not, those that are there do its work. */
static int add_thread(struct block_pool *pool)
{
	int error = pthread_create(&pool->thread[pool->threads], NULL, work, pool);

	pool->threads += error == 0;
	return -error;
}

void pool_submit(struct block_request *request)
{
	struct block_pool *pool = request->block->pool;

	request->next = NULL;
	request->age = extents_now(&request->block->extents);
	*pool->gathered_end = request;
	pool->gathered_end = &request->next;
	pool->gathered_work += is_quick(request) ? 1 : QUICK;
}

/*
 * With the lock held: how many to wake for work of so many threads, as far as there are. One that is woken in vain costs two
 * switches.
 */
static unsigned summon(struct block_pool *pool, unsigned threads)
{
	unsigned count = threads < pool->idle ? threads : pool->idle;

	if (count < threads && pool->threads < pool->max_threads) {
		add_thread(pool);
	}
	pool->idle -= count;
	return count;
}

/* All at once: a thread that is woken for each takes the processor from us for each. */
void pool_turn(struct block_pool *pool)
{
	unsigned count;

	if (!pool->gathered) {
		return;
	}
	pthread_mutex_lock(&pool->lock);
	*pool->queue_end = pool->gathered;
	pool->queue_end = pool->gathered_end;
	count = summon(pool, (pool->gathered_work + QUICK - 1) / QUICK);
	pthread_mutex_unlock(&pool->lock);
	while (count--) {
		sem_post(&pool->work);
	}
	pool->gathered = NULL;
	pool->gathered_end = &pool->gathered;
	pool->gathered_work = 0;
}

void pool_reap(struct block_pool *pool)
{
	struct block_request *done;

	pthread_mutex_lock(&pool->lock);
	done = pool->done;
	pool->done = NULL;
	pool->done_end = &pool->done;
	pool->told = false;
	atomic_store_explicit(&pool->untold, false, memory_order_relaxed);
	pthread_mutex_unlock(&pool->lock);
	while (done) {
		struct block_request *next = done->next;

		block_done(done);
		done = next;
	}
}

void pool_draining(struct block_pool *pool, int more)
{
	pthread_mutex_lock(&pool->lock);
	pool->draining += more;
	pthread_mutex_unlock(&pool->lock);
}

static void ready(void *context, uint32_t events)
{
	(void)events;
	pool_reap(context);
}

static void turn_ends(void *context)
{
	block_turn(context);
}

int block_pool_init(struct block_pool *pool, struct loop *loop, unsigned threads, struct ring *ring)
{
	int result;

	*pool = (struct block_pool){.loop = loop, .ring = ring};
	pool->max_threads = threads < BLOCK_MAX_THREADS ? threads : BLOCK_MAX_THREADS;
	pool->queue_end = &pool->queue;
	pool->done_end = &pool->done;
	pool->gathered_end = &pool->gathered;
	pool->after = (struct loop_after){turn_ends, pool, NULL};
	pthread_mutex_init(&pool->lock, NULL);
	sem_init(&pool->work, 0, 0);
	pool->watch = (struct loop_watch){event_create(), ready, pool};
	if (pool->watch.fd < 0) {
		return pool->watch.fd;
	}
	pthread_mutex_lock(&pool->lock);
	result = add_thread(pool);
	pthread_mutex_unlock(&pool->lock);
	if (result < 0 || (result = loop_add(loop, &pool->watch, LOOP_EVENT)) < 0) {
		return result;
	}
	loop_add_after(loop, &pool->after);
	return ring ? ring_attach(pool) : 0;
}

void block_pool_destroy(struct block_pool *pool)
{
	if (!pool->loop) {
		return;
	}
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->threads; i++) {
		sem_post(&pool->work);
	}
	for (unsigned i = 0; i < pool->threads; i++) {
		pthread_join(pool->thread[i], NULL);
	}
	if (pool->ring) {
		ring_detach(pool);
	}
	if (pool->watch.fd >= 0) {
		loop_remove(pool->loop, &pool->watch);
		loop_remove_after(pool->loop, &pool->after);
		close(pool->watch.fd);
	}
	pool->loop = NULL;
}
