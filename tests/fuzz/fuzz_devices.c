/* SPDX-License-Identifier: MIT */
/*
 * A guest that writes anything into its front ends' nodes, rings and grants, at any time, while the host plugs and unplugs: a disk
 * and a network interface with all that is behind them. In the end everything must come back.
 */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/vbd.h"
#include "core/vif.h"

#define PAGES  6
#define QUEUES 2
#define SLOTS  3
#define HELD   4
#define VBD    "/local/domain/1/device/vbd/51712/"
#define VIF    "/local/domain/1/device/vif/0/"

struct world {
	struct xs_store store;
	struct gnttab grants;
	struct evtchn evtchn;
	struct vbd vbd;
	struct vif vif;
	bool has_vbd, has_vif;
	struct block_request *block[HELD];
	struct net_packet *net[HELD];
	unsigned allocations;
};

static struct world w;
static struct gnttab_pin pins[GNTTAB_REFS_PER_FRAME];
static struct evtchn_vcpu vcpus[1];
static struct evtchn_port ports[24];
static struct evtchn_internal internals[6];
static struct shared_info shared;
static struct vbd_queue vbd_queues[QUEUES];
static struct vif_queue vif_queues[QUEUES];
static struct blkback_slot block_slots[QUEUES * SLOTS];
static struct netback_slot net_slots[QUEUES * SLOTS];
static _Alignas(4096) char table_page[4096], guest[PAGES][4096];

/* The store's memory: quicker than malloc under a sanitizer, which fuzz_xenstore.c uses. */
static _Alignas(16) char region[256 * 1024];
static struct arena arena;

struct input {
	const uint8_t *p, *end;
};

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	return ++w.allocations % 251 == 250 ? NULL : arena_alloc(&arena, size);
}

static void give(void *ctx, void *p)
{
	(void)ctx;
	arena_free(&arena, p);
}

static void *grant_alloc(void *ctx, uint64_t *mfn)
{
	(void)ctx;
	*mfn = 100;
	return table_page;
}

static void *page_of(void *ctx, uint64_t mfn)
{
	(void)ctx;
	return mfn < PAGES ? guest[mfn] : NULL;
}

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
}

static void submit(struct block_disk *disk, struct block_request *request)
{
	for (unsigned i = 0; i < HELD && request->sector % 2; i++) {
		if (!w.block[i]) {
			w.block[i] = request;
			return;
		}
	}
	block_complete(disk, request, BLOCK_OK);
}

static void transmit(struct net_device *device, unsigned queue, struct net_packet *packet)
{
	if (queue >= QUEUES)
		abort();
	for (unsigned i = 0; i < HELD && packet->len % 2; i++) {
		if (!w.net[i]) {
			w.net[i] = packet;
			return;
		}
	}
	net_transmitted(device, packet, NET_OK);
}

static const struct block_disk_ops disk_ops = {submit, NULL};
static const struct net_device_ops net_ops = {transmit, NULL};
static struct block_disk disk = {.ops = &disk_ops, .nr_sectors = 1000, .sector_size = 512};
static struct net_device net = {.ops = &net_ops, .mtu = 1500};

static void vbd_work(void *ctx, struct vbd *vbd)
{
	(void)ctx;
	(void)vbd;
}

static void vif_work(void *ctx, struct vif *vif)
{
	(void)ctx;
	(void)vif;
}

static void room(void *ctx, struct vif *vif, unsigned queue)
{
	(void)ctx;
	if (queue >= vif->max_queues)
		abort();
}

static void vbd_removed(void *ctx, struct vbd *vbd)
{
	(void)ctx;
	if (vbd->busy || vbd->nr_queues)
		abort();
	w.has_vbd = false;
}

static void vif_removed(void *ctx, struct vif *vif)
{
	(void)ctx;
	if (vif->busy || vif->nr_queues)
		abort();
	w.has_vif = false;
}

static const struct gnttab_env grant_env = {grant_alloc, page_of};
static const struct evtchn_env evtchn_env = {kick, page_of, NULL};
static const struct vbd_env vbd_env = {vbd_work, vbd_removed};
static const struct vif_env vif_env = {vif_work, room, vif_removed};

static void plug(void)
{
	struct vbd_config vbd = {&vbd_env, NULL,       &disk,  &w.evtchn,   &w.grants, &w.store,
				 1,        vbd_queues, QUEUES, block_slots, SLOTS};
	struct vif_config vif = {&vif_env, NULL,       &net,   &w.evtchn, &w.grants, &w.store,
				 1,        vif_queues, QUEUES, net_slots, SLOTS};

	if (!w.has_vbd)
		w.has_vbd = !vbd_add(&w.vbd, &vbd, vbd_number(0));
	if (!w.has_vif)
		w.has_vif = !vif_add(&w.vif, &vif, 0);
}

static void complete(struct input *in)
{
	unsigned i = byte(in) % HELD;
	struct block_request *request = w.block[i];
	struct net_packet *packet = w.net[i];

	w.block[i] = NULL;
	w.net[i] = NULL;
	if (request)
		block_complete(&disk, request, BLOCK_OK);
	if (packet)
		net_transmitted(&net, packet, NET_OK);
}

/* One of the keys that the front ends write, with a small number or none. */
static void node(struct input *in)
{
	static const char *const keys[] = {
	    VBD "state",
	    VBD "state",
	    VBD "state",
	    VBD "ring-ref",
	    VBD "event-channel",
	    VBD "multi-queue-num-queues",
	    VBD "queue-0/ring-ref",
	    VBD "queue-0/event-channel",
	    VBD "queue-1/ring-ref",
	    VBD "queue-1/event-channel",
	    VBD "ring-page-order",
	    VBD "ring-ref0",
	    VBD "ring-ref1",
	    VBD "protocol",
	    "/local/domain/1/device/vbd/51712",
	    VIF "state",
	    VIF "state",
	    VIF "state",
	    VIF "tx-ring-ref",
	    VIF "rx-ring-ref",
	    VIF "event-channel",
	    VIF "request-rx-copy",
	    VIF "event-channel-tx",
	    VIF "event-channel-rx",
	    VIF "multi-queue-num-queues",
	    VIF "queue-0/tx-ring-ref",
	    VIF "queue-0/rx-ring-ref",
	    VIF "queue-0/event-channel",
	    VIF "queue-1/tx-ring-ref",
	    VIF "queue-1/rx-ring-ref",
	    VIF "queue-1/event-channel",
	    "/local/domain/1/device/vif/0",
	};
	const char *key = keys[byte(in) % (sizeof(keys) / sizeof(keys[0]))];
	uint8_t value = byte(in);

	if (value % 16 == 15)
		xs_local_rm(&w.store, key);
	else
		xs_local_write_uint(&w.store, key, value % 16);
	xs_deliver(&w.store);
}

/* What a sane front end does, so that the fuzzer gets beyond the handshake at once. */
static void connect(struct input *in)
{
	uint8_t what = byte(in);

	xs_local_write_uint(&w.store, VBD "ring-ref", what % PAGES);
	xs_local_write_uint(&w.store, VBD "event-channel", 1 + what % 12);
	xs_local_write_uint(&w.store, VBD "state", XenbusStateInitialised);
	xs_local_write_uint(&w.store, VIF "tx-ring-ref", (what + 1) % PAGES);
	xs_local_write_uint(&w.store, VIF "rx-ring-ref", (what + 2) % PAGES);
	xs_local_write_uint(&w.store, VIF "event-channel", 1 + (what + 1) % 12);
	xs_local_write_uint(&w.store, VIF "request-rx-copy", 1);
	xs_local_write_uint(&w.store, VIF "state", XenbusStateConnected);
	xs_deliver(&w.store);
}

/* Some requests on the page, as either ring would read them. */
static void request(struct input *in)
{
	struct xenring_header *header = (struct xenring_header *)guest[byte(in) % PAGES];
	uint8_t slot = byte(in) % 3, at = byte(in) % 112;

	((char *)header)[XENRING_HEADER + slot * 12 + at] = byte(in);
	header->req_prod += byte(in) % 3;
}

static void host(struct input *in)
{
	switch (byte(in) % 4) {
	case 0: plug(); break;
	case 1:
		if (w.has_vbd)
			vbd_unplug(&w.vbd);
		break;
	case 2:
		if (w.has_vif)
			vif_unplug(&w.vif);
		break;
	default:
		if (w.has_vbd)
			vbd_resized(&w.vbd);
	}
}

static void progress(void)
{
	if (w.has_vbd)
		vbd_progress(&w.vbd);
	if (w.has_vif)
		vif_progress(&w.vif);
}

static void begin(void)
{
	struct xs_mem mem = {take, give, NULL};
	struct xs_quota quota = xs_quota_default();
	struct gnttab_config grants = {&grant_env, NULL, 1, 1, pins};
	struct evtchn_config events = {&evtchn_env, NULL,  1,  64,        &shared, vcpus,
				       1,           ports, 24, internals, 6};

	memset(&w, 0, sizeof(w));
	arena_init(&arena, region, sizeof(region));
	memset(table_page, 0, sizeof(table_page));
	memset(guest, 0, sizeof(guest));
	if (xs_store_init(&w.store, &mem, &quota) || gnttab_init(&w.grants, &grants) ||
	    evtchn_init(&w.evtchn, &events))
		abort();
	for (unsigned i = 0; i < 16; i++)
		((struct grant_entry_v1 *)table_page)[i] =
		    (struct grant_entry_v1){GTF_permit_access, 0, i % 7};
	/* Ports 1 to 12 wait for the back ends. */
	for (unsigned i = 0; i < 12; i++)
		evtchn_alloc_unbound(
		    &w.evtchn, &(struct evtchn_alloc_unbound){.dom = DOMID_SELF, .remote_dom = 0});
	plug();
	xs_deliver(&w.store);
}

static void end(void)
{
	struct input nothing = {NULL, NULL};

	if (w.has_vbd)
		vbd_unplug(&w.vbd);
	if (w.has_vif)
		vif_unplug(&w.vif);
	/* The front ends are no more. */
	w.allocations = 0; /* from here on there is memory */
	xs_local_rm(&w.store, VBD "state");
	xs_local_rm(&w.store, VIF "state");
	evtchn_reset(&w.evtchn, &(struct evtchn_reset){DOMID_SELF});
	xs_deliver(&w.store);
	for (unsigned i = 0; i < HELD; i++) {
		uint8_t index = i;

		nothing = (struct input){&index, &index + 1};
		complete(&nothing);
	}
	progress();
	if (w.has_vbd || w.has_vif)
		abort();
	for (unsigned i = 0; i < GNTTAB_REFS_PER_FRAME; i++)
		if (pins[i].users)
			abort();
	for (unsigned i = 0; i < 6; i++)
		if (internals[i].callback)
			abort();
	xs_store_destroy(&w.store);
	if (w.store.bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	begin();
	while (in.p < in.end) {
		switch (byte(&in) % 10) {
		case 0: complete(&in); break;
		case 1: host(&in); break;
		case 2: guest[byte(&in) % PAGES][byte(&in)] = byte(&in); break;
		case 3: evtchn_send(&w.evtchn, &(struct evtchn_send){byte(&in) % 16}); break;
		case 4: progress(); break;
		case 5:
			evtchn_close(&w.evtchn, &(struct evtchn_close){byte(&in) % 16});
			evtchn_alloc_unbound(&w.evtchn,
					     &(struct evtchn_alloc_unbound){.dom = DOMID_SELF});
			break;
		case 6: connect(&in); break;
		case 7: request(&in); break;
		default: node(&in);
		}
	}
	end();
	return 0;
}
