/* SPDX-License-Identifier: MIT */
/*
 * A guest that misuses xenstore: watches, nodes and transactions by the thousand, replies never read, indices out of range. It gets errors, and
 * its console, timers and event channels go on meanwhile.
 */
#include "tests/guest/pv/kit/store.h"

#include "core/fmt.h"
#include <xen/event_channel.h>
#include <xen/vcpu.h>

static bool is(const char *a, const char *b)
{
	return a && !strcmp(a, b);
}

static void serves(void)
{
	check(!store_call(XS_READ, 0, "domid", sizeof("domid")));
	check(is(store_reply.payload, "1"));
}

static void watches_by_the_thousand(void)
{
	char text[32];
	unsigned good = 0;

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t n = (uint32_t)fmt(text, sizeof(text), "data/%u", i) + 1;

		n += (uint32_t)fmt(text + n, sizeof(text) - n, "t%u", i) + 1;
		if (!store_call(XS_WATCH, 0, text, n))
			good++;
		else if (!is(store_reply.payload, "E2BIG"))
			failure("watch %u: %s", i, store_reply.payload);
	}
	say("%u watches of 2000", good);
	check(good >= 64 && good <= 256);
	serves();
	check(!store_call(XS_RESET_WATCHES, 0, "", 1));
	check(!store_call(XS_WATCH, 0, "data\0t", 7));
	check(!store_call(XS_RESET_WATCHES, 0, "", 1));
}

static void nodes_by_the_thousand(void)
{
	char text[32];
	unsigned good = 0;

	for (unsigned i = 0; i < 3000; i++) {
		uint32_t n = (uint32_t)fmt(text, sizeof(text), "data/%u/%u", i / 100, i) + 1;

		if (!store_call(XS_WRITE, 0, text, n + 1))
			good++;
		else if (!is(store_reply.payload, "ENOSPC") && !is(store_reply.payload, "EQUOTA"))
			failure("node %u: %s", i, store_reply.payload);
	}
	say("%u nodes of 3000", good);
	check(good >= 100 && good <= 1000);
	serves();
	/* "data" itself would not come back: its parent is not the guest's. */
	for (unsigned i = 0; i < 30; i++) {
		uint32_t n = (uint32_t)fmt(text, sizeof(text), "data/%u", i) + 1;

		store_call(XS_RM, 0, text, n);
	}
	check(!store_call(XS_WRITE, 0, "data/again\0x", 12));
	check(!store_call(XS_RM, 0, "data/again", 11));
}

static void transactions_by_the_hundred(void)
{
	unsigned good = 0;

	for (unsigned i = 0; i < 300; i++) {
		if (!store_call(XS_TRANSACTION_START, 0, "", 1))
			good++;
		else if (!is(store_reply.payload, "ENOSPC") && !is(store_reply.payload, "EBUSY"))
			failure("transaction %u: %s", i, store_reply.payload);
	}
	say("%u transactions of 300", good);
	check(good >= 1 && good <= 100);
	serves();
	check(!store_call(XS_RESET_WATCHES, 0, "", 1)); /* ends them too */
	check(!store_call(XS_TRANSACTION_START, 0, "", 1));
	check(!store_call(XS_RESET_WATCHES, 0, "", 1));
}

/* The timer is a device of its own; the console speaks with every line. */
static void others_go_on(void)
{
	struct evtchn_bind_ipi b = {.vcpu = 0};
	struct evtchn_send s;
	struct vcpu_runstate_info r;

	check_equal(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, &r), 0);
	check_equal(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, &b), 0);
	s.port = b.port;
	check_equal(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &s), 0);
	check(shared_info->evtchn_pending[b.port / 64] >> b.port % 64 & 1);
	check_equal(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &s), 0);
}

/* A reader who does not read is not served further; once it reads, every reply is there, in order. */
static void replies_never_read(void)
{
	unsigned asked = 0, got = 0;
	uint32_t first = 0;

	while (asked < 100000 && store_request(XS_READ, 0, "domid", sizeof("domid")))
		asked++;
	say("%s requests are taken before a reply is read", asked < 100000 ? "not all" : "all");
	check(asked > 10 && asked < 100000);
	others_go_on();
	/* The one that did not fit whole is finished as the ring empties: it was cut somewhere. So start afresh. */
	for (; got < 10; got++) {
		store_receive();
		check_equal(store_reply.head.type, XS_READ);
		if (got)
			check_equal(store_reply.head.req_id, first + got);
		else
			first = store_reply.head.req_id;
	}
}

static void reconnect(void)
{
	__atomic_store_n(&store_ring->connection, XENSTORE_RECONNECT, __ATOMIC_RELEASE);
	store_notify();
	check_equal(store_ring->connection, XENSTORE_CONNECTED);
	check_equal(store_ring->error, XENSTORE_ERROR_NONE);
	serves();
}

static void indices_out_of_range(void)
{
	struct xsd_sockmsg huge = {.type = XS_READ, .len = UINT32_MAX};

	store_ring->req_prod += 5000;
	store_notify();
	check_equal(store_ring->error, XENSTORE_ERROR_RINGIDX);
	others_go_on();
	reconnect();
	store_ring->rsp_cons -= 3000;
	store_notify();
	check_equal(store_ring->error, XENSTORE_ERROR_RINGIDX);
	others_go_on();
	reconnect();
	store_put(&huge, sizeof(huge));
	store_notify();
	check_equal(store_ring->error, XENSTORE_ERROR_PROTO);
	others_go_on();
	reconnect();
}

void test_main(void)
{
	if (is_hardware_domain())
		skip("the hardware domain has no ring");
	store_init();
	serves();
	watches_by_the_thousand();
	nodes_by_the_thousand();
	transactions_by_the_hundred();
	replies_never_read();
	reconnect();
	indices_out_of_range();
	serves();
}
