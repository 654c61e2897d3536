/* SPDX-License-Identifier: MIT */
/* A network queue between a guest's rings, written as netfront writes them, and a device that keeps what it gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define xen_mb()  __sync_synchronize()
#define xen_wmb() __sync_synchronize()

#include "core/netback.h"
#include "tests/hosted/granted.h"

#define POOL 4

struct world {
	struct net_device device; /* first */
	struct granted memory;
	struct netback_queue queue;
	struct netback_slot pool[POOL];
	netif_tx_front_ring_t tx;
	netif_rx_front_ring_t rx;
	struct net_packet *held[64];
	unsigned nr_held, tx_events, rx_events, idle;
	bool slow, stops; /* stops: the queue, within the commit */
	unsigned commits;
	char sent[NET_PACKET_MAX + 1];
	uint32_t sent_len;
	struct net_offload offload;
	unsigned nr_sent;
	_Alignas(4096) char rings[2][4096];
};

static void notify_tx(void *ctx, struct netback_queue *queue)
{
	(void)queue;
	((struct world *)ctx)->tx_events++;
}

static void notify_rx(void *ctx, struct netback_queue *queue)
{
	(void)queue;
	((struct world *)ctx)->rx_events++;
}

static void idle(void *ctx, struct netback_queue *queue)
{
	(void)queue;
	((struct world *)ctx)->idle++;
}

static void transmit(struct net_device *device, unsigned queue, struct net_packet *packet)
{
	struct world *w = (struct world *)device;

	assert_int_equal(queue, 3);
	w->offload = packet->offload;
	w->nr_sent++;
	w->sent_len = 0;
	for (unsigned i = 0; i < packet->nr_segments; i++) {
		const struct net_segment *s = &packet->segment[i];

		assert_ptr_equal(s->va, w->memory.page[s->mfn]);
		memcpy(w->sent + w->sent_len, (char *)s->va + s->offset, s->len);
		w->sent_len += s->len;
	}
	assert_int_equal(w->sent_len, packet->len);
	if (w->slow)
		w->held[w->nr_held++] = packet;
	else
		net_transmitted(device, packet, NET_OK);
}

static void commit(struct net_device *device, unsigned queue)
{
	struct world *w = (struct world *)device;

	assert_int_equal(queue, 3);
	w->commits++;
	if (!w->stops)
		return;
	netback_stop(&w->queue);
	/* From then on the device may be gone. */
	assert_int_equal(w->idle, 0);
}

static const struct netback_env env = {notify_tx, notify_rx, idle};
static const struct net_device_ops device_ops = {transmit, commit};

static int setup(void **state)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);
	struct netback_peer peer = {true, true, true, true, true};

	memset(w, 0, sizeof(*w));
	w->device.ops = &device_ops;
	assert_int_equal(granted_start(&w->memory, GRANTED_PAGES), 0);
	SHARED_RING_INIT((netif_tx_sring_t *)w->rings[0]);
	SHARED_RING_INIT((netif_rx_sring_t *)w->rings[1]);
	FRONT_RING_INIT(&w->tx, (netif_tx_sring_t *)w->rings[0], 4096);
	FRONT_RING_INIT(&w->rx, (netif_rx_sring_t *)w->rings[1], 4096);
	netback_start(&w->queue, &env, w, &w->device, 3, &w->memory.grants, &peer, w->rings[0],
		      w->rings[1], w->pool, POOL);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	assert_false(granted_in_use(&w->memory));
	free(w);
	return 0;
}

static void tx(struct world *w, grant_ref_t ref, uint16_t offset, uint16_t size, uint16_t flags,
	       uint16_t id)
{
	*RING_GET_REQUEST(&w->tx, w->tx.req_prod_pvt) =
	    (struct netif_tx_request){ref, offset, flags, id, size};
	w->tx.req_prod_pvt++;
}

static void tx_extra(struct world *w, struct netif_extra_info extra)
{
	memcpy(RING_GET_REQUEST(&w->tx, w->tx.req_prod_pvt), &extra, sizeof(extra));
	w->tx.req_prod_pvt++;
}

static bool push_tx(struct world *w)
{
	int tell;

	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&w->tx, tell);
	(void)tell;
	return netback_poll(&w->queue);
}

static int tx_response(struct world *w, int id)
{
	struct netif_tx_response *r;

	assert_int_not_equal(w->tx.rsp_cons, w->tx.sring->rsp_prod);
	r = RING_GET_RESPONSE(&w->tx, w->tx.rsp_cons);
	w->tx.rsp_cons++;
	w->tx.sring->rsp_event = w->tx.rsp_cons + 1;
	if (id >= 0)
		assert_int_equal(r->id, id);
	return r->status;
}

static void post(struct world *w, grant_ref_t ref, uint16_t id)
{
	*RING_GET_REQUEST(&w->rx, w->rx.req_prod_pvt) =
	    (struct netif_rx_request){.id = id, .gref = ref};
	w->rx.req_prod_pvt++;
}

static bool push_rx(struct world *w)
{
	int tell;

	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&w->rx, tell);
	return tell;
}

static struct netif_rx_response *rx_response(struct world *w)
{
	assert_int_not_equal(w->rx.rsp_cons, w->rx.sring->rsp_prod);
	return RING_GET_RESPONSE(&w->rx, w->rx.rsp_cons++);
}

static const struct net_offload plain = {.gso = NET_GSO_NONE};

static enum netback_received receive(struct world *w, const struct net_offload *offload,
				     const char *data, uint32_t len)
{
	struct net_piece pieces[2] = {{data, len / 3}, {data + len / 3, len - len / 3}};

	return netback_receive(&w->queue, offload, pieces, 2);
}

static void a_packet_goes_out_whole(void **state)
{
	struct world *w = *state;

	memset(w->memory.page[1], 'a', 4096);
	memset(w->memory.page[2], 'b', 4096);
	tx(w, 1, 4000, 196, NETTXF_more_data, 10);
	tx(w, 2, 0, 100, 0, 11);
	tx(w, 1, 0, 60, NETTXF_data_validated, 12);
	assert_true(push_tx(w));
	assert_int_equal(w->nr_sent, 2);
	assert_int_equal(w->sent_len, 60);
	assert_true(w->offload.csum_good);
	assert_int_equal(tx_response(w, 10), NETIF_RSP_OKAY);
	assert_int_equal(tx_response(w, 11), NETIF_RSP_OKAY);
	assert_int_equal(tx_response(w, 12), NETIF_RSP_OKAY);
	assert_int_equal(w->tx_events,
			 1); /* one for the first; then the front end had not asked again */
	tx(w, 1, 4000, 196, NETTXF_more_data | NETTXF_csum_blank, 13);
	tx(w, 2, 0, 100, 0, 14);
	push_tx(w);
	assert_int_equal(w->sent_len, 196);
	assert_int_equal(w->sent[95], 'a');
	assert_int_equal(w->sent[96], 'b');
	assert_true(w->offload.csum_blank);
	assert_int_equal(w->offload.gso, NET_GSO_NONE);
}

static void a_large_packet_names_its_segments(void **state)
{
	struct world *w = *state;
	struct netif_extra_info gso = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
				       .flags = XEN_NETIF_EXTRA_FLAG_MORE,
				       .u.gso = {.size = 1448, .type = XEN_NETIF_GSO_TYPE_TCPV6}};
	struct netif_extra_info hash = {.type = XEN_NETIF_EXTRA_TYPE_HASH};

	tx(w, 0, 0, 65000, NETTXF_more_data | NETTXF_csum_blank | NETTXF_extra_info, 0);
	tx_extra(w, gso);
	tx_extra(w, hash);
	for (unsigned i = 1; i < 16; i++)
		tx(w, i, 0, 4096, i < 15 ? NETTXF_more_data : 0, i);
	assert_true(push_tx(w));
	assert_int_equal(w->nr_sent, 1);
	assert_int_equal(w->sent_len, 65000);
	assert_int_equal(w->offload.gso, NET_GSO_TCPV6);
	assert_int_equal(w->offload.gso_size, 1448);
	assert_int_equal(tx_response(w, 0), NETIF_RSP_OKAY);
	assert_int_equal(tx_response(w, -1), NETIF_RSP_NULL);
	assert_int_equal(tx_response(w, -1), NETIF_RSP_NULL);
	for (unsigned i = 1; i < 16; i++)
		assert_int_equal(tx_response(w, i), NETIF_RSP_OKAY);
}

static void malformed_packets_are_answered_with_errors(void **state)
{
	struct world *w = *state;
	struct netif_extra_info extras[] = {
	    {.type = XEN_NETIF_EXTRA_TYPE_GSO,
	     .u.gso = {.size = 0, .type = XEN_NETIF_GSO_TYPE_TCPV4}},
	    {.type = XEN_NETIF_EXTRA_TYPE_GSO, .u.gso = {.size = 1448, .type = 9}},
	    {.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD},
	    {.type = 77},
	};
	static const struct netif_tx_request bad[] = {
	    {1, 0, 0, 1, 13},   {1, 4090, 0, 1, 14}, {1, 0, 0, 1, 4097},
	    {400, 0, 0, 1, 60}, {~0u, 0, 0, 1, 60},  {1, 65535, 0, 1, 60},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tx(w, bad[i].gref, bad[i].offset, bad[i].size, bad[i].flags, bad[i].id);
		assert_true(push_tx(w));
		assert_int_equal(tx_response(w, 1), NETIF_RSP_ERROR);
	}
	for (unsigned i = 0; i < 4; i++) {
		tx(w, 1, 0, 60, NETTXF_extra_info | NETTXF_csum_blank, 2);
		tx_extra(w, extras[i]);
		assert_true(push_tx(w));
		assert_int_equal(tx_response(w, 2), NETIF_RSP_ERROR);
		assert_int_equal(tx_response(w, -1), NETIF_RSP_NULL);
	}
	tx(w, 1, 0, 100, NETTXF_more_data, 3); /* the rest is as long as the whole */
	tx(w, 2, 0, 100, 0, 4);
	tx(w, 1, 0, 100, NETTXF_more_data, 5); /* the second piece is not granted */
	tx(w, 400, 0, 50, 0, 6);
	assert_true(push_tx(w));
	for (unsigned i = 3; i <= 6; i++)
		assert_int_equal(tx_response(w, i), NETIF_RSP_ERROR);
	assert_int_equal(w->nr_sent, 0);
	tx(w, 1, 0, 60, 0, 7);
	push_tx(w);
	assert_int_equal(tx_response(w, 7), NETIF_RSP_OKAY);
}

static void a_packet_without_end_breaks_the_queue(void **state)
{
	struct world *w = *state;

	tx(w, 1, 0, 100, NETTXF_more_data, 1);
	assert_false(push_tx(w));
	tx(w, 1, 0, 50, 0, 1);
	assert_false(push_tx(w));
	assert_int_equal(w->nr_sent, 0);
}

static void a_packet_of_too_many_pieces_breaks_the_queue(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 19; i++)
		tx(w, 1, 0, i ? 10 : 1000, i < 18 ? NETTXF_more_data : 0, i);
	assert_false(push_tx(w));
}

static void extras_without_end_break_the_queue(void **state)
{
	struct world *w = *state;
	struct netif_extra_info hash = {.type = XEN_NETIF_EXTRA_TYPE_HASH,
					.flags = XEN_NETIF_EXTRA_FLAG_MORE};

	tx(w, 1, 0, 1000, NETTXF_extra_info, 0);
	for (unsigned i = 0; i < 255; i++)
		tx_extra(w, hash);
	assert_false(push_tx(w));
}

static void an_impossible_producer_breaks_the_queue(void **state)
{
	struct world *w = *state;

	w->tx.sring->req_prod = 257;
	assert_false(netback_poll(&w->queue));
}

static void more_packets_than_slots_wait(void **state)
{
	struct world *w = *state;

	w->slow = true;
	for (unsigned i = 0; i < 20; i++)
		tx(w, i, 0, 60, 0, i);
	push_tx(w);
	assert_int_equal(w->nr_held, POOL);
	for (unsigned i = 0; i < 20; i++)
		net_transmitted(&w->device, w->held[i], i % 2 ? NET_OK : NET_DROPPED);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(tx_response(w, i), i % 2 ? NETIF_RSP_OKAY : NETIF_RSP_DROPPED);
}

static void a_queue_that_is_stopped_meanwhile_is_idle_after_the_commit(void **state)
{
	struct world *w = *state;

	w->stops = true;
	tx(w, 1, 0, 60, 0, 1);
	push_tx(w);
	assert_int_equal(w->commits, 1);
	assert_int_equal(w->idle, 1);
}

static void a_stopped_queue_drains_and_refuses(void **state)
{
	struct world *w = *state;
	char data[60] = {0};

	w->slow = true;
	tx(w, 1, 0, 60, 0, 1);
	push_tx(w);
	post(w, 2, 2);
	push_rx(w);
	netback_stop(&w->queue);
	assert_int_equal(receive(w, &plain, data, 60), NETBACK_REFUSED);
	assert_int_equal(w->idle, 0);
	net_transmitted(&w->device, w->held[0], NET_OK);
	assert_int_equal(w->idle, 1);
}

static void a_packet_comes_in_over_several_pages(void **state)
{
	struct world *w = *state;
	struct net_offload good = {.csum_good = true};
	struct netif_rx_response *r;
	char data[9000];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = i >> 3;
	for (unsigned i = 0; i < 3; i++)
		post(w, 5 + i, 50 + i);
	push_rx(w);
	assert_int_equal(receive(w, &good, data, sizeof(data)), NETBACK_DELIVERED);
	assert_int_equal(w->rx_events, 1);
	for (unsigned i = 0; i < 3; i++) {
		r = rx_response(w);
		assert_int_equal(r->id, 50 + i);
		assert_int_equal(r->offset, 0);
		assert_int_equal(r->status, i < 2 ? 4096 : 9000 - 8192);
		assert_int_equal(r->flags, (i < 2 ? NETRXF_more_data : 0) |
					       (i == 0 ? NETRXF_data_validated : 0));
		assert_memory_equal(w->memory.page[5 + i], data + i * 4096, r->status);
	}
}

static void segmentation_comes_in_after_the_first_page(void **state)
{
	struct world *w = *state;
	struct net_offload gso = {.csum_blank = true, .gso = NET_GSO_TCPV4, .gso_size = 1448};
	struct netif_extra_info *extra;
	char data[5000] = {0};

	for (unsigned i = 0; i < 3; i++)
		post(w, 5 + i, i);
	push_rx(w);
	assert_int_equal(receive(w, &gso, data, sizeof(data)), NETBACK_DELIVERED);
	assert_int_equal(rx_response(w)->flags, NETRXF_extra_info | NETRXF_more_data |
						    NETRXF_csum_blank | NETRXF_data_validated);
	extra = (struct netif_extra_info *)rx_response(w);
	assert_int_equal(extra->type, XEN_NETIF_EXTRA_TYPE_GSO);
	assert_int_equal(extra->flags, 0);
	assert_int_equal(extra->u.gso.size, 1448);
	assert_int_equal(extra->u.gso.type, XEN_NETIF_GSO_TYPE_TCPV4);
	assert_int_equal(rx_response(w)->status, 5000 - 4096);
}

static void without_room_the_guest_is_asked_to_tell(void **state)
{
	struct world *w = *state;
	char data[8000] = {0};

	assert_int_equal(receive(w, &plain, data, 60), NETBACK_NO_ROOM);
	post(w, 1, 1);
	assert_true(push_rx(w));
	assert_int_equal(receive(w, &plain, data, 8000), NETBACK_NO_ROOM);
	post(w, 2, 2);
	assert_true(push_rx(w)); /* although one was there before */
	assert_int_equal(receive(w, &plain, data, 8000), NETBACK_DELIVERED);
	assert_int_equal(w->queue.rx_dropped, 0);
}

static void what_the_front_end_cannot_take_is_refused(void **state)
{
	struct world *w = *state;
	struct net_offload blank = {.csum_blank = true};
	struct net_offload gso = {.csum_blank = true, .gso = NET_GSO_TCPV6, .gso_size = 1000};
	struct net_offload odd = {.gso = NET_GSO_TCPV4, .gso_size = 1000};
	char data[5000] = {0};

	for (unsigned i = 0; i < 10; i++)
		post(w, i, i);
	push_rx(w);
	assert_int_equal(receive(w, &odd, data, 5000), NETBACK_REFUSED);
	w->queue.peer = (struct netback_peer){.sg = false, .csum_v4 = true};
	assert_int_equal(receive(w, &gso, data, 4000), NETBACK_REFUSED);
	assert_int_equal(receive(w, &plain, data, 5000), NETBACK_REFUSED);
	assert_int_equal(receive(w, &plain, data, 13), NETBACK_REFUSED);
	assert_int_equal(receive(w, &blank, data, 4000), NETBACK_DELIVERED);
	w->queue.peer.csum_v4 = false;
	assert_int_equal(receive(w, &blank, data, 4000), NETBACK_REFUSED);
	assert_int_equal(w->queue.rx_dropped, 5);
	w->rx.sring->req_prod += 1000;
	assert_int_equal(receive(w, &plain, data, 60), NETBACK_REFUSED);
}

static void a_bad_page_costs_only_its_packet(void **state)
{
	struct world *w = *state;
	char data[5000] = {0};

	post(w, 1, 1);
	post(w, 400, 2);
	post(w, 3, 3);
	push_rx(w);
	assert_int_equal(receive(w, &plain, data, 5000), NETBACK_DELIVERED);
	assert_int_equal(rx_response(w)->status, 4096);
	assert_int_equal(rx_response(w)->status, NETIF_RSP_ERROR);
	assert_int_equal(receive(w, &plain, data, 100), NETBACK_DELIVERED);
	assert_int_equal(rx_response(w)->status, 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_packet_goes_out_whole),
	    TEST(a_large_packet_names_its_segments),
	    TEST(malformed_packets_are_answered_with_errors),
	    TEST(a_packet_without_end_breaks_the_queue),
	    TEST(a_packet_of_too_many_pieces_breaks_the_queue),
	    TEST(extras_without_end_break_the_queue),
	    TEST(an_impossible_producer_breaks_the_queue),
	    TEST(more_packets_than_slots_wait),
	    TEST(a_stopped_queue_drains_and_refuses),
	    TEST(a_queue_that_is_stopped_meanwhile_is_idle_after_the_commit),
	    TEST(a_packet_comes_in_over_several_pages),
	    TEST(segmentation_comes_in_after_the_first_page),
	    TEST(without_room_the_guest_is_asked_to_tell),
	    TEST(what_the_front_end_cannot_take_is_refused),
	    TEST(a_bad_page_costs_only_its_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
