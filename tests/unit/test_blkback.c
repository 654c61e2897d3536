/* SPDX-License-Identifier: MIT */
/* A block queue between a guest's ring, written as blkfront writes it, and a disk in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What ring.h's front end macros need. */
#define xen_mb()  __sync_synchronize()
#define xen_wmb() __sync_synchronize()

#include "core/blkback.h"
#include "tests/hosted/granted.h"

#define SECTORS 256
#define POOL    8
#define RING    32

struct world {
	struct block_disk disk;
	struct granted memory;
	struct blkback_queue queue;
	struct blkback_slot pool[POOL];
	blkif_front_ring_t front;
	struct block_request *held[64]; /* by a disk that takes its time */
	unsigned nr_held, notified, idle, flushes, discards, commits;
	bool slow, failing, stops; /* stops: the queue, within the commit */
	char data[SECTORS * 512];
	_Alignas(4096) char ring[4][4096];
};

static void notify(void *ctx, struct blkback_queue *queue)
{
	(void)queue;
	((struct world *)ctx)->notified++;
}

static void idle(void *ctx, struct blkback_queue *queue)
{
	(void)queue;
	((struct world *)ctx)->idle++;
}

static void transfer(struct world *w, struct block_request *r)
{
	char *at = w->data + r->sector * 512;

	assert_true(r->sector + r->nr_sectors <= SECTORS);
	for (unsigned i = 0; i < r->nr_segments; i++) {
		char *page = w->memory.page[r->segment[i].mfn] + r->segment[i].offset;

		if (r->op == BLOCK_READ)
			memcpy(page, at, r->segment[i].len);
		else
			memcpy(at, page, r->segment[i].len);
		at += r->segment[i].len;
	}
}

static void carry_out(struct world *w, struct block_request *r)
{
	if (r->op == BLOCK_FLUSH)
		w->flushes++;
	else if (r->op == BLOCK_DISCARD)
		w->discards++;
	else if (!w->failing)
		transfer(w, r);
	block_complete(&w->disk, r, w->failing ? BLOCK_ERROR : BLOCK_OK);
}

static void submit(struct block_disk *disk, struct block_request *request)
{
	struct world *w = (struct world *)disk;

	if (w->slow)
		w->held[w->nr_held++] = request;
	else
		carry_out(w, request);
}

static void commit(struct block_disk *disk)
{
	struct world *w = (struct world *)disk;

	w->commits++;
	if (!w->stops)
		return;
	blkback_stop(&w->queue);
	/* From then on the disk may be gone. */
	assert_int_equal(w->idle, 0);
}

static const struct blkback_env env = {notify, idle};
static const struct block_disk_ops disk_ops = {submit, commit};

static bool in_use(struct world *w, grant_ref_t ref)
{
	return ((struct grant_entry_v1 *)w->memory.table)[ref].flags & (GTF_reading | GTF_writing);
}

/* Reference n grants page n of the guest, for n up to GRANTED_PAGES. */
static int setup_abi(void **state, enum blkif_abi abi)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);
	void *pages[] = {w->ring[0]};

	memset(w, 0, sizeof(*w));
	w->disk = (struct block_disk){
	    .ops = &disk_ops, .nr_sectors = SECTORS, .sector_size = 512, .discard = true};
	assert_int_equal(granted_start(&w->memory, GRANTED_PAGES), 0);
	SHARED_RING_INIT((blkif_sring_t *)w->ring[0]);
	FRONT_RING_INIT(&w->front, (blkif_sring_t *)w->ring[0], 4096);
	blkback_start(&w->queue, &env, w, &w->disk, &w->memory.grants, abi, pages, 1, w->pool,
		      POOL);
	*state = w;
	return 0;
}

static int setup(void **state)
{
	return setup_abi(state, BLKIF_ABI_X86_64);
}

static int setup_32(void **state)
{
	return setup_abi(state, BLKIF_ABI_X86_32);
}

static int teardown(void **state)
{
	struct world *w = *state;

	assert_false(granted_in_use(&w->memory));
	free(w);
	return 0;
}

static struct blkif_request *new_request(struct world *w, uint8_t operation, uint64_t id)
{
	struct blkif_request *r = RING_GET_REQUEST(&w->front, w->front.req_prod_pvt);

	w->front.req_prod_pvt++;
	memset(r, 0, sizeof(*r));
	r->operation = operation;
	r->id = id;
	return r;
}

static bool push(struct world *w)
{
	int tell;

	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&w->front, tell);
	return tell;
}

/* The next response's status; its id must be the one expected. */
static int response(struct world *w, uint64_t id)
{
	struct blkif_response *r;

	assert_int_not_equal(w->front.rsp_cons, w->front.sring->rsp_prod);
	r = RING_GET_RESPONSE(&w->front, w->front.rsp_cons);
	w->front.rsp_cons++;
	w->front.sring->rsp_event = w->front.rsp_cons + 1;
	assert_int_equal(r->id, id);
	return r->status;
}

static void segment(struct blkif_request *r, grant_ref_t ref, uint8_t first, uint8_t last)
{
	r->seg[r->nr_segments++] = (struct blkif_request_segment){ref, first, last};
}

static void data_goes_both_ways(void **state)
{
	struct world *w = *state;
	struct blkif_request *r = new_request(w, BLKIF_OP_WRITE, 77);

	memset(w->memory.page[3], 'a', 4096);
	memset(w->memory.page[4], 'b', 4096);
	r->sector_number = 10;
	segment(r, 3, 0, 7);
	segment(r, 4, 2, 3);
	assert_true(push(w));
	assert_true(blkback_poll(&w->queue));
	assert_int_equal(response(w, 77), BLKIF_RSP_OKAY);
	assert_int_equal(w->notified, 1);
	assert_int_equal(w->commits, 1);
	assert_int_equal(w->data[10 * 512], 'a');
	assert_int_equal(w->data[18 * 512], 'b');
	assert_int_equal(w->data[20 * 512], 0);
	r = new_request(w, BLKIF_OP_READ, 78);
	r->sector_number = 17;
	segment(r, 5, 1, 2);
	assert_true(push(w)); /* the back end asked for an event again */
	blkback_poll(&w->queue);
	assert_int_equal(response(w, 78), BLKIF_RSP_OKAY);
	assert_int_equal(w->memory.page[5][511], 0);
	assert_int_equal(w->memory.page[5][512], 'a');
	assert_int_equal(w->memory.page[5][1024], 'b');
	assert_int_equal(w->memory.page[5][1536], 0);
}

static void grants_are_held_only_while_needed(void **state)
{
	struct world *w = *state;
	struct blkif_request *r = new_request(w, BLKIF_OP_READ, 1);

	w->slow = true;
	segment(r, 3, 0, 0);
	push(w);
	blkback_poll(&w->queue);
	assert_true(in_use(w, 3));
	w->slow = false;
	carry_out(w, w->held[0]);
	assert_false(in_use(w, 3));
	assert_int_equal(response(w, 1), BLKIF_RSP_OKAY);
}

struct bad {
	const char *what;
	uint8_t operation, nr_segments;
	uint64_t sector;
	struct blkif_request_segment segment;
	int status;
};

static void malformed_requests_are_answered_with_errors(void **state)
{
	struct world *w = *state;
	static const struct bad bads[] = {
	    {"no segment", BLKIF_OP_READ, 0, 0, {1, 0, 0}, BLKIF_RSP_ERROR},
	    {"too many", BLKIF_OP_READ, 12, 0, {1, 0, 0}, BLKIF_RSP_ERROR},
	    {"reversed", BLKIF_OP_READ, 1, 0, {1, 3, 2}, BLKIF_RSP_ERROR},
	    {"over the page", BLKIF_OP_READ, 1, 0, {1, 0, 8}, BLKIF_RSP_ERROR},
	    {"far over the page", BLKIF_OP_READ, 1, 0, {1, 0, 255}, BLKIF_RSP_ERROR},
	    {"not granted", BLKIF_OP_READ, 1, 0, {GRANTED_PAGES + 1, 0, 0}, BLKIF_RSP_ERROR},
	    {"no reference", BLKIF_OP_WRITE, 1, 0, {~0u, 0, 0}, BLKIF_RSP_ERROR},
	    {"read into a read-only grant", BLKIF_OP_READ, 1, 0, {63, 0, 0}, BLKIF_RSP_ERROR},
	    {"not the guest's page", BLKIF_OP_READ, 1, 0, {62, 0, 0}, BLKIF_RSP_ERROR},
	    {"past the end", BLKIF_OP_READ, 1, SECTORS, {1, 0, 0}, BLKIF_RSP_ERROR},
	    {"across the end", BLKIF_OP_READ, 1, SECTORS - 1, {1, 0, 1}, BLKIF_RSP_ERROR},
	    {"sector wraps", BLKIF_OP_READ, 1, ~0ull, {1, 0, 1}, BLKIF_RSP_ERROR},
	    {"flush with data", BLKIF_OP_FLUSH_DISKCACHE, 1, 0, {1, 0, 0}, BLKIF_RSP_ERROR},
	    {"barrier", BLKIF_OP_WRITE_BARRIER, 1, 0, {1, 0, 0}, BLKIF_RSP_EOPNOTSUPP},
	    {"unknown", 99, 1, 0, {1, 0, 0}, BLKIF_RSP_ERROR},
	};

	granted_set(&w->memory, 63, 63, GTF_permit_access | GTF_readonly);
	granted_set(&w->memory, 62, 100000, GTF_permit_access);
	for (unsigned i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct blkif_request *r = new_request(w, bads[i].operation, i);

		r->nr_segments = bads[i].nr_segments;
		r->sector_number = bads[i].sector;
		r->seg[0] = bads[i].segment;
		push(w);
		assert_true(blkback_poll(&w->queue));
		if (response(w, i) != bads[i].status)
			fail_msg("%s", bads[i].what);
	}
	segment(new_request(w, BLKIF_OP_READ, 100), 1, 0, 7);
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(response(w, 100), BLKIF_RSP_OKAY);
}

static void one_bad_segment_releases_the_others(void **state)
{
	struct world *w = *state;
	struct blkif_request *r = new_request(w, BLKIF_OP_WRITE, 1);

	segment(r, 1, 0, 7);
	segment(r, 2, 0, 7);
	segment(r, 500, 0, 7);
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(response(w, 1), BLKIF_RSP_ERROR);
	assert_false(in_use(w, 1));
	assert_false(in_use(w, 2));
}

static void a_disks_errors_reach_the_guest(void **state)
{
	struct world *w = *state;

	w->failing = true;
	segment(new_request(w, BLKIF_OP_READ, 1), 1, 0, 0);
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(response(w, 1), BLKIF_RSP_ERROR);
}

static void a_read_only_disk_is_not_written(void **state)
{
	struct world *w = *state;
	struct blkif_request_discard *d;

	w->disk.read_only = true;
	segment(new_request(w, BLKIF_OP_WRITE, 1), 1, 0, 0);
	d = (struct blkif_request_discard *)new_request(w, BLKIF_OP_DISCARD, 2);
	d->nr_sectors = 1;
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(response(w, 1), BLKIF_RSP_ERROR);
	assert_int_equal(response(w, 2), BLKIF_RSP_ERROR);
	assert_int_equal(w->discards, 0);
}

static void flush_and_discard(void **state)
{
	struct world *w = *state;
	struct blkif_request_discard *d;

	new_request(w, BLKIF_OP_FLUSH_DISKCACHE, 1);
	d = (struct blkif_request_discard *)new_request(w, BLKIF_OP_DISCARD, 2);
	d->sector_number = 8;
	d->nr_sectors = SECTORS - 8;
	d->flag = BLKIF_DISCARD_SECURE;
	d = (struct blkif_request_discard *)new_request(w, BLKIF_OP_DISCARD, 3);
	d->sector_number = 8;
	d->nr_sectors = ~0ull;
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(response(w, 1), BLKIF_RSP_OKAY);
	assert_int_equal(response(w, 2), BLKIF_RSP_OKAY);
	assert_int_equal(response(w, 3), BLKIF_RSP_ERROR);
	assert_int_equal(w->flushes, 1);
	assert_int_equal(w->discards, 1);
	w->disk.discard = false;
	new_request(w, BLKIF_OP_DISCARD, 4);
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(response(w, 4), BLKIF_RSP_EOPNOTSUPP);
}

static void sectors_of_4096_bytes_stay_whole(void **state)
{
	struct world *w = *state;
	struct blkif_request *r;

	w->disk.sector_size = 4096;
	segment(new_request(w, BLKIF_OP_READ, 1), 1, 0, 3);
	r = new_request(w, BLKIF_OP_READ, 2);
	r->sector_number = 4;
	segment(r, 1, 0, 7);
	r = new_request(w, BLKIF_OP_READ, 3);
	r->sector_number = 8;
	segment(r, 1, 0, 3);
	segment(r, 2, 0, 3);
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(response(w, 1), BLKIF_RSP_ERROR);
	assert_int_equal(response(w, 2), BLKIF_RSP_ERROR);
	assert_int_equal(response(w, 3), BLKIF_RSP_OKAY);
}

static struct blkif_request_indirect *indirect(struct world *w, uint64_t id, uint16_t nr)
{
	struct blkif_request_indirect *r = (void *)new_request(w, BLKIF_OP_INDIRECT, 0);
	struct blkif_request_segment *list = (void *)w->memory.page[60];

	r->operation = BLKIF_OP_INDIRECT;
	r->indirect_op = BLKIF_OP_WRITE;
	r->nr_segments = nr;
	r->id = id;
	r->sector_number = 0;
	r->indirect_grefs[0] = 60;
	for (unsigned i = 0; i < nr && i < 64; i++)
		list[i] = (struct blkif_request_segment){i % 50, i % 4, i % 4};
	return r;
}

static void indirect_requests_carry_many_segments(void **state)
{
	struct world *w = *state;
	struct blkif_request_indirect *r;

	for (unsigned i = 0; i < 50; i++)
		memset(w->memory.page[i], i + 1, 4096);
	indirect(w, 5, BLOCK_SEGMENTS_MAX);
	indirect(w, 6, BLOCK_SEGMENTS_MAX + 1);
	indirect(w, 7, 0);
	r = indirect(w, 8, 1);
	r->indirect_grefs[0] = 400;
	r = indirect(w, 9, 1);
	r->indirect_op = BLKIF_OP_FLUSH_DISKCACHE;
	r = indirect(w, 10, 1);
	r->indirect_op = BLKIF_OP_INDIRECT;
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(RING_GET_RESPONSE(&w->front, 0)->operation, BLKIF_OP_WRITE);
	assert_int_equal(response(w, 5), BLKIF_RSP_OKAY);
	for (unsigned i = 6; i <= 10; i++)
		assert_int_equal(response(w, i), BLKIF_RSP_ERROR);
	for (unsigned i = 0; i < BLOCK_SEGMENTS_MAX; i++)
		assert_int_equal(w->data[i * 512], i % 50 + 1);
}

static void the_32_bit_layout_is_understood(void **state)
{
	struct world *w = *state;
	uint8_t *slot = (uint8_t *)w->ring[0] + 64;
	uint64_t id = 0x1122334455667788, sector = 3;
	struct blkif_request_segment seg = {2, 1, 1};

	memset(w->memory.page[2] + 512, 'x', 512);
	slot[0] = BLKIF_OP_WRITE;
	slot[1] = 1;
	memcpy(slot + 4, &id, 8);
	memcpy(slot + 12, &sector, 8);
	memcpy(slot + 20, &seg, 8);
	slot[108] = BLKIF_OP_FLUSH_DISKCACHE;
	w->front.sring->req_prod = 2;
	blkback_poll(&w->queue);
	assert_int_equal(w->front.sring->rsp_prod, 2);
	assert_memory_equal(slot, &id, 8);
	assert_int_equal(slot[8], BLKIF_OP_WRITE);
	assert_int_equal(slot[10], 0);
	assert_int_equal(w->data[3 * 512], 'x');
	assert_int_equal(w->flushes, 1);
}

static void more_requests_than_slots_wait(void **state)
{
	struct world *w = *state;
	unsigned done = 0;

	w->slow = true;
	for (unsigned i = 0; i < RING; i++)
		segment(new_request(w, BLKIF_OP_READ, i), i, 0, 0);
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(w->nr_held, POOL);
	for (; done < RING; done++) {
		w->slow = true;
		assert_in_range(w->nr_held, done + 1, RING);
		transfer(w, w->held[done]);
		block_complete(&w->disk, w->held[done], BLOCK_OK); /* which takes the next one */
	}
	for (unsigned i = 0; i < RING; i++)
		assert_int_equal(response(w, i), BLKIF_RSP_OKAY);
}

/* A disk at which one request stays while all others are done at once; and a guest that has one more for a long time. */
static void endless(struct block_disk *disk, struct block_request *request)
{
	struct world *w = (struct world *)disk;

	if (!w->nr_held) {
		w->held[w->nr_held++] = request;
		return;
	}
	if (++w->flushes < 150) {
		segment(new_request(w, BLKIF_OP_READ, 7), 1, 0, 0);
		push(w);
	}
	block_complete(disk, request, BLOCK_OK);
}

static void a_guest_that_never_stops_does_not_keep_the_poller(void **state)
{
	static const struct block_disk_ops ops = {endless, NULL};
	struct world *w = *state;

	w->disk.ops = &ops;
	segment(new_request(w, BLKIF_OP_READ, 7), 1, 0, 0);
	segment(new_request(w, BLKIF_OP_READ, 7), 1, 0, 0);
	push(w);
	assert_true(blkback_poll(&w->queue));
	assert_int_equal(w->flushes, BACKQ_BATCH - 1);
	block_complete(&w->disk, w->held[0], BLOCK_OK); /* which goes on */
	assert_int_equal(w->flushes, 150);
	assert_int_equal(xenring_open(&w->queue.ring), 0);
}

static void a_stopped_queue_becomes_idle_once(void **state)
{
	struct world *w = *state;

	w->slow = true;
	segment(new_request(w, BLKIF_OP_READ, 1), 1, 0, 0);
	push(w);
	blkback_poll(&w->queue);
	blkback_stop(&w->queue);
	assert_int_equal(w->idle, 0);
	segment(new_request(w, BLKIF_OP_READ, 2), 2, 0, 0);
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(w->nr_held, 1);
	w->slow = false;
	carry_out(w, w->held[0]);
	assert_int_equal(w->idle, 1);
	blkback_stop(&w->queue);
	blkback_poll(&w->queue);
	assert_int_equal(w->idle, 1);
}

static void a_queue_that_is_stopped_meanwhile_is_idle_after_the_commit(void **state)
{
	struct world *w = *state;

	w->stops = true;
	segment(new_request(w, BLKIF_OP_READ, 1), 1, 0, 0);
	push(w);
	blkback_poll(&w->queue);
	assert_int_equal(w->commits, 1);
	assert_int_equal(w->idle, 1);
}

static void an_impossible_producer_breaks_only_the_queue(void **state)
{
	struct world *w = *state;

	w->front.sring->req_prod = RING + 1;
	assert_false(blkback_poll(&w->queue));
	assert_false(blkback_poll(&w->queue));
	w->front.sring->req_prod = 1;
	assert_false(blkback_poll(&w->queue));
	assert_int_equal(w->front.sring->rsp_prod, 0);
	blkback_stop(&w->queue);
	assert_int_equal(w->idle, 1);
}

static void a_ring_of_four_pages_works_across_their_edges(void **state)
{
	struct world *w = *state;
	void *pages[] = {w->ring[0], w->ring[1], w->ring[2], w->ring[3]};

	memset(w->ring, 0, sizeof(w->ring));
	SHARED_RING_INIT((blkif_sring_t *)w->ring[0]);
	FRONT_RING_INIT(&w->front, (blkif_sring_t *)w->ring[0], 4 * 4096);
	assert_int_equal(RING_SIZE(&w->front), xenring_entries(4, 112));
	blkback_start(&w->queue, &env, w, &w->disk, &w->memory.grants, BLKIF_ABI_X86_64, pages, 4,
		      w->pool, POOL);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < RING_SIZE(&w->front); i++) {
			struct blkif_request *r = new_request(w, BLKIF_OP_READ, i);

			segment(r, i % 50, 0, 0);
		}
		push(w);
		assert_true(blkback_poll(&w->queue));
		for (unsigned i = 0; i < RING_SIZE(&w->front); i++)
			assert_int_equal(response(w, i), BLKIF_RSP_OKAY);
	}
}

static void rings_have_the_size_that_the_front_end_computes(void **state)
{
	(void)state;
	assert_int_equal(xenring_entries(1, 112), 32);
	assert_int_equal(xenring_entries(1, 108), 32);
	assert_int_equal(xenring_entries(16, 112), 512);
	assert_int_equal(xenring_entries(1, 12), 256);
	assert_int_equal(xenring_entries(1, 8), 256);
	assert_int_equal(xenring_entries(1, 5000), 0);
}

#define TEST(f)    cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_32(f) cmocka_unit_test_setup_teardown(f, setup_32, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(data_goes_both_ways),
	    TEST(grants_are_held_only_while_needed),
	    TEST(malformed_requests_are_answered_with_errors),
	    TEST(one_bad_segment_releases_the_others),
	    TEST(a_disks_errors_reach_the_guest),
	    TEST(a_read_only_disk_is_not_written),
	    TEST(flush_and_discard),
	    TEST(sectors_of_4096_bytes_stay_whole),
	    TEST(indirect_requests_carry_many_segments),
	    TEST_32(the_32_bit_layout_is_understood),
	    TEST(more_requests_than_slots_wait),
	    TEST(a_guest_that_never_stops_does_not_keep_the_poller),
	    TEST(a_stopped_queue_becomes_idle_once),
	    TEST(a_queue_that_is_stopped_meanwhile_is_idle_after_the_commit),
	    TEST(an_impossible_producer_breaks_only_the_queue),
	    TEST(a_ring_of_four_pages_works_across_their_edges),
	    TEST(rings_have_the_size_that_the_front_end_computes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
