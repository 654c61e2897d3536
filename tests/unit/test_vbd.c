/* SPDX-License-Identifier: MIT */
/* A whole virtual disk: xenstore, grants, event channels and rings as blkfront uses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define xen_mb()  __sync_synchronize()
#define xen_wmb() __sync_synchronize()

#include "core/vbd.h"
#include "tests/unit/xen_side.h"

#define QUEUES 2
#define SLOTS  4
#define FRONT  "/local/domain/1/device/vbd/51712"
#define BACK   "/local/domain/0/backend/vbd/1/51712"

struct world {
	struct xen_side xen;
	struct block_disk disk;
	struct vbd vbd;
	struct vbd_queue queues[QUEUES];
	struct blkback_slot slots[QUEUES * SLOTS];
	struct block_request *held;
	blkif_front_ring_t front[QUEUES];
	evtchn_port_t port[QUEUES];
	unsigned works, removals;
};

static void submit(struct block_disk *disk, struct block_request *request)
{
	block_complete(disk, request, BLOCK_OK);
}

static struct world *slow_world;

static void submit_slow(struct block_disk *disk, struct block_request *request)
{
	(void)disk;
	slow_world->held = request;
}

static void work(void *ctx, struct vbd *vbd)
{
	(void)vbd;
	((struct world *)ctx)->works++;
}

static void removed(void *ctx, struct vbd *vbd)
{
	(void)vbd;
	((struct world *)ctx)->removals++;
}

static const struct block_disk_ops disk_ops = {submit, NULL}, slow_ops = {submit_slow, NULL};
static const struct vbd_env vbd_env = {work, removed};

static int setup(void **state)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);

	memset(w, 0, sizeof(*w));
	struct vbd_config vbd = {&vbd_env,      w, &w->disk,  &w->xen.evtchn, &w->xen.memory.grants,
				 &w->xen.store, 1, w->queues, QUEUES,         w->slots,
				 SLOTS};
	w->disk = (struct block_disk){
	    .ops = &disk_ops, .nr_sectors = 1000, .sector_size = 512, .physical_sector_size = 4096};
	xen_side_start(&w->xen);
	assert_int_equal(vbd_add(&w->vbd, &vbd, vbd_number(0)), 0);
	xs_deliver(&w->xen.store);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (!w->removals)
		vbd_unplug(&w->vbd);
	if (!w->removals && !w->vbd.bus.withdrawn)
		xen_side_front_leaves(&w->xen, FRONT);
	assert_int_equal(w->removals, 1);
	xen_side_end(&w->xen);
	free(w);
	return 0;
}

static void set(struct world *w, const char *path, uint64_t value)
{
	xen_side_set(&w->xen, path, value);
}

static uint64_t get(struct world *w, const char *path)
{
	return xen_side_get(&w->xen, path);
}

static bool exists(struct world *w, const char *path)
{
	return xs_local_read(&w->xen.store, path, NULL, 0) >= 0;
}

static void front_state(struct world *w, enum xenbus_state state)
{
	set(w, FRONT "/state", state);
	xs_deliver(&w->xen.store);
}

static void close_channel(struct world *w)
{
	assert_int_equal(evtchn_close(&w->xen.evtchn, &(struct evtchn_close){w->port[0]}), 0);
}

static void make_ring(struct world *w, unsigned queue)
{
	w->port[queue] = xen_side_port(&w->xen);
	memset(w->xen.memory.page[queue], 0, 4096);
	SHARED_RING_INIT((blkif_sring_t *)w->xen.memory.page[queue]);
	FRONT_RING_INIT(&w->front[queue], (blkif_sring_t *)w->xen.memory.page[queue], 4096);
}

/* What blkfront does with a single queue, up to Initialised. */
static void connect_one(struct world *w)
{
	make_ring(w, 0);
	set(w, FRONT "/ring-ref", 0);
	set(w, FRONT "/event-channel", w->port[0]);
	xs_local_write_str(&w->xen.store, FRONT "/protocol", "x86_64-abi");
	front_state(w, XenbusStateInitialised);
}

static int one_read(struct world *w, unsigned queue)
{
	blkif_front_ring_t *ring = &w->front[queue];
	struct blkif_request *r = RING_GET_REQUEST(ring, ring->req_prod_pvt);
	int tell;

	ring->req_prod_pvt++;
	*r = (struct blkif_request){.operation = BLKIF_OP_READ, .nr_segments = 1};
	r->seg[0] = (struct blkif_request_segment){10, 0, 7};
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(ring, tell);
	if (tell)
		evtchn_send(&w->xen.evtchn, &(struct evtchn_send){w->port[queue]});
	if (ring->sring->rsp_prod == ring->rsp_cons)
		return 1;
	ring->sring->rsp_event = ring->rsp_cons + 2;
	return RING_GET_RESPONSE(ring, ring->rsp_cons++)->status;
}

static void the_device_is_described(void **state)
{
	struct world *w = *state;
	char buf[64];

	assert_int_equal(get(w, BACK "/state"), XenbusStateInitWait);
	assert_int_equal(get(w, FRONT "/state"), XenbusStateInitialising);
	assert_int_equal(get(w, FRONT "/virtual-device"), 51712);
	assert_int_equal(get(w, FRONT "/backend-id"), 0);
	assert_int_equal(get(w, BACK "/multi-queue-max-queues"), QUEUES);
	assert_int_equal(get(w, BACK "/feature-flush-cache"), 1);
	assert_false(exists(w, BACK "/feature-barrier"));
	xs_local_read(&w->xen.store, FRONT "/backend", buf, sizeof(buf));
	assert_string_equal(buf, BACK);
	xs_local_read(&w->xen.store, BACK "/frontend", buf, sizeof(buf));
	assert_string_equal(buf, FRONT);
	assert_int_equal(vbd_number(1), 51728);
	assert_int_equal(vbd_number(16), 1 << 28 | 16 << 8);
}

static void a_front_end_connects_and_reads(void **state)
{
	struct world *w = *state;

	connect_one(w);
	assert_int_equal(get(w, BACK "/state"), XenbusStateConnected);
	assert_int_equal(get(w, BACK "/sectors"), 1000);
	assert_int_equal(get(w, BACK "/sector-size"), 512);
	assert_int_equal(get(w, BACK "/physical-sector-size"), 4096);
	front_state(w, XenbusStateConnected);
	assert_int_equal(one_read(w, 0), BLKIF_RSP_OKAY);
	assert_true(evtchn_is_pending(&w->xen.evtchn, w->port[0]));
}

static void several_queues_connect(void **state)
{
	struct world *w = *state;

	set(w, FRONT "/multi-queue-num-queues", 2);
	for (unsigned i = 0; i < 2; i++) {
		char path[80];

		make_ring(w, i);
		snprintf(path, sizeof(path), FRONT "/queue-%u/ring-ref", i);
		set(w, path, i);
		snprintf(path, sizeof(path), FRONT "/queue-%u/event-channel", i);
		set(w, path, w->port[i]);
	}
	front_state(w, XenbusStateInitialised);
	assert_int_equal(get(w, BACK "/state"), XenbusStateConnected);
	assert_int_equal(one_read(w, 0), BLKIF_RSP_OKAY);
	assert_int_equal(one_read(w, 1), BLKIF_RSP_OKAY);
}

static void bad_parameters_close_the_device_only(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *key;
		uint64_t value;
	} bads[] = {
	    {FRONT "/multi-queue-num-queues", 0},
	    {FRONT "/multi-queue-num-queues", QUEUES + 1},
	    {FRONT "/ring-page-order", 3},
	    {FRONT "/ring-page-order", 1},
	    {FRONT "/ring-ref", 400},
	    {FRONT "/ring-ref", 1ull << 40},
	    {FRONT "/event-channel", 15},
	    {FRONT "/event-channel", 0},
	    {FRONT "/protocol", 64},
	};

	for (unsigned i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		make_ring(w, 0);
		set(w, FRONT "/ring-ref", 0);
		set(w, FRONT "/event-channel", w->port[0]);
		set(w, bads[i].key, bads[i].value);
		front_state(w, XenbusStateInitialised);
		assert_int_equal(get(w, BACK "/state"), XenbusStateClosing);
		assert_int_equal(w->vbd.busy, 0);
		front_state(w, XenbusStateClosed);
		assert_int_equal(get(w, BACK "/state"), XenbusStateClosed);
		assert_int_equal(evtchn_close(&w->xen.evtchn, &(struct evtchn_close){w->port[0]}),
				 0);
		xs_local_rm(&w->xen.store, bads[i].key);
		front_state(w, XenbusStateInitialising);
		assert_int_equal(get(w, BACK "/state"), XenbusStateInitWait);
	}
	assert_true(exists(w, "/local/domain/0/error/backend/vbd/1/51712/error"));
	connect_one(w);
	assert_int_equal(one_read(w, 0), BLKIF_RSP_OKAY);
}

static void it_closes_and_connects_again(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 3; i++) {
		connect_one(w);
		assert_int_equal(one_read(w, 0), BLKIF_RSP_OKAY);
		front_state(w, XenbusStateClosing);
		assert_int_equal(get(w, BACK "/state"), XenbusStateClosing);
		front_state(w, XenbusStateClosed);
		assert_int_equal(get(w, BACK "/state"), XenbusStateClosed);
		assert_int_equal(w->xen.memory.pins[0].users, 0);
		evtchn_close(&w->xen.evtchn, &(struct evtchn_close){w->port[0]});
		front_state(w, XenbusStateInitialising);
		assert_int_equal(get(w, BACK "/state"), XenbusStateInitWait);
	}
}

static void a_front_end_that_starts_anew_is_served(void **state)
{
	struct world *w = *state;

	connect_one(w);
	front_state(w, XenbusStateInitialising); /* no closing: another kernel took over */
	assert_int_equal(get(w, BACK "/state"), XenbusStateInitWait);
	connect_one(w);
	assert_int_equal(get(w, BACK "/state"), XenbusStateConnected);
	assert_int_equal(one_read(w, 0), BLKIF_RSP_OKAY);
}

static void unplugging_waits_for_the_front_end(void **state)
{
	struct world *w = *state;

	connect_one(w);
	vbd_unplug(&w->vbd);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosing);
	assert_int_equal(get(w, BACK "/online"), 0);
	assert_int_equal(one_read(w, 0), BLKIF_RSP_OKAY); /* it still works */
	front_state(w, XenbusStateClosing);
	assert_int_equal(w->removals, 0);
	assert_true(exists(w, BACK));
	close_channel(w);
	front_state(w, XenbusStateClosed);
	assert_int_equal(w->removals, 1);
	assert_false(exists(w, FRONT));
	assert_false(exists(w, BACK));
}

static void an_unconnected_device_unplugs_at_once(void **state)
{
	struct world *w = *state;

	vbd_unplug(&w->vbd);
	assert_int_equal(w->removals, 1);
	assert_false(exists(w, FRONT));
}

static void closing_waits_for_requests_in_flight(void **state)
{
	struct world *w = *state;

	slow_world = w;
	w->disk.ops = &slow_ops;
	connect_one(w);
	one_read(w, 0);
	assert_non_null(w->held);
	front_state(w, XenbusStateClosed);
	assert_int_equal(get(w, BACK "/state"), XenbusStateConnected);
	assert_int_equal(w->xen.memory.pins[0].users, 1);
	front_state(w, XenbusStateInitialising);
	vbd_progress(&w->vbd);
	assert_int_equal(w->works, 0);
	block_complete(&w->disk, w->held, BLOCK_OK);
	assert_int_equal(w->works, 1);
	vbd_progress(&w->vbd);
	assert_int_equal(w->xen.memory.pins[0].users, 0);
	assert_int_equal(get(w, BACK "/state"), XenbusStateInitWait);
}

static void a_removal_waits_for_requests_in_flight(void **state)
{
	struct world *w = *state;

	slow_world = w;
	w->disk.ops = &slow_ops;
	connect_one(w);
	one_read(w, 0);
	vbd_unplug(&w->vbd);
	close_channel(w);
	front_state(w, XenbusStateClosed);
	assert_int_equal(w->removals, 0);
	block_complete(&w->disk, w->held, BLOCK_ERROR);
	vbd_progress(&w->vbd);
	assert_int_equal(w->removals, 1);
	assert_false(exists(w, FRONT));
}

/* What Linux's blkfront does while xenwatch waits for its last requests: only its channel's end says that there are none. */
static void requests_after_closing_are_answered(void **state)
{
	struct world *w = *state;

	connect_one(w);
	vbd_unplug(&w->vbd);
	assert_false(evtchn_is_pending(&w->xen.evtchn, w->port[0]));
	front_state(w, XenbusStateClosed);
	assert_false(exists(w, FRONT));
	assert_true(evtchn_is_pending(&w->xen.evtchn, w->port[0])); /* told to look */
	assert_int_equal(one_read(w, 0), BLKIF_RSP_OKAY);
	vbd_resized(&w->vbd);
	vbd_progress(&w->vbd);
	assert_int_equal(w->removals, 0);
	assert_false(exists(w, BACK));
	close_channel(w);
	assert_int_equal(w->works, 1);
	vbd_progress(&w->vbd);
	assert_int_equal(w->removals, 1);
	assert_int_equal(w->xen.memory.pins[0].users, 0);
}

static void a_front_end_that_let_go_first_is_not_waited_for(void **state)
{
	struct world *w = *state;

	connect_one(w);
	vbd_unplug(&w->vbd);
	close_channel(w);
	vbd_progress(&w->vbd);
	assert_int_equal(w->removals, 0);
	front_state(w, XenbusStateClosed);
	assert_int_equal(w->removals, 1);
}

static void a_new_kernel_lets_go_of_an_unplugged_device(void **state)
{
	struct world *w = *state;

	connect_one(w);
	vbd_unplug(&w->vbd);
	front_state(w, XenbusStateInitialising);
	assert_int_equal(w->removals, 1);
	assert_false(exists(w, FRONT));
}

static void a_broken_ring_closes_the_device(void **state)
{
	struct world *w = *state;

	connect_one(w);
	w->front[0].sring->req_prod = 1000;
	evtchn_send(&w->xen.evtchn, &(struct evtchn_send){w->port[0]});
	assert_int_equal(w->works, 1);
	vbd_progress(&w->vbd);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosing);
	front_state(w, XenbusStateClosed);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosed);
}

static void requests_put_before_the_connection_are_served(void **state)
{
	struct world *w = *state;

	make_ring(w, 0);
	w->front[0].sring->req_prod = 1;
	((struct blkif_request *)(w->xen.memory.page[0] + 64))->operation =
	    BLKIF_OP_FLUSH_DISKCACHE;
	set(w, FRONT "/ring-ref0", 0);
	set(w, FRONT "/event-channel", w->port[0]);
	front_state(w, XenbusStateInitialised);
	assert_int_equal(w->front[0].sring->rsp_prod, 1);
}

static void a_removed_front_directory_closes_the_device(void **state)
{
	struct world *w = *state;

	connect_one(w);
	xs_local_rm(&w->xen.store, FRONT);
	xs_deliver(&w->xen.store);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosed);
	assert_int_equal(w->xen.memory.pins[0].users, 0);
}

static void a_new_size_is_announced(void **state)
{
	struct world *w = *state;

	connect_one(w);
	w->disk.nr_sectors = 2000;
	vbd_resized(&w->vbd);
	assert_int_equal(get(w, BACK "/sectors"), 2000);
	assert_int_equal(get(w, BACK "/state"), XenbusStateConnected);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_device_is_described),
	    TEST(a_front_end_connects_and_reads),
	    TEST(several_queues_connect),
	    TEST(bad_parameters_close_the_device_only),
	    TEST(it_closes_and_connects_again),
	    TEST(a_front_end_that_starts_anew_is_served),
	    TEST(unplugging_waits_for_the_front_end),
	    TEST(an_unconnected_device_unplugs_at_once),
	    TEST(closing_waits_for_requests_in_flight),
	    TEST(a_removal_waits_for_requests_in_flight),
	    TEST(requests_after_closing_are_answered),
	    TEST(a_front_end_that_let_go_first_is_not_waited_for),
	    TEST(a_new_kernel_lets_go_of_an_unplugged_device),
	    TEST(a_broken_ring_closes_the_device),
	    TEST(requests_put_before_the_connection_are_served),
	    TEST(a_removed_front_directory_closes_the_device),
	    TEST(a_new_size_is_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
