/* SPDX-License-Identifier: MIT */
/*
 * A guest that misuses xenstore: watches, nodes and transactions by the thousand, replies never read, indices out of range. It gets errors, and
 * its console, timers and event channels go on meanwhile.
 */
#include "tests/guest/pv/kit/pv.h"

#include "core/fmt.h"
#include <xen/event_channel.h>
#include <xen/io/xs_wire.h>
#include <xen/vcpu.h>

static struct xenstore_domain_interface *ring;
static struct {
	struct xsd_sockmsg head;
	char payload[XENSTORE_PAYLOAD_MAX + 1];
} reply;

static void notify(void)
{
	struct evtchn_send s = {.port = start_info->store_evtchn};

	check_equal(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &s), 0);
}

/* Bytes onto the ring; false where it stays full. */
static bool put(const void *data, uint32_t length)
{
	const char *from = data;
	unsigned tries = 0;

	for (uint32_t i = 0; i < length; i++) {
		while (ring->req_prod - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE) ==
		       XENSTORE_RING_SIZE) {
			notify();
			if (++tries == 1000)
				return false;
		}
		ring->req[MASK_XENSTORE_IDX(ring->req_prod)] = from[i];
		__atomic_store_n(&ring->req_prod, ring->req_prod + 1, __ATOMIC_RELEASE);
	}
	return true;
}

/* The adapter serves within the notification, so what is not there then will not come. */
static void take(void *to, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == ring->rsp_cons)
			notify();
		if (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == ring->rsp_cons)
			error("no reply from xenstore");
		((char *)to)[i] = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
		__atomic_store_n(&ring->rsp_cons, ring->rsp_cons + 1, __ATOMIC_RELEASE);
	}
}

/* The next message that is no event. */
static void receive(void)
{
	do {
		take(&reply.head, sizeof(reply.head));
		if (reply.head.len > XENSTORE_PAYLOAD_MAX)
			error("a reply of %u bytes", reply.head.len);
		take(reply.payload, reply.head.len);
		reply.payload[reply.head.len] = '\0';
	} while (reply.head.type == XS_WATCH_EVENT);
}

static bool request(uint32_t type, uint32_t transaction, const void *payload, uint32_t length)
{
	static uint32_t id;
	const struct xsd_sockmsg head = {type, ++id, transaction, length};

	return put(&head, sizeof(head)) && put(payload, length);
}

/* NULL where it went well, else xenstore's word for what was wrong. */
static const char *call(uint32_t type, uint32_t transaction, const void *payload, uint32_t length)
{
	if (!request(type, transaction, payload, length))
		error("xenstore takes no requests");
	notify();
	receive();
	return reply.head.type == XS_ERROR ? reply.payload : NULL;
}

static bool is(const char *a, const char *b)
{
	return a && !strcmp(a, b);
}

static void serves(void)
{
	check(!call(XS_READ, 0, "domid", sizeof("domid")));
	check(is(reply.payload, "1"));
}

static void watches_by_the_thousand(void)
{
	char text[32];
	unsigned good = 0;

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t n = (uint32_t)fmt(text, sizeof(text), "data/%u", i) + 1;

		n += (uint32_t)fmt(text + n, sizeof(text) - n, "t%u", i) + 1;
		if (!call(XS_WATCH, 0, text, n))
			good++;
		else if (!is(reply.payload, "E2BIG"))
			failure("watch %u: %s", i, reply.payload);
	}
	say("%u watches of 2000", good);
	check(good >= 64 && good <= 256);
	serves();
	check(!call(XS_RESET_WATCHES, 0, "", 1));
	check(!call(XS_WATCH, 0, "data\0t", 7));
	check(!call(XS_RESET_WATCHES, 0, "", 1));
}

static void nodes_by_the_thousand(void)
{
	char text[32];
	unsigned good = 0;

	for (unsigned i = 0; i < 3000; i++) {
		uint32_t n = (uint32_t)fmt(text, sizeof(text), "data/%u/%u", i / 100, i) + 1;

		if (!call(XS_WRITE, 0, text, n + 1))
			good++;
		else if (!is(reply.payload, "ENOSPC") && !is(reply.payload, "EQUOTA"))
			failure("node %u: %s", i, reply.payload);
	}
	say("%u nodes of 3000", good);
	check(good >= 100 && good <= 1000);
	serves();
	/* "data" itself would not come back: its parent is not the guest's. */
	for (unsigned i = 0; i < 30; i++) {
		uint32_t n = (uint32_t)fmt(text, sizeof(text), "data/%u", i) + 1;

		call(XS_RM, 0, text, n);
	}
	check(!call(XS_WRITE, 0, "data/again\0x", 12));
	check(!call(XS_RM, 0, "data/again", 11));
}

static void transactions_by_the_hundred(void)
{
	unsigned good = 0;

	for (unsigned i = 0; i < 300; i++) {
		if (!call(XS_TRANSACTION_START, 0, "", 1))
			good++;
		else if (!is(reply.payload, "ENOSPC") && !is(reply.payload, "EBUSY"))
			failure("transaction %u: %s", i, reply.payload);
	}
	say("%u transactions of 300", good);
	check(good >= 1 && good <= 100);
	serves();
	check(!call(XS_RESET_WATCHES, 0, "", 1)); /* ends them too */
	check(!call(XS_TRANSACTION_START, 0, "", 1));
	check(!call(XS_RESET_WATCHES, 0, "", 1));
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

	while (asked < 100000 && request(XS_READ, 0, "domid", sizeof("domid")))
		asked++;
	say("%s requests are taken before a reply is read", asked < 100000 ? "not all" : "all");
	check(asked > 10 && asked < 100000);
	others_go_on();
	/* The one that did not fit whole is finished as the ring empties: it was cut somewhere. So start afresh. */
	for (; got < 10; got++) {
		receive();
		check_equal(reply.head.type, XS_READ);
		if (got)
			check_equal(reply.head.req_id, first + got);
		else
			first = reply.head.req_id;
	}
}

static void reconnect(void)
{
	__atomic_store_n(&ring->connection, XENSTORE_RECONNECT, __ATOMIC_RELEASE);
	notify();
	check_equal(ring->connection, XENSTORE_CONNECTED);
	check_equal(ring->error, XENSTORE_ERROR_NONE);
	serves();
}

static void indices_out_of_range(void)
{
	struct xsd_sockmsg huge = {.type = XS_READ, .len = UINT32_MAX};

	ring->req_prod += 5000;
	notify();
	check_equal(ring->error, XENSTORE_ERROR_RINGIDX);
	others_go_on();
	reconnect();
	ring->rsp_cons -= 3000;
	notify();
	check_equal(ring->error, XENSTORE_ERROR_RINGIDX);
	others_go_on();
	reconnect();
	put(&huge, sizeof(huge));
	notify();
	check_equal(ring->error, XENSTORE_ERROR_PROTO);
	others_go_on();
	reconnect();
}

void test_main(void)
{
	if (is_hardware_domain())
		skip("the hardware domain has no ring");
	ring = mfn_to_va(start_info->store_mfn);
	serves();
	watches_by_the_thousand();
	nodes_by_the_thousand();
	transactions_by_the_hundred();
	replies_never_read();
	reconnect();
	indices_out_of_range();
	serves();
}
