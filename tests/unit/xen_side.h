/* SPDX-License-Identifier: MIT */
/* What a virtual device stands on, for its tests: a guest's granted pages, a store, and event channels. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/evtchn.h"
#include "core/xenbus.h"
#include "core/xenstore.h"
#include "tests/hosted/granted.h"

#define XEN_SIDE_PAGES     16
#define XEN_SIDE_INTERNALS 8

struct xen_side {
	struct granted memory;
	struct xs_store store;
	struct evtchn evtchn;
	struct evtchn_vcpu vcpus[1];
	struct evtchn_port ports[16];
	struct evtchn_internal internals[XEN_SIDE_INTERNALS];
	struct shared_info shared;
};

static inline void *xen_side_take(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static inline void xen_side_give(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

static inline void xen_side_kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
}

/* `x` is zeroed. */
static inline void xen_side_start(struct xen_side *x)
{
	static const struct evtchn_env env = {xen_side_kick, granted_page, NULL};
	const struct xs_mem mem = {xen_side_take, xen_side_give, NULL};
	const struct xs_quota quota = xs_quota_default();
	const struct evtchn_config events = {.env = &env,
					     .ctx = &x->memory,
					     .domid = 1,
					     .guest_bits = 64,
					     .shared_info = &x->shared,
					     .vcpus = x->vcpus,
					     .nr_vcpus = 1,
					     .ports = x->ports,
					     .nr_ports = 16,
					     .internals = x->internals,
					     .nr_internals = XEN_SIDE_INTERNALS};

	assert_int_equal(xs_store_init(&x->store, &mem, &quota), 0);
	assert_int_equal(granted_start(&x->memory, XEN_SIDE_PAGES), 0);
	assert_int_equal(evtchn_init(&x->evtchn, &events), 0);
}

/* Nothing may be left of the device. */
static inline void xen_side_end(struct xen_side *x)
{
	xs_store_destroy(&x->store);
	assert_int_equal(x->store.bytes, 0);
	assert_false(granted_in_use(&x->memory));
	for (unsigned i = 0; i < XEN_SIDE_INTERNALS; i++)
		assert_null(x->internals[i].callback);
}

static inline void xen_side_set(struct xen_side *x, const char *path, uint64_t value)
{
	assert_int_equal(xs_local_write_uint(&x->store, path, value), 0);
}

static inline uint64_t xen_side_get(struct xen_side *x, const char *path)
{
	uint64_t value = 0;

	if (xs_local_read_uint(&x->store, path, &value))
		fail_msg("%s", path);
	return value;
}

/* The front end, whose directory is `path`, is no more. */
static inline void xen_side_front_leaves(struct xen_side *x, const char *path)
{
	assert_int_equal(xs_local_rm(&x->store, path), 0);
	xs_deliver(&x->store);
}

static inline evtchn_port_t xen_side_port(struct xen_side *x)
{
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = 0};

	assert_int_equal(evtchn_alloc_unbound(&x->evtchn, &alloc), 0);
	return alloc.port;
}
