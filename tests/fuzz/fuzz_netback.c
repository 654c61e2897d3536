/* SPDX-License-Identifier: MIT */
/* Rings and grants that hold anything: what is sent lies within the guest's pages, and every page comes back. */
#include <stdlib.h>
#include <string.h>

#include "core/netback.h"
#include "tests/hosted/granted.h"

#define PAGES 8
#define HELD  3

static _Alignas(4096) char tx_page[4096], rx_page[4096];
static struct granted memory;
static struct netback_slot pool[4];
static struct net_packet *held[HELD];

static void notify(void *ctx, struct netback_queue *queue)
{
	(void)ctx;
	(void)queue;
}

static void idle(void *ctx, struct netback_queue *queue)
{
	(void)queue;
	++*(unsigned *)ctx;
}

static void transmit(struct net_device *device, unsigned queue, struct net_packet *packet)
{
	uint32_t total = 0;

	(void)queue;
	for (unsigned i = 0; i < packet->nr_segments; i++) {
		const struct net_segment *s = &packet->segment[i];

		if (s->mfn >= PAGES || s->va != memory.page[s->mfn] || !s->len ||
		    s->offset + s->len > 4096)
			abort();
		total += s->len;
	}
	if (total != packet->len || total < NET_HEADER_MIN)
		abort();
	for (unsigned i = 0; i < HELD && packet->len % 2; i++) {
		if (!held[i]) {
			held[i] = packet;
			return;
		}
	}
	net_transmitted(device, packet, NET_OK);
}

static const struct netback_env env = {notify, notify, idle};
static const struct net_device_ops device_ops = {transmit, NULL};

static void complete_one(struct net_device *device, unsigned i)
{
	struct net_packet *packet = held[i];

	held[i] = NULL;
	if (packet)
		net_transmitted(device, packet, NET_DROPPED);
}

static void receive(struct netback_queue *queue, const uint8_t *data)
{
	static const char bytes[70000];
	struct net_offload offload = {data[1] & 1, data[1] & 2, data[1] % 3, 1000};
	struct net_piece pieces[] = {{bytes, data[2]}, {bytes, 0}, {bytes, data[3] * 250}};

	netback_receive(queue, &offload, pieces, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_device device = {.ops = &device_ops};
	struct netback_peer peer = {true, true, true, true, true};
	static struct netback_queue queue;
	unsigned idles = 0;

	memset(tx_page, 0, sizeof(tx_page));
	memset(rx_page, 0, sizeof(rx_page));
	granted_start(&memory, 0);
	for (unsigned i = 0; i < 16; i++)
		((struct grant_entry_v1 *)memory.table)[i] = (struct grant_entry_v1){
		    GTF_permit_access | (i == 7 ? GTF_readonly : 0), i == 9,
		    i % 10 < PAGES ? i % 10 : GRANTED_PAGES /* not the guest's */};
	netback_start(&queue, &env, &idles, &device, 0, &memory.grants, &peer, tx_page, rx_page,
		      pool, 4);
	for (; size >= 4; data += 4, size -= 4) {
		switch (data[0] % 6) {
		case 0: tx_page[64 + data[1]] = data[2]; break;
		case 1: rx_page[64 + data[1]] = data[2]; break;
		case 2: complete_one(&device, data[1] % HELD); break;
		case 3:
			((struct xenring_header *)rx_page)->req_prod += data[1] % 16;
			receive(&queue, data);
			break;
		default:
			((struct xenring_header *)tx_page)->req_prod +=
			    data[1] % (data[2] ? 4 : 200);
			netback_poll(&queue);
		}
	}
	netback_stop(&queue);
	for (unsigned i = 0; i < HELD; i++)
		complete_one(&device, i);
	if (idles != 1)
		abort();
	if (granted_in_use(&memory))
		abort();
	return 0;
}
