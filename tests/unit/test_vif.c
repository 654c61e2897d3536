/* SPDX-License-Identifier: MIT */
/* A whole network interface: xenstore, grants, event channels and rings as netfront uses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define xen_mb()  __sync_synchronize()
#define xen_wmb() __sync_synchronize()

#include "core/vif.h"
#include "tests/unit/xen_side.h"

#define QUEUES 2
#define SLOTS  4
#define FRONT  "/local/domain/1/device/vif/0"
#define BACK   "/local/domain/0/backend/vif/1/0"

struct world {
	struct net_device device; /* first */
	struct xen_side xen;
	struct vif vif;
	struct vif_queue queues[QUEUES];
	struct netback_slot slots[QUEUES * SLOTS];
	netif_tx_front_ring_t tx[QUEUES];
	netif_rx_front_ring_t rx[QUEUES];
	struct net_packet *held;
	bool slow;
	unsigned sent[QUEUES], rooms[QUEUES], works, removals;
};

static void transmit(struct net_device *device, unsigned queue, struct net_packet *packet)
{
	struct world *w = (struct world *)device;

	w->sent[queue]++;
	if (w->slow)
		w->held = packet;
	else
		net_transmitted(device, packet, NET_OK);
}

static void work(void *ctx, struct vif *vif)
{
	(void)vif;
	((struct world *)ctx)->works++;
}

static void room(void *ctx, struct vif *vif, unsigned queue)
{
	(void)vif;
	((struct world *)ctx)->rooms[queue]++;
}

static void removed(void *ctx, struct vif *vif)
{
	(void)vif;
	((struct world *)ctx)->removals++;
}

static const struct net_device_ops device_ops = {transmit, NULL};
static const struct vif_env vif_env = {work, room, removed};

static int setup(void **state)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);

	memset(w, 0, sizeof(*w));
	struct vif_config vif = {
	    &vif_env,  w,      &w->device, &w->xen.evtchn, &w->xen.memory.grants, &w->xen.store, 1,
	    w->queues, QUEUES, w->slots,   SLOTS};
	w->device = (struct net_device){
	    .ops = &device_ops, .mac = {0, 0x16, 0x3e, 1, 2, 0xff}, .mtu = 1500, .gso_v4 = true};
	xen_side_start(&w->xen);
	assert_int_equal(vif_add(&w->vif, &vif, 0), 0);
	xs_deliver(&w->xen.store);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (!w->removals)
		vif_unplug(&w->vif);
	if (!w->removals)
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

static void front_state(struct world *w, enum xenbus_state state)
{
	set(w, FRONT "/state", state);
	xs_deliver(&w->xen.store);
}

/* Pages 2n and 2n+1 are queue n's rings. */
static void make_rings(struct world *w, unsigned queue)
{
	memset(w->xen.memory.page[queue * 2], 0, 8192);
	SHARED_RING_INIT((netif_tx_sring_t *)w->xen.memory.page[queue * 2]);
	SHARED_RING_INIT((netif_rx_sring_t *)w->xen.memory.page[queue * 2 + 1]);
	FRONT_RING_INIT(&w->tx[queue], (netif_tx_sring_t *)w->xen.memory.page[queue * 2], 4096);
	FRONT_RING_INIT(&w->rx[queue], (netif_rx_sring_t *)w->xen.memory.page[queue * 2 + 1], 4096);
}

/* What an old netfront does: one queue, one channel, no features beyond the necessary. */
static evtchn_port_t connect_one(struct world *w)
{
	evtchn_port_t port = xen_side_port(&w->xen);

	make_rings(w, 0);
	set(w, FRONT "/tx-ring-ref", 0);
	set(w, FRONT "/rx-ring-ref", 1);
	set(w, FRONT "/event-channel", port);
	set(w, FRONT "/request-rx-copy", 1);
	front_state(w, XenbusStateConnected);
	return port;
}

static void send_one(struct world *w, unsigned queue, evtchn_port_t port)
{
	*RING_GET_REQUEST(&w->tx[queue], w->tx[queue].req_prod_pvt) =
	    (struct netif_tx_request){10, 0, 0, 1, 60};
	w->tx[queue].req_prod_pvt++;
	RING_PUSH_REQUESTS(&w->tx[queue]);
	evtchn_send(&w->xen.evtchn, &(struct evtchn_send){port});
}

static void the_interface_is_described(void **state)
{
	struct world *w = *state;
	char buf[64];

	assert_int_equal(get(w, BACK "/state"), XenbusStateInitWait);
	xs_local_read(&w->xen.store, FRONT "/mac", buf, sizeof(buf));
	assert_string_equal(buf, "00:16:3e:01:02:ff");
	assert_int_equal(get(w, FRONT "/handle"), 0);
	assert_int_equal(get(w, BACK "/feature-rx-copy"), 1);
	assert_int_equal(get(w, BACK "/multi-queue-max-queues"), QUEUES);
}

static void an_old_front_end_sends_and_receives(void **state)
{
	struct world *w = *state;
	evtchn_port_t port = connect_one(w);
	struct net_offload plain = {.gso = NET_GSO_NONE};
	char data[5000] = {0};

	assert_int_equal(get(w, BACK "/state"), XenbusStateConnected);
	send_one(w, 0, port);
	assert_int_equal(w->sent[0], 1);
	assert_int_equal(w->rooms[0], 1); /* one channel for both rings */
	assert_int_equal(w->tx[0].sring->rsp_prod, 1);
	*RING_GET_REQUEST(&w->rx[0], 0) = (struct netif_rx_request){.id = 5, .gref = 11};
	w->rx[0].req_prod_pvt = 1;
	RING_PUSH_REQUESTS(&w->rx[0]);
	assert_int_equal(
	    netback_receive(&w->queues[0].queue, &plain, &(struct net_piece){data, 5000}, 1),
	    NETBACK_REFUSED); /* no scatter-gather */
	assert_int_equal(
	    netback_receive(&w->queues[0].queue, &plain, &(struct net_piece){data, 1000}, 1),
	    NETBACK_DELIVERED);
	assert_true(evtchn_is_pending(&w->xen.evtchn, port));
}

static void several_queues_with_split_channels_connect(void **state)
{
	struct world *w = *state;
	evtchn_port_t tx[2], rx[2];
	char path[80];

	set(w, FRONT "/multi-queue-num-queues", 2);
	set(w, FRONT "/request-rx-copy", 1);
	set(w, FRONT "/feature-sg", 1);
	set(w, FRONT "/feature-gso-tcpv4", 1);
	for (unsigned i = 0; i < 2; i++) {
		const char *const keys[] = {"tx-ring-ref", "rx-ring-ref", "event-channel-tx",
					    "event-channel-rx"};
		uint64_t values[] = {i * 2, i * 2 + 1, tx[i] = xen_side_port(&w->xen),
				     rx[i] = xen_side_port(&w->xen)};

		make_rings(w, i);
		for (unsigned k = 0; k < 4; k++) {
			snprintf(path, sizeof(path), FRONT "/queue-%u/%s", i, keys[k]);
			set(w, path, values[k]);
		}
	}
	front_state(w, XenbusStateConnected);
	assert_int_equal(get(w, BACK "/state"), XenbusStateConnected);
	send_one(w, 1, tx[1]);
	assert_int_equal(w->sent[1], 1);
	assert_int_equal(w->rooms[1], 0);
	evtchn_send(&w->xen.evtchn, &(struct evtchn_send){rx[0]});
	assert_int_equal(w->rooms[0], 1);
	assert_true(w->queues[1].queue.peer.sg && w->queues[1].queue.peer.gso_v4 &&
		    w->queues[1].queue.peer.csum_v4);
	assert_false(w->queues[1].queue.peer.gso_v6 || w->queues[1].queue.peer.csum_v6);
}

static void what_the_device_segments_is_offered(void **state)
{
	struct world *w = *state;

	assert_int_equal(get(w, BACK "/feature-gso-tcpv4"), 1);
	assert_int_equal(get(w, BACK "/feature-gso-tcpv6"), 0);
}

static void count(void *ctx, const char *path)
{
	(void)path;
	++*(unsigned *)ctx;
}

/* A front end that is told "Connected" again announces its addresses. */
static void a_link_that_comes_back_is_announced(void **state)
{
	struct world *w = *state;
	unsigned changes = 0;

	connect_one(w);
	assert_int_equal(xs_local_watch(&w->xen.store, BACK "/state", count, &changes), 0);
	xs_deliver(&w->xen.store);
	changes = 0;
	vif_link(&w->vif, false);
	xs_deliver(&w->xen.store);
	assert_int_equal(get(w, FRONT "/disconnect"), 1);
	assert_int_equal(changes, 0);
	vif_link(&w->vif, true);
	xs_deliver(&w->xen.store);
	assert_int_equal(get(w, FRONT "/disconnect"), 0);
	assert_int_equal(get(w, BACK "/state"), XenbusStateConnected);
	assert_int_equal(changes, 1);
	xs_local_unwatch(&w->xen.store, BACK "/state", count, &changes);
}

static void bad_parameters_close_the_interface_only(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *key;
		uint64_t value;
	} bads[] = {
	    {FRONT "/request-rx-copy", 0},        {FRONT "/tx-ring-ref", 400},
	    {FRONT "/rx-ring-ref", 1ull << 33},   {FRONT "/event-channel", 15},
	    {FRONT "/multi-queue-num-queues", 3}, {FRONT "/event-channel-tx", 1},
	};

	for (unsigned i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		evtchn_port_t port = xen_side_port(&w->xen);

		make_rings(w, 0);
		set(w, FRONT "/tx-ring-ref", 0);
		set(w, FRONT "/rx-ring-ref", 1);
		set(w, FRONT "/event-channel", port);
		set(w, FRONT "/request-rx-copy", 1);
		set(w, bads[i].key, bads[i].value);
		front_state(w, XenbusStateConnected);
		assert_int_equal(get(w, BACK "/state"), XenbusStateClosing);
		front_state(w, XenbusStateClosed);
		assert_int_equal(w->vif.busy, 0);
		assert_int_equal(evtchn_close(&w->xen.evtchn, &(struct evtchn_close){port}), 0);
		xs_local_rm(&w->xen.store, bads[i].key);
		front_state(w, XenbusStateInitialising);
		assert_int_equal(get(w, BACK "/state"), XenbusStateInitWait);
	}
	send_one(w, 0, connect_one(w));
	assert_int_equal(w->sent[0], 1);
}

static void closing_waits_for_packets_in_flight(void **state)
{
	struct world *w = *state;

	w->slow = true;
	send_one(w, 0, connect_one(w));
	front_state(w, XenbusStateClosing);
	front_state(w, XenbusStateClosed);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosing);
	assert_int_equal(w->xen.memory.pins[0].users, 1);
	net_transmitted(&w->device, w->held, NET_OK);
	assert_int_equal(w->works, 1);
	vif_progress(&w->vif);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosed);
	assert_int_equal(w->xen.memory.pins[0].users, 0);
}

static void a_broken_ring_closes_the_interface(void **state)
{
	struct world *w = *state;
	evtchn_port_t port = connect_one(w);

	w->tx[0].sring->req_prod = 1000;
	evtchn_send(&w->xen.evtchn, &(struct evtchn_send){port});
	assert_int_equal(w->works, 1);
	vif_progress(&w->vif);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosing);
}

/* The front end has left before anybody came to look at what it broke, and may come again. */
static void a_broken_ring_that_is_gone_does_not_matter(void **state)
{
	struct world *w = *state;
	evtchn_port_t port = connect_one(w);

	w->tx[0].sring->req_prod = 1000;
	evtchn_send(&w->xen.evtchn, &(struct evtchn_send){port});
	assert_int_equal(w->works, 1);
	front_state(w, XenbusStateClosed);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosed);
	vif_progress(&w->vif);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosed);
	front_state(w, XenbusStateInitialising);
	assert_int_equal(get(w, BACK "/state"), XenbusStateInitWait);
	send_one(w, 0, connect_one(w));
	assert_int_equal(w->sent[0], 1);
}

static void unplugging_waits_for_the_front_end(void **state)
{
	struct world *w = *state;

	connect_one(w);
	vif_unplug(&w->vif);
	assert_int_equal(get(w, BACK "/state"), XenbusStateClosing);
	front_state(w, XenbusStateClosed);
	assert_int_equal(w->removals, 1);
	assert_int_equal(xs_local_read(&w->xen.store, FRONT, NULL, 0), -XEN_ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_interface_is_described),
	    TEST(an_old_front_end_sends_and_receives),
	    TEST(several_queues_with_split_channels_connect),
	    TEST(what_the_device_segments_is_offered),
	    TEST(a_link_that_comes_back_is_announced),
	    TEST(bad_parameters_close_the_interface_only),
	    TEST(closing_waits_for_packets_in_flight),
	    TEST(a_broken_ring_closes_the_interface),
	    TEST(a_broken_ring_that_is_gone_does_not_matter),
	    TEST(unplugging_waits_for_the_front_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
