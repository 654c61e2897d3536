/* SPDX-License-Identifier: MIT */
#include "adapter/xen/store.h"

#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "adapter/xen/domain.h"
#include "core/arena.h"
#include "core/xs_guest.h"
#include "core/xs_wire.h"

/* What the guest may make the store hold, and as much again for the back ends. */
#define STORE_BYTES (1u << 20)

static struct arena arena;
static struct xs_store store;
static struct xs_conn *conn;
static struct lock lock;
static int channel;

static void *store_alloc(void *ctx, size_t size)
{
	return arena_alloc(ctx, size);
}

static void store_free(void *ctx, void *p)
{
	arena_free(ctx, p);
}

/* The guest has put something on the ring, or taken something off. Runs within its hypercall. */
static void serve(void *ctx, evtchn_port_t port)
{
	unsigned found;

	(void)ctx;
	(void)port;
	lock_take(&lock);
	do {
		found = xs_service(conn);
		if (found & XS_NOTIFY)
			evtchn_internal_notify(&domain.evtchn, channel);
	} while (found & XS_MORE);
	lock_drop(&lock);
}

static bool open_store(struct xenstore_domain_interface *ring)
{
	const struct xs_mem mem = {store_alloc, store_free, &arena};
	struct xs_quota quota = xs_quota_default();

	quota.bytes = STORE_BYTES / 2;
	arena_init(&arena, page_alloc(STORE_BYTES / PAGE_SIZE), STORE_BYTES);
	if (xs_store_init(&store, &mem, &quota))
		return false;
	conn = xs_conn_open(&store, GUEST_DOMID, ring);
	return conn != NULL;
}

void store_introduce(const struct start_info *si)
{
	const struct xs_guest guest = {
	    .domid = GUEST_DOMID,
	    .name = "xenolith",
	    .uuid = "00000000-0000-0000-0000-000000000000",
	    .nr_vcpus = domain.nr_vcpus,
	    .memory_kib = domain.nr_pages << (PAGE_SHIFT - 10),
	    .memory_max_kib = domain.nr_pages << (PAGE_SHIFT - 10),
	    .store_mfn = si->store_mfn,
	    .console_mfn = si->console.domU.mfn,
	    .store_port = si->store_evtchn,
	    .console_port = si->console.domU.evtchn,
	};

	if (xs_guest_introduce(&store, &guest))
		panic("no memory for the guest's xenstore");
}

unsigned store_init(struct xenstore_domain_interface *ring)
{
	evtchn_port_t port;

	if (!open_store(ring))
		panic("no memory for xenstore");
	channel = evtchn_internal_alloc(&domain.evtchn, serve, NULL, &port);
	if (channel < 0)
		panic("no event channel for xenstore");
	return port;
}
