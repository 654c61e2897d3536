/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/net/net.h"

static uint8_t rings[2][2][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t in[2][RX_PAGES][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t out[2][PAGE_SIZE] PAGE_ALIGNED;

static unsigned digit(char c)
{
	return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static void read_mac(struct netfront *f)
{
	char path[80];
	const char *text;

	memcpy(path, f->bus.front, strlen(f->bus.front));
	memcpy(path + strlen(f->bus.front), "/mac", 5);
	text = store_read(path);
	if (!text || strlen(text) != 17)
		error("%s has no address", f->bus.front);
	for (unsigned i = 0; i < 6; i++)
		f->mac[i] = (uint8_t)(digit(text[i * 3]) << 4 | digit(text[i * 3 + 1]));
}

void netfront_init(struct netfront *f, unsigned number)
{
	*f = (struct netfront){.number = number};
	f->tx = (netif_tx_sring_t *)rings[number][0];
	f->rx = (netif_rx_sring_t *)rings[number][1];
	device_find(&f->bus, "vif", number);
	read_mac(f);
	grant(REF_OUT + number, out[number]);
	for (unsigned i = 0; i < RX_PAGES; i++)
		grant(REF_RX + number * RX_PAGES + i, in[number][i]);
}

/* With nothing posted to receive in. */
bool netfront_connect(struct netfront *f)
{
	grant_ref_t ref = REF_RINGS + f->number * 2;

	memset(rings[f->number], 0, sizeof(rings[f->number]));
	f->tx->req_event = f->tx->rsp_event = f->rx->req_event = f->rx->rsp_event = 1;
	f->tx_prod = f->tx_cons = f->rx_prod = f->rx_cons = 0;
	grant(ref, f->tx);
	grant(ref + 1, f->rx);
	device_write(&f->bus, "tx-ring-ref", ref);
	device_write(&f->bus, "rx-ring-ref", ref + 1);
	device_write(&f->bus, "request-rx-copy", 1);
	device_write(&f->bus, "feature-sg", 1);
	device_channel(&f->bus);
	device_set_state(&f->bus, XenbusStateConnected);
	return device_wait(&f->bus, XenbusStateConnected);
}

void netfront_put(struct netfront *f, const void *slot)
{
	memcpy(&f->tx->ring[f->tx_prod % NET_RING], slot, sizeof(netif_tx_request_t));
	__atomic_store_n(&f->tx->req_prod, ++f->tx_prod, __ATOMIC_RELEASE);
}

bool netfront_answers(struct netfront *f, netif_tx_response_t *responses, unsigned nr)
{
	device_notify(&f->bus);
	for (unsigned i = 0; i < nr; i++) {
		bool there = false;

		for (uint64_t end = system_time() + 20 * SECOND; !there && system_time() < end;) {
			there = __atomic_load_n(&f->tx->rsp_prod, __ATOMIC_ACQUIRE) != f->tx_cons;
			if (!there)
				hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
		}
		if (!there) {
			failure("%s: slot %u is not answered", f->bus.back, f->tx_cons);
			return false;
		}
		memcpy(&responses[i], &f->tx->ring[f->tx_cons++ % NET_RING], sizeof(*responses));
	}
	return true;
}

void netfront_post(struct netfront *f, uint16_t id, grant_ref_t ref)
{
	netif_rx_request_t request = {.id = id, .gref = ref};

	memcpy(&f->rx->ring[f->rx_prod % NET_RING], &request, sizeof(request));
	__atomic_store_n(&f->rx->req_prod, ++f->rx_prod, __ATOMIC_RELEASE);
}

bool netfront_received(struct netfront *f, netif_rx_response_t *response)
{
	if (__atomic_load_n(&f->rx->rsp_prod, __ATOMIC_ACQUIRE) == f->rx_cons)
		return false;
	memcpy(response, &f->rx->ring[f->rx_cons++ % NET_RING], sizeof(*response));
	return true;
}

void netfront_put_question(struct netfront *f)
{
	static const uint8_t head[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
	static const uint8_t addresses[] = {10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2};
	uint8_t *to = out[f->number];
	netif_tx_request_t request = {.gref = REF_OUT + f->number, .id = 7, .size = 60};

	memset(to, 0, PAGE_SIZE);
	memset(to, 0xff, 6);
	memcpy(to + 6, f->mac, 6);
	memcpy(to + 12, head, sizeof(head));
	memcpy(to + 22, f->mac, 6);
	memcpy(to + 28, addresses, sizeof(addresses));
	netfront_put(f, &request);
}

void netfront_ask(struct netfront *f)
{
	netif_tx_response_t response;

	netfront_put_question(f);
	if (netfront_answers(f, &response, 1))
		check(response.id == 7 && response.status == NETIF_RSP_OKAY);
}

static bool is_answer(const struct netfront *f, const netif_rx_response_t *r)
{
	static const uint8_t head[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 2};
	static const uint8_t host[] = {10, 0, 2, 2};
	const uint8_t *at;

	if (r->status < 42 || r->id >= RX_PAGES)
		return false;
	at = in[f->number][r->id] + r->offset;
	return !memcmp(at, f->mac, 6) && !memcmp(at + 12, head, sizeof(head)) &&
	       !memcmp(at + 28, host, 4);
}

/* The buffers are used in turn, so that the next one is free. */
static void post_good(struct netfront *f)
{
	while (f->rx_prod - f->rx_cons < RX_PAGES) {
		uint16_t id = f->rx_prod % RX_PAGES;

		netfront_post(f, id, REF_RX + f->number * RX_PAGES + id);
	}
	device_notify(&f->bus);
}

bool netfront_alive(struct netfront *f)
{
	netif_rx_response_t response;

	post_good(f);
	netfront_ask(f);
	for (uint64_t end = system_time() + 20 * SECOND; system_time() < end;) {
		if (!netfront_received(f, &response)) {
			hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
			continue;
		}
		post_good(f);
		if (is_answer(f, &response))
			return true;
	}
	failure("%s: nobody answers", f->bus.back);
	return false;
}
