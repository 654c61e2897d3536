/* SPDX-License-Identifier: MIT */
/* A guest of the xenstore, for tests: a store, a connection, and the guest's side of the ring. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/xenstore.h"
#include "core/xs_wire.h"

static int fail_after = -1; /* allocations that still succeed; -1: all */

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	if (fail_after == 0)
		return NULL;
	if (fail_after > 0)
		fail_after--;
	return malloc(size);
}

static void give(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

static const struct xs_mem mem = {take, give, NULL};

struct guest {
	struct xs_store store;
	struct xs_conn *conn;
	struct xenstore_domain_interface ring;
	struct xsd_sockmsg hdr; /* the last message received */
	char payload[XENSTORE_PAYLOAD_MAX + 1];
	uint32_t req_id;
};

static inline int setup_quota(void **state, struct xs_quota quota)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct xs_perm home[] = {{1, XS_PERM_NONE}};

	fail_after = -1;
	assert_int_equal(xs_store_init(&g->store, &mem, &quota), 0);
	assert_int_equal(xs_local_mkdir(&g->store, "/local/domain/1"), 0);
	assert_int_equal(xs_local_set_perms(&g->store, "/local/domain/1", home, 1), 0);
	g->conn = xs_conn_open(&g->store, 1, &g->ring);
	assert_non_null(g->conn);
	*state = g;
	return 0;
}

static inline int setup(void **state)
{
	return setup_quota(state, xs_quota_default());
}

static inline int setup_small(void **state)
{
	struct xs_quota quota = xs_quota_default();

	quota.nodes = 20;
	quota.watches = 3;
	quota.transactions = 2;
	quota.tx_nodes = 12;
	return setup_quota(state, quota);
}

static inline int teardown(void **state)
{
	struct guest *g = *state;

	fail_after = -1;
	xs_conn_close(g->conn);
	xs_store_destroy(&g->store);
	assert_int_equal(g->store.bytes, 0);
	free(g);
	return 0;
}

/* Puts bytes on the ring as a guest does, waiting for the server when it is full. */
static inline void put(struct guest *g, const void *data, uint32_t len)
{
	const char *from = data;

	for (unsigned tries = 0; len; tries++) {
		uint32_t room = XENSTORE_RING_SIZE - (g->ring.req_prod - g->ring.req_cons);

		assert_true(tries < 100);
		for (; room && len; room--, len--)
			g->ring.req[MASK_XENSTORE_IDX(g->ring.req_prod++)] = *from++;
		xs_service(g->conn);
	}
}

static inline void get(struct guest *g, void *data, uint32_t len)
{
	char *to = data;

	for (unsigned tries = 0; len; tries++) {
		assert_true(tries < 100);
		for (; g->ring.rsp_cons != g->ring.rsp_prod && len; len--)
			*to++ = g->ring.rsp[MASK_XENSTORE_IDX(g->ring.rsp_cons++)];
		xs_service(g->conn);
	}
}

static inline void receive(struct guest *g)
{
	get(g, &g->hdr, sizeof(g->hdr));
	assert_true(g->hdr.len <= XENSTORE_PAYLOAD_MAX);
	get(g, g->payload, g->hdr.len);
	g->payload[g->hdr.len] = '\0';
}

static inline bool silent(struct guest *g)
{
	xs_service(g->conn);
	return g->ring.rsp_cons == g->ring.rsp_prod;
}

static inline void request(struct guest *g, uint32_t type, uint32_t tx, const void *data,
			   uint32_t len)
{
	struct xsd_sockmsg hdr = {.type = type, .req_id = ++g->req_id, .tx_id = tx, .len = len};

	put(g, &hdr, sizeof(hdr));
	put(g, data, len);
}

/* Sends a request and receives its reply, which must be the next message that is no event. */
static inline void call(struct guest *g, uint32_t type, uint32_t tx, const void *data, uint32_t len)
{
	request(g, type, tx, data, len);
	do
		receive(g);
	while (g->hdr.type == XS_WATCH_EVENT);
	assert_int_equal(g->hdr.req_id, g->req_id);
	assert_int_equal(g->hdr.tx_id, tx);
	assert_true(g->hdr.type == type || g->hdr.type == XS_ERROR);
}

/* Several strings, each with its NUL. */
#define CALL(g, type, tx, text) call(g, type, tx, text, sizeof(text))

#define ASSERT_ERROR(g, name)                                     \
	do {                                                      \
		assert_int_equal((g)->hdr.type, XS_ERROR);        \
		assert_string_equal((g)->payload, name);          \
		assert_int_equal((g)->hdr.len, strlen(name) + 1); \
	} while (0)

#define ASSERT_OK(g)                                  \
	do {                                          \
		if ((g)->hdr.type == XS_ERROR)        \
			fail_msg("%s", (g)->payload); \
	} while (0)

static inline void write_value(struct guest *g, uint32_t tx, const char *path, const char *value)
{
	char text[XENSTORE_PAYLOAD_MAX];
	int n = snprintf(text, sizeof(text), "%s%c%s", path, 0, value);

	call(g, XS_WRITE, tx, text, n);
}

static inline void one_path(struct guest *g, uint32_t type, uint32_t tx, const char *path)
{
	call(g, type, tx, path, strlen(path) + 1);
}

static inline void assert_value(struct guest *g, uint32_t tx, const char *path, const char *value)
{
	one_path(g, XS_READ, tx, path);
	ASSERT_OK(g);
	assert_string_equal(g->payload, value);
	assert_int_equal(g->hdr.len, strlen(value));
}

static inline uint32_t start(struct guest *g)
{
	CALL(g, XS_TRANSACTION_START, 0, "");
	ASSERT_OK(g);
	return atoi(g->payload);
}

static inline void event(struct guest *g, const char *path, const char *token)
{
	receive(g);
	assert_int_equal(g->hdr.type, XS_WATCH_EVENT);
	assert_int_equal(g->hdr.req_id, 0);
	assert_string_equal(g->payload, path);
	assert_string_equal(g->payload + strlen(path) + 1, token);
	assert_int_equal(g->hdr.len, strlen(path) + strlen(token) + 2);
}
