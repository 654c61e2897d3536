/* SPDX-License-Identifier: MIT */
/* What is received in, and front ends that do not keep to the rings' rules or to xenbus's. */
#include "tests/guest/pv/net/net.h"

#include "core/fmt.h"

#define BAD_ID 100

void connect_again(void)
{
	device_restart(&x.bus);
	if (!netfront_connect(&x))
		error("the interface does not come back");
	netfront_alive(&x);
}

static bool next_response(netif_rx_response_t *response)
{
	for (uint64_t end = system_time() + 20 * SECOND; system_time() < end;) {
		if (netfront_received(&x, response))
			return true;
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
	failure("nothing is received");
	return false;
}

/* A packet meets a bad buffer, the next one a good one. */
static void with_bad_buffer(grant_ref_t ref)
{
	netif_rx_response_t response;
	char name[48];

	fmt(name, sizeof(name), "receiving by reference %#x", ref);
	netfront_post(&x, BAD_ID, ref);
	device_notify(&x.bus);
	netfront_ask(&x);
	if (!next_response(&response))
		return;
	if (response.id != BAD_ID || response.status >= 0)
		failure("%s: buffer %u, status %d", name, response.id, response.status);
	unharmed(name);
}

void bad_buffers(void)
{
	device_restart(&x.bus);
	if (!netfront_connect(&x))
		error("the interface does not come back");
	for (grant_ref_t ref = REF_READ_ONLY; ref < REF_BAD_END; ref++)
		with_bad_buffer(ref);
	with_bad_buffer(0);
	with_bad_buffer(REF_PAGE + 2);
	with_bad_buffer(GRANT_REFS);
	with_bad_buffer(REF_LAST);
	check(netfront_alive(&x));
}

/* Packets wait, both ways; those of others do not. Then it goes on where it was. */
void nothing_posted(void)
{
	device_restart(&x.bus);
	if (!netfront_connect(&x))
		error("the interface does not come back");
	for (unsigned i = 0; i < 200; i++)
		netfront_put_question(&x);
	device_notify(&x.bus);
	others_go_on();
	check(netfront_alive(&x));
	wait_until(__atomic_load_n(&x.tx->rsp_prod, __ATOMIC_ACQUIRE) == x.tx_prod);
	x.tx_cons = x.tx_prod;
}

void receive_index_out_of_range(void)
{
	static const uint32_t jumps[] = {NET_RING + 1, 5000, 1u << 31, UINT32_MAX - 20};

	for (unsigned i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		uint32_t was = x.rx_prod;

		__atomic_store_n(&x.rx->req_prod, was + jumps[i], __ATOMIC_RELEASE);
		device_notify(&x.bus);
		netfront_ask(&x);
		others_go_on();
		unharmed("a receive index out of range");
		__atomic_store_n(&x.rx->req_prod, was, __ATOMIC_RELEASE);
		connect_again();
	}
}

void indices_out_of_range(void)
{
	static const uint32_t jumps[] = {NET_RING + 1, 5000, 1u << 31, UINT32_MAX};

	for (unsigned i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		__atomic_store_n(&x.tx->req_prod, x.tx_prod + jumps[i], __ATOMIC_RELEASE);
		device_notify(&x.bus);
		device_wait(&x.bus, XenbusStateClosing);
		others_go_on();
		connect_again();
	}
}

static void connect_wrongly(const char *key, const char *value)
{
	grant_ref_t ref = REF_RINGS + x.number * 2;

	grant(ref, x.tx);
	grant(ref + 1, x.rx);
	device_write(&x.bus, "tx-ring-ref", ref);
	device_write(&x.bus, "rx-ring-ref", ref + 1);
	device_write(&x.bus, "request-rx-copy", 1);
	device_write(&x.bus, "multi-queue-num-queues", 1);
	device_channel(&x.bus);
	device_write_text(&x.bus, key, value);
	device_set_state(&x.bus, XenbusStateConnected);
	if (!device_wait(&x.bus, XenbusStateClosing))
		say("%s = %s", key, value);
	others_go_on();
	device_restart(&x.bus);
}

void bad_parameters(void)
{
	char text[16];

	device_restart(&x.bus);
	for (grant_ref_t ref = REF_READ_ONLY; ref < REF_BAD_END; ref++) {
		fmt(text, sizeof(text), "%u", ref);
		connect_wrongly(ref & 1 ? "tx-ring-ref" : "rx-ring-ref", text);
		connect_wrongly(ref & 1 ? "rx-ring-ref" : "tx-ring-ref", text);
	}
	connect_wrongly("tx-ring-ref", "4294967295");
	connect_wrongly("rx-ring-ref", "");
	connect_wrongly("event-channel", "0");
	connect_wrongly("event-channel", "4000");
	connect_wrongly("request-rx-copy", "0");
	connect_wrongly("multi-queue-num-queues", "0");
	connect_wrongly("multi-queue-num-queues", "1000");
	device_write(&x.bus, "multi-queue-num-queues", 1);
	unharmed("senseless parameters");
	if (!netfront_connect(&x))
		error("the interface does not come back");
	check(netfront_alive(&x));
}
