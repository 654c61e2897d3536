/* SPDX-License-Identifier: MIT */
#include "adapter/xen/store.h"

#include "adapter/seam/control.h"
#include "adapter/seam/vps.h"
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
static _Atomic unsigned holder; /* of the lock: a VP's number + 1, or 0 */
static int channel;

#define WORKERS_MAX 4
static store_worker *workers[WORKERS_MAX];
static atomic_bool work; /* some worker has something to do */

static void enter(void)
{
	lock_take(&lock);
	atomic_store_explicit(&holder, vps_self() + 1, memory_order_relaxed);
}

static void leave(void)
{
	atomic_store_explicit(&holder, 0, memory_order_relaxed);
	lock_drop(&lock);
}

bool xen_control_free(void)
{
	return atomic_load_explicit(&holder, memory_order_relaxed) != vps_self() + 1;
}

static void *store_alloc(void *ctx, size_t size)
{
	return arena_alloc(ctx, size);
}

static void store_free(void *ctx, void *p)
{
	arena_free(ctx, p);
}

/* With the lock: answers requests, and tells of watches that have fired. */
static void service(void)
{
	unsigned found;

	do {
		found = xs_service(conn);
		if (found & XS_NOTIFY)
			evtchn_internal_notify(&domain.evtchn, channel);
	} while (found & XS_MORE);
}

struct xs_store *store_enter(void)
{
	enter();
	return &store;
}

void store_leave(void)
{
	service();
	leave();
	store_work();
}

void store_worker_add(store_worker *worker)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		if (!workers[i]) {
			workers[i] = worker;
			return;
		}
	}
	panic("too many workers of the store");
}

void store_work_later(void)
{
	atomic_store_explicit(&work, true, memory_order_release);
}

void store_work(void)
{
	while (atomic_load_explicit(&work, memory_order_relaxed) &&
	       atomic_exchange_explicit(&work, false, memory_order_acquire)) {
		enter();
		for (unsigned i = 0; i < WORKERS_MAX && workers[i]; i++)
			workers[i](&store);
		service();
		leave();
	}
}

void xen_control_interrupt_done(void)
{
	store_work();
}

/* The guest has put something on the ring, or taken something off. Runs within its hypercall. */
static void serve(void *ctx, evtchn_port_t port)
{
	(void)ctx;
	(void)port;
	store_enter();
	store_leave();
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
