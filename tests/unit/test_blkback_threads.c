/* SPDX-License-Identifier: MIT */
/*
 * A block queue from several processors at once, under ThreadSanitizer: a guest that puts requests and polls, another that only
 * polls, a disk that completes elsewhere. Every request is answered once, and a stopped queue comes to rest once.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/blkback.h"

#define REQUESTS 5000
#define RING     32
#define POOL     4

struct world {
	struct block_disk disk; /* first */
	struct gnttab grants;
	struct gnttab_pin pins[GNTTAB_REFS_PER_FRAME];
	struct blkback_queue queue;
	struct blkback_slot pool[POOL];
	struct block_request *_Atomic held[POOL];
	atomic_uint submitted, answered, idle, events;
	atomic_bool done;
	_Alignas(4096) char table[4096];
	_Alignas(4096) char ring[4096];
	_Alignas(4096) char guest[4][4096];
};

static void *alloc(void *ctx, uint64_t *mfn)
{
	*mfn = 0;
	return ((struct world *)ctx)->table;
}

static void *page_of(void *ctx, uint64_t mfn)
{
	return ((struct world *)ctx)->guest[mfn];
}

static void notify(void *ctx, struct blkback_queue *queue)
{
	(void)queue;
	((struct world *)ctx)->events++;
}

static void idle(void *ctx, struct blkback_queue *queue)
{
	(void)queue;
	((struct world *)ctx)->idle++;
}

static void submit(struct block_disk *disk, struct block_request *request)
{
	struct world *w = (struct world *)disk;
	struct block_request *none;

	if (++w->submitted % 3 == 0) {
		block_complete(disk, request, BLOCK_OK);
		return;
	}
	for (unsigned i = 0;; i = (i + 1) % POOL) {
		none = NULL;
		if (atomic_compare_exchange_strong(&w->held[i], &none, request))
			return;
	}
}

static const struct gnttab_env grant_env = {alloc, page_of};
static const struct blkback_env env = {notify, idle};
static const struct block_disk_ops disk_ops = {submit, NULL};

static void *disk_thread(void *arg)
{
	struct world *w = arg;

	while (!w->done) {
		for (unsigned i = 0; i < POOL; i++) {
			struct block_request *request = atomic_exchange(&w->held[i], NULL);

			if (request)
				block_complete(&w->disk, request, BLOCK_OK);
		}
		sched_yield();
	}
	return NULL;
}

static void *poller(void *arg)
{
	struct world *w = arg;

	while (!w->done) {
		blkback_poll(&w->queue);
		sched_yield();
	}
	return NULL;
}

/* One flush or one read, in the front end's slot `at`; relaxed, as the producer index is what publishes it. */
static void put(struct world *w, uint32_t at)
{
	struct blkif_request *slot = (struct blkif_request *)(w->ring + XENRING_HEADER) + at % RING;
	struct blkif_request request = {
	    .operation = at % 2 ? BLKIF_OP_READ : BLKIF_OP_FLUSH_DISKCACHE, .id = at};

	request.nr_segments = at % 2;
	request.seg[0] = (struct blkif_request_segment){at % 4, 0, 7};
	memcpy(slot, &request, sizeof(request));
}

static void every_request_is_answered_once(void **state)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);
	struct gnttab_config c = {&grant_env, w, 1, 1, w->pins};
	struct xenring_header *header = (struct xenring_header *)w->ring;
	static uint8_t answers[REQUESTS];
	uint32_t prod = 0, cons = 0;
	void *pages[] = {w->ring};
	pthread_t threads[3];

	(void)state;
	memset(w, 0, sizeof(*w));
	w->disk = (struct block_disk){.ops = &disk_ops, .nr_sectors = 100, .sector_size = 512};
	gnttab_init(&w->grants, &c);
	for (unsigned i = 0; i < 4; i++)
		((struct grant_entry_v1 *)w->table)[i] =
		    (struct grant_entry_v1){GTF_permit_access, 0, i};
	blkback_start(&w->queue, &env, w, &w->disk, &w->grants, BLKIF_ABI_X86_64, pages, 1, w->pool,
		      POOL);
	pthread_create(&threads[0], NULL, disk_thread, w);
	pthread_create(&threads[1], NULL, disk_thread, w);
	pthread_create(&threads[2], NULL, poller, w);
	while (cons < REQUESTS) {
		uint32_t there = __atomic_load_n(&header->rsp_prod, __ATOMIC_ACQUIRE);

		for (; cons != there; cons++) {
			struct blkif_response r;

			memcpy(&r, w->ring + XENRING_HEADER + cons % RING * 112, sizeof(r));
			assert_int_equal(r.status, BLKIF_RSP_OKAY);
			assert_in_range(r.id, 0, REQUESTS - 1);
			answers[r.id]++;
		}
		for (; prod < REQUESTS && prod - cons < RING; prod++)
			put(w, prod);
		__atomic_store_n(&header->req_prod, prod, __ATOMIC_RELEASE);
		blkback_poll(&w->queue);
	}
	blkback_stop(&w->queue);
	blkback_stop(&w->queue);
	w->done = true;
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < REQUESTS; i++)
		assert_int_equal(answers[i], 1);
	assert_int_equal(w->idle, 1);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(w->pins[i].users, 0);
		assert_int_equal(((struct grant_entry_v1 *)w->table)[i].flags, GTF_permit_access);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_request_is_answered_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
