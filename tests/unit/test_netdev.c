/* SPDX-License-Identifier: MIT */
/* The Xen half of network adapters: they come, carry packets and go, with a front end on the other side or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define xen_mb()  __sync_synchronize()
#define xen_wmb() __sync_synchronize()

#include "adapter/seam/net.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/grant.h"
#include "adapter/xen/netdev.h"
#include "adapter/xen/store.h"
#include "core/vif.h"

#define PAGES   8
#define DEVICES 9
#define FRONT   "/local/domain/1/device/vif/0"
#define BACK    "/local/domain/0/backend/vif/1/0"

struct domain domain;
struct gnttab grant_table;

static struct xs_store store;
static struct gnttab_pin pins[GNTTAB_REFS_PER_FRAME];
static struct evtchn_vcpu vcpus[1];
static struct evtchn_port ports[16];
static struct evtchn_internal internals[8];
static struct shared_info shared;
static _Alignas(4096) char table[4096], guest[PAGES][4096];
static netif_rx_front_ring_t rx;
static store_worker *worker;
static bool noted;
static struct net_device device[DEVICES];
static unsigned forgotten[DEVICES], rooms[4], again, sent;
static struct net_packet *held;
static bool slow;

/* ---- what netdev.c stands on ---- */

struct xs_store *store_enter(void)
{
	return &store;
}

void store_leave(void)
{
	xs_deliver(&store);
	store_work();
}

void store_worker_add(store_worker *add)
{
	worker = add;
}

void store_work_later(void)
{
	noted = true;
}

void store_work(void)
{
	for (unsigned i = 0; noted && i < 10; i++) {
		noted = false;
		worker(&store);
		xs_deliver(&store);
	}
}

void *device_pages(size_t pages)
{
	void *memory = aligned_alloc(4096, pages * 4096);

	return memset(memory, 0, pages * 4096);
}

void device_pages_free(void *memory, size_t pages)
{
	(void)pages;
	free(memory);
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level, (void)format;
}

void net_room(struct net_device *d, unsigned queue)
{
	assert_ptr_equal(d, &device[0]);
	rooms[queue]++;
}

void net_room_later(struct net_device *d)
{
	(void)d;
	again++;
}

void net_forgotten(struct net_device *d)
{
	forgotten[d - device]++;
}

static void transmit(struct net_device *d, unsigned queue, struct net_packet *packet)
{
	(void)queue;
	sent++;
	if (slow)
		held = packet;
	else
		net_transmitted(d, packet, NET_OK);
}

static const struct net_device_ops ops = {.transmit = transmit};

/* ---- the world ---- */

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void give(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

static void *grant_alloc(void *ctx, uint64_t *mfn)
{
	(void)ctx;
	*mfn = 0;
	return table;
}

static void *page_of(void *ctx, uint64_t m)
{
	(void)ctx;
	return m < PAGES ? guest[m] : NULL;
}

static void kick_vcpu(void *ctx, unsigned vcpu)
{
	(void)ctx, (void)vcpu;
}

static const struct gnttab_env grant_env = {grant_alloc, page_of};
static const struct evtchn_env evtchn_env = {kick_vcpu, page_of, NULL};

static int setup(void **state)
{
	const struct xs_mem mem = {take, give, NULL};
	const struct xs_quota quota = xs_quota_default();
	const struct gnttab_config grants = {&grant_env, NULL, GUEST_DOMID, 1, pins};
	const struct evtchn_config events = {&evtchn_env, NULL, GUEST_DOMID, 64, &shared, vcpus, 1,
					     ports,       16,   internals,   8};

	(void)state;
	memset(table, 0, sizeof(table));
	memset(forgotten, 0, sizeof(forgotten));
	memset(rooms, 0, sizeof(rooms));
	again = sent = 0;
	slow = noted = false;
	domain.nr_vcpus = 1;
	assert_int_equal(xs_store_init(&store, &mem, &quota), 0);
	assert_int_equal(gnttab_init(&grant_table, &grants), 0);
	assert_int_equal(evtchn_init(&domain.evtchn, &events), 0);
	for (unsigned i = 0; i < PAGES; i++)
		((struct grant_entry_v1 *)table)[i] =
		    (struct grant_entry_v1){GTF_permit_access, 0, i};
	for (unsigned i = 0; i < DEVICES; i++)
		device[i] = (struct net_device){
		    .ops = &ops, .mac = {2, 0, 0, 0, 0, (uint8_t)i}, .mtu = 1500};
	netdev_init();
	xen_net_add(&device[0], 4);
	return 0;
}

static void set(const char *path, uint64_t value)
{
	assert_int_equal(xs_local_write_uint(&store, path, value), 0);
	store_leave();
}

static uint64_t get(const char *path)
{
	uint64_t value = UINT64_MAX;

	xs_local_read_uint(&store, path, &value);
	return value;
}

/* Everything that is left goes, as at the host's end. */
static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DEVICES; i++) {
		if (!device[i].submitter)
			continue;
		if (!forgotten[i])
			xen_net_remove(&device[i]);
		if (!forgotten[i])
			set(FRONT "/state", XenbusStateClosed);
		assert_int_equal(forgotten[i], 1);
	}
	xs_store_destroy(&store);
	assert_int_equal(store.bytes, 0);
	for (unsigned i = 0; i < GNTTAB_REFS_PER_FRAME; i++)
		assert_int_equal(pins[i].users, 0);
	return 0;
}

static evtchn_port_t connect(void)
{
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = 0};

	assert_int_equal(evtchn_alloc_unbound(&domain.evtchn, &alloc), 0);
	memset(guest[0], 0, 8192);
	SHARED_RING_INIT((netif_tx_sring_t *)guest[0]);
	SHARED_RING_INIT((netif_rx_sring_t *)guest[1]);
	FRONT_RING_INIT(&rx, (netif_rx_sring_t *)guest[1], 4096);
	set(FRONT "/tx-ring-ref", 0);
	set(FRONT "/rx-ring-ref", 1);
	set(FRONT "/event-channel", alloc.port);
	set(FRONT "/request-rx-copy", 1);
	set(FRONT "/state", XenbusStateConnected);
	assert_int_equal(get(BACK "/state"), XenbusStateConnected);
	return alloc.port;
}

static void post_page(evtchn_port_t port)
{
	*RING_GET_REQUEST(&rx, rx.req_prod_pvt) = (struct netif_rx_request){.id = 1, .gref = 3};
	rx.req_prod_pvt++;
	RING_PUSH_REQUESTS(&rx);
	evtchn_send(&domain.evtchn, &(struct evtchn_send){port});
}

static void send_one(evtchn_port_t port)
{
	static netif_tx_front_ring_t tx;

	FRONT_RING_INIT(&tx, (netif_tx_sring_t *)guest[0], 4096);
	*RING_GET_REQUEST(&tx, 0) = (struct netif_tx_request){2, 0, 0, 1, 60};
	tx.req_prod_pvt = 1;
	RING_PUSH_REQUESTS(&tx);
	evtchn_send(&domain.evtchn, &(struct evtchn_send){port});
}

static enum xen_net_received receive(unsigned queue)
{
	static const char frame[60];
	const struct net_offload offload = {.csum_good = true};

	return xen_net_receive(&device[0], queue, &offload, &(struct net_piece){frame, 60}, 1);
}

/* ---- tests ---- */

static void nobody_listens_until_the_front_end_has_come(void **state)
{
	(void)state;
	assert_int_equal(receive(0), XEN_NET_TAKEN);
	assert_int_equal(get(BACK "/state"), XenbusStateInitWait);
	assert_int_equal(get(BACK "/multi-queue-max-queues"), 1); /* no more than vCPUs */
}

/* It must take them in several pages and without their checksums, too. */
static void large_packets_come_where_the_front_end_takes_them(void **state)
{
	const unsigned v4 = 1u << NET_GSO_TCPV4, v6 = 1u << NET_GSO_TCPV6;

	(void)state;
	assert_int_equal(xen_net_large(&device[0], 0), 0);
	connect();
	assert_int_equal(xen_net_large(&device[0], 0), 0);
	set(FRONT "/state", XenbusStateClosed);
	set(FRONT "/state", XenbusStateInitialising);
	set(FRONT "/feature-gso-tcpv4", 1);
	set(FRONT "/feature-gso-tcpv6", 1);
	connect();
	assert_int_equal(xen_net_large(&device[0], 3), 0);
	set(FRONT "/state", XenbusStateClosed);
	set(FRONT "/state", XenbusStateInitialising);
	set(FRONT "/feature-sg", 1);
	connect();
	assert_int_equal(xen_net_large(&device[0], 3), v4);
	set(FRONT "/state", XenbusStateClosed);
	assert_int_equal(xen_net_large(&device[0], 3), 0);
	set(FRONT "/state", XenbusStateInitialising);
	set(FRONT "/feature-ipv6-csum-offload", 1);
	connect();
	assert_int_equal(xen_net_large(&device[0], 3), v4 | v6);
	set(FRONT "/state", XenbusStateClosed);
	set(FRONT "/state", XenbusStateInitialising);
	set(FRONT "/feature-no-csum-offload", 1);
	connect();
	assert_int_equal(xen_net_large(&device[0], 3), v6);
}

/* Four queues of the device's, one of the guest's: room on that is room on all. */
static void queues_of_the_device_share_the_guests(void **state)
{
	evtchn_port_t port = connect();

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(receive(i), XEN_NET_NO_ROOM);
	memset(rooms, 0, sizeof(rooms));
	post_page(port);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rooms[i], 1);
	assert_int_equal(receive(3), XEN_NET_TAKEN);
	assert_int_equal(((netif_rx_sring_t *)guest[1])->rsp_prod, 1);
	assert_int_equal(receive(2), XEN_NET_NO_ROOM);
}

static void a_front_end_that_leaves_lets_the_host_go_on(void **state)
{
	(void)state;
	connect();
	assert_int_equal(receive(0), XEN_NET_NO_ROOM);
	again = 0;
	set(FRONT "/state", XenbusStateClosed);
	assert_true(again > 0);
	assert_int_equal(receive(0), XEN_NET_TAKEN);
}

/* A packet is still with the host: the interface goes once it is answered, and the device is forgotten then. */
static void unplugging_waits_for_the_guest_and_for_packets(void **state)
{
	evtchn_port_t port = connect();

	(void)state;
	slow = true;
	send_one(port);
	assert_int_equal(sent, 1);
	xen_net_remove(&device[0]);
	assert_int_equal(get(BACK "/state"), XenbusStateClosing);
	set(FRONT "/state", XenbusStateClosed);
	assert_int_equal(forgotten[0], 0);
	net_transmitted(&device[0], held, NET_DROPPED);
	store_work();
	assert_int_equal(forgotten[0], 1);
	assert_int_equal(get(FRONT "/state"), UINT64_MAX);
}

static void one_that_nobody_uses_goes_at_once(void **state)
{
	(void)state;
	xen_net_remove(&device[0]);
	assert_int_equal(forgotten[0], 1);
	xen_net_link(&device[0], true); /* too late, and harmless */
}

static void the_next_one_takes_its_place(void **state)
{
	(void)state;
	connect();
	xen_net_remove(&device[0]);
	set(FRONT "/state", XenbusStateClosed);
	assert_int_equal(forgotten[0], 1);
	device[0].submitter = NULL;
	forgotten[0] = 0;
	xen_net_add(&device[0], 1);
	connect();
	assert_int_equal(receive(0), XEN_NET_NO_ROOM);
}

/* A VP that was sent to a queue may get there when the queue is another interface's, and have its lock when it becomes that. */
static void a_late_event_finds_its_queue_as_it_was(void **state)
{
	evtchn_port_t port = connect();
	struct evtchn_internal late = {0};
	struct vif_queue *queue;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		if (internals[i].port == port)
			late = internals[i];
	queue = late.ctx;
	xen_net_remove(&device[0]);
	set(FRONT "/state", XenbusStateClosed);
	assert_int_equal(forgotten[0], 1);
	late.callback(queue, port);
	forgotten[0] = 0;
	lock_take(&queue->queue.rx_lock);
	xen_net_add(&device[0], 1);
	assert_true(queue->queue.rx_lock.held);
	lock_drop(&queue->queue.rx_lock);
	late.callback(queue, port);
	connect();
	assert_int_equal(receive(0), XEN_NET_NO_ROOM);
}

static void there_are_only_so_many(void **state)
{
	(void)state;
	for (unsigned i = 1; i < DEVICES; i++)
		xen_net_add(&device[i], 1);
	assert_int_equal(forgotten[DEVICES - 1], 1);
	assert_null(device[DEVICES - 1].submitter);
	assert_int_equal(forgotten[DEVICES - 2], 0);
	assert_int_equal(get("/local/domain/1/device/vif/7/state"), XenbusStateInitialising);
}

static void the_links_state_is_written_down(void **state)
{
	(void)state;
	connect();
	xen_net_link(&device[0], false);
	assert_int_equal(get(FRONT "/disconnect"), 1);
	xen_net_link(&device[0], true);
	assert_int_equal(get(FRONT "/disconnect"), 0);
	assert_int_equal(get(BACK "/state"), XenbusStateConnected);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(nobody_listens_until_the_front_end_has_come),
	    TEST(large_packets_come_where_the_front_end_takes_them),
	    TEST(queues_of_the_device_share_the_guests),
	    TEST(a_front_end_that_leaves_lets_the_host_go_on),
	    TEST(unplugging_waits_for_the_guest_and_for_packets),
	    TEST(one_that_nobody_uses_goes_at_once),
	    TEST(the_next_one_takes_its_place),
	    TEST(a_late_event_finds_its_queue_as_it_was),
	    TEST(there_are_only_so_many),
	    TEST(the_links_state_is_written_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
