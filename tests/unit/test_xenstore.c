/* SPDX-License-Identifier: MIT */
/* The store as a guest sees it, over a real ring page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/xenstore.h"
#include "core/xs_guest.h"
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

static int setup_quota(void **state, struct xs_quota quota)
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

static int setup(void **state)
{
	return setup_quota(state, xs_quota_default());
}

static int setup_small(void **state)
{
	struct xs_quota quota = xs_quota_default();

	quota.nodes = 20;
	quota.watches = 3;
	quota.transactions = 2;
	quota.tx_nodes = 12;
	return setup_quota(state, quota);
}

static int teardown(void **state)
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
static void put(struct guest *g, const void *data, uint32_t len)
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

static void get(struct guest *g, void *data, uint32_t len)
{
	char *to = data;

	for (unsigned tries = 0; len; tries++) {
		assert_true(tries < 100);
		for (; g->ring.rsp_cons != g->ring.rsp_prod && len; len--)
			*to++ = g->ring.rsp[MASK_XENSTORE_IDX(g->ring.rsp_cons++)];
		xs_service(g->conn);
	}
}

static void receive(struct guest *g)
{
	get(g, &g->hdr, sizeof(g->hdr));
	assert_true(g->hdr.len <= XENSTORE_PAYLOAD_MAX);
	get(g, g->payload, g->hdr.len);
	g->payload[g->hdr.len] = '\0';
}

static bool silent(struct guest *g)
{
	xs_service(g->conn);
	return g->ring.rsp_cons == g->ring.rsp_prod;
}

static void request(struct guest *g, uint32_t type, uint32_t tx, const void *data, uint32_t len)
{
	struct xsd_sockmsg hdr = {.type = type, .req_id = ++g->req_id, .tx_id = tx, .len = len};

	put(g, &hdr, sizeof(hdr));
	put(g, data, len);
}

/* Sends a request and receives its reply, which must be the next message that is no event. */
static void call(struct guest *g, uint32_t type, uint32_t tx, const void *data, uint32_t len)
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

static void write_value(struct guest *g, uint32_t tx, const char *path, const char *value)
{
	char text[XENSTORE_PAYLOAD_MAX];
	int n = snprintf(text, sizeof(text), "%s%c%s", path, 0, value);

	call(g, XS_WRITE, tx, text, n);
}

static void one_path(struct guest *g, uint32_t type, uint32_t tx, const char *path)
{
	call(g, type, tx, path, strlen(path) + 1);
}

static void assert_value(struct guest *g, uint32_t tx, const char *path, const char *value)
{
	one_path(g, XS_READ, tx, path);
	ASSERT_OK(g);
	assert_string_equal(g->payload, value);
	assert_int_equal(g->hdr.len, strlen(value));
}

static uint32_t start(struct guest *g)
{
	CALL(g, XS_TRANSACTION_START, 0, "");
	ASSERT_OK(g);
	return atoi(g->payload);
}

static void event(struct guest *g, const char *path, const char *token)
{
	receive(g);
	assert_int_equal(g->hdr.type, XS_WATCH_EVENT);
	assert_int_equal(g->hdr.req_id, 0);
	assert_string_equal(g->payload, path);
	assert_string_equal(g->payload + strlen(path) + 1, token);
	assert_int_equal(g->hdr.len, strlen(path) + strlen(token) + 2);
}

static void what_is_written_is_read(void **state)
{
	struct guest *g = *state;

	write_value(g, 0, "data/a/b", "hello");
	ASSERT_OK(g);
	assert_string_equal(g->payload, "OK");
	assert_int_equal(g->hdr.len, 3);
	assert_value(g, 0, "data/a/b", "hello");
	assert_value(g, 0, "/local/domain/1/data/a/b", "hello");
	assert_value(g, 0, "data/a", "");
	write_value(g, 0, "data/a/b", "");
	assert_value(g, 0, "data/a/b", "");
	one_path(g, XS_DIRECTORY, 0, "data/a");
	assert_memory_equal(g->payload, "b", 2);
	assert_int_equal(g->hdr.len, 2);
	call(g, XS_WRITE, 0, "data/bin\0\1\0\2\0", 13);
	one_path(g, XS_READ, 0, "data/bin");
	assert_int_equal(g->hdr.len, 4);
	assert_memory_equal(g->payload, "\1\0\2\0", 4);
}

static void local_and_guest_see_one_tree(void **state)
{
	struct guest *g = *state;
	char buf[16];
	uint64_t n;

	assert_int_equal(xs_local_write_uint(&g->store, "/local/domain/1/memory/target", 262144),
			 0);
	assert_value(g, 0, "memory/target", "262144");
	write_value(g, 0, "data/x", "42");
	assert_int_equal(xs_local_read(&g->store, "/local/domain/1/data/x", buf, sizeof(buf)), 2);
	assert_string_equal(buf, "42");
	assert_int_equal(xs_local_read_uint(&g->store, "/local/domain/1/data/x", &n), 0);
	assert_int_equal(n, 42);
	write_value(g, 0, "data/x", "18446744073709551616");
	assert_int_equal(xs_local_read_uint(&g->store, "/local/domain/1/data/x", &n), -XEN_EINVAL);
	assert_int_equal(xs_local_directory(&g->store, "/local/domain/1", buf, sizeof(buf)), 12);
	assert_memory_equal(buf, "memory\0data\0", 12);
	assert_int_equal(xs_local_directory(&g->store, "/local/domain/1", buf, 11), -XEN_E2BIG);
	assert_int_equal(xs_local_rm(&g->store, "/local/domain/1/nowhere/x"), 0);
	assert_int_equal(xs_local_write_str(&g->store, "relative", ""), -XEN_EINVAL);
}

static void malformed_arguments_are_refused(void **state)
{
	struct guest *g = *state;
	static const char *const bad[] = {"",      "a//b", "a/", "/a b", "//", "@introduceDomain",
					  "/\xff", "a:b"};
	char longer[XENSTORE_PAYLOAD_MAX];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		one_path(g, XS_READ, 0, bad[i]);
		ASSERT_ERROR(g, "EINVAL");
		write_value(g, 0, bad[i], "x");
		ASSERT_ERROR(g, "EINVAL");
	}
	call(g, XS_READ, 0, "data", 4); /* no NUL */
	ASSERT_ERROR(g, "EINVAL");
	call(g, XS_READ, 0, "", 0);
	ASSERT_ERROR(g, "EINVAL");
	CALL(g, XS_READ, 0, "data\0more");
	ASSERT_ERROR(g, "EINVAL");
	CALL(g, XS_WATCH, 0, "data");
	ASSERT_ERROR(g, "EINVAL");
	CALL(g, XS_SET_PERMS, 0, "/local/domain/1");
	ASSERT_ERROR(g, "EINVAL");
	CALL(g, XS_SET_PERMS, 0, "/local/domain/1\0x1");
	ASSERT_ERROR(g, "EINVAL");
	CALL(g, XS_SET_PERMS, 0, "/local/domain/1\0");
	ASSERT_ERROR(g, "EINVAL");
	CALL(g, XS_SET_PERMS, 0, "/local/domain/1\0n99999");
	ASSERT_ERROR(g, "EINVAL");
	CALL(g, XS_TRANSACTION_END, 0, "X");
	ASSERT_ERROR(g, "EINVAL");
	CALL(g, XS_TRANSACTION_END, 0, "T");
	ASSERT_ERROR(g, "ENOENT");
	CALL(g, XS_GET_DOMAIN_PATH, 0, "one");
	ASSERT_ERROR(g, "EINVAL");
	memset(longer, 'x', sizeof(longer));
	longer[XENSTORE_REL_PATH_MAX + 1] = '\0';
	one_path(g, XS_READ, 0, longer);
	ASSERT_ERROR(g, "EINVAL");
	longer[XENSTORE_REL_PATH_MAX] = '\0';
	one_path(g, XS_READ, 0, longer);
	ASSERT_ERROR(g, "ENOENT");
}

static void privileged_and_unknown_requests_are_refused(void **state)
{
	struct guest *g = *state;
	static const uint32_t privileged[] = {XS_CONTROL, XS_INTRODUCE,  XS_RELEASE,
					      XS_RESUME,  XS_SET_TARGET, XS_IS_DOMAIN_INTRODUCED};
	static const uint32_t unknown[] = {XS_WATCH_EVENT, XS_ERROR,   XS_SET_TARGET + 1,
					   XS_TYPE_COUNT,  XS_INVALID, 0xffffffff};

	for (unsigned i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++) {
		CALL(g, privileged[i], 0, "1");
		ASSERT_ERROR(g, "EACCES");
	}
	for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		CALL(g, unknown[i], 0, "1");
		ASSERT_ERROR(g, "ENOSYS");
	}
	CALL(g, XS_GET_DOMAIN_PATH, 0, "7");
	assert_string_equal(g->payload, "/local/domain/7");
}

static void permissions_hold(void **state)
{
	struct guest *g = *state;
	struct xs_perm readable[] = {{0, XS_PERM_NONE}, {1, XS_PERM_READ}};
	struct xs_perm writable[] = {{0, XS_PERM_NONE}, {1, XS_PERM_READ | XS_PERM_WRITE}};

	assert_int_equal(xs_local_write_str(&g->store, "/secret/a", "x"), 0);
	one_path(g, XS_READ, 0, "/secret/a");
	ASSERT_ERROR(g, "EACCES");
	one_path(g, XS_READ, 0, "/secret/nothing");
	ASSERT_ERROR(g, "EACCES"); /* who may not look is not told that it is missing */
	one_path(g, XS_DIRECTORY, 0, "/");
	ASSERT_ERROR(g, "EACCES");
	write_value(g, 0, "/local/domain/2/x", "");
	ASSERT_ERROR(g, "EACCES");
	one_path(g, XS_RM, 0, "/secret");
	ASSERT_ERROR(g, "EACCES");

	xs_local_write_str(&g->store, "/local/domain/1/dev", "r");
	xs_local_set_perms(&g->store, "/local/domain/1/dev", readable, 2);
	assert_value(g, 0, "dev", "r");
	write_value(g, 0, "dev", "w");
	ASSERT_ERROR(g, "EACCES");
	write_value(g, 0, "dev/sub", "w");
	ASSERT_ERROR(g, "EACCES");
	CALL(g, XS_SET_PERMS, 0, "dev\0n1");
	ASSERT_ERROR(g, "EACCES");
	xs_local_set_perms(&g->store, "/local/domain/1/dev", writable, 2);
	write_value(g, 0, "dev", "w");
	ASSERT_OK(g);
	write_value(g, 0, "dev/sub", "w");
	ASSERT_OK(g);
	one_path(g, XS_GET_PERMS, 0, "dev");
	assert_int_equal(g->hdr.len, 6);
	assert_memory_equal(g->payload, "n0\0b1", 6);
	one_path(g, XS_GET_PERMS, 0, "dev/sub");
	assert_memory_equal(g->payload, "n1\0b1", 6); /* a guest owns what it creates */
	CALL(g, XS_SET_PERMS, 0, "dev/sub\0n0");
	ASSERT_ERROR(g, "EPERM");
	CALL(g, XS_SET_PERMS, 0, "dev/sub\0r1\0w0\0b2");
	ASSERT_OK(g);
	one_path(g, XS_GET_PERMS, 0, "dev/sub");
	assert_memory_equal(g->payload, "r1\0w0\0b2", 9);
	CALL(g, XS_SET_PERMS, 0, "dev/sub\0r1\0r2\0r3\0r4\0r5\0r6");
	ASSERT_ERROR(g, "ENOSPC");
}

static void rm_takes_the_subtree(void **state)
{
	struct guest *g = *state;

	write_value(g, 0, "d/a/b/c", "1");
	write_value(g, 0, "d/a/x", "1");
	write_value(g, 0, "d/z", "1");
	one_path(g, XS_RM, 0, "d/a");
	ASSERT_OK(g);
	one_path(g, XS_READ, 0, "d/a/b/c");
	ASSERT_ERROR(g, "ENOENT");
	one_path(g, XS_READ, 0, "d/a");
	ASSERT_ERROR(g, "ENOENT");
	one_path(g, XS_DIRECTORY, 0, "d");
	assert_int_equal(g->hdr.len, 2);
	one_path(g, XS_RM, 0, "d/a");
	ASSERT_OK(g);
	one_path(g, XS_RM, 0, "d/a/b");
	ASSERT_ERROR(g, "ENOENT");
	one_path(g, XS_RM, 0, "/");
	ASSERT_ERROR(g, "EACCES");
	one_path(g, XS_MKDIR, 0, "d/a");
	ASSERT_OK(g);
	one_path(g, XS_MKDIR, 0, "d/a");
	ASSERT_OK(g);
	one_path(g, XS_DIRECTORY, 0, "d/a");
	assert_int_equal(g->hdr.len, 0);
}

static void watches_fire(void **state)
{
	struct guest *g = *state;

	CALL(g, XS_WATCH, 0, "d\0tok");
	ASSERT_OK(g);
	event(g, "d", "tok"); /* at registration, after the reply */
	CALL(g, XS_WATCH, 0, "d\0tok");
	ASSERT_ERROR(g, "EEXIST");
	CALL(g, XS_WATCH, 0, "/local/domain/1/d\0abs");
	event(g, "/local/domain/1/d", "abs");
	assert_true(silent(g));

	xs_local_write_str(&g->store, "/local/domain/1/d/x/y", "1");
	event(g, "d/x/y", "tok");
	event(g, "/local/domain/1/d/x/y", "abs");
	xs_local_write_str(&g->store, "/local/domain/1/dd", "1");
	assert_true(silent(g));
	CALL(g, XS_UNWATCH, 0, "/local/domain/1/d\0abs");
	ASSERT_OK(g);
	CALL(g, XS_UNWATCH, 0, "/local/domain/1/d\0abs");
	ASSERT_ERROR(g, "ENOENT");

	CALL(g, XS_WATCH, 0, "d/x/y\0leaf");
	event(g, "d/x/y", "leaf");
	xs_local_rm(&g->store, "/local/domain/1/d");
	event(g, "d", "tok");
	event(g, "d/x/y", "leaf");
	assert_true(silent(g));
	CALL(g, XS_RESET_WATCHES, 0, "");
	ASSERT_OK(g);
	xs_local_write_str(&g->store, "/local/domain/1/d", "1");
	assert_true(silent(g));

	CALL(g, XS_WATCH, 0, "@introduceDomain\0s");
	event(g, "@introduceDomain", "s");
}

static void special_watches_obey_permissions(void **state)
{
	struct guest *g = *state;
	struct xs_perm all[] = {{0, XS_PERM_READ}};

	CALL(g, XS_WATCH, 0, "@releaseDomain\0s");
	event(g, "@releaseDomain", "s");
	xs_local_special(&g->store, "@releaseDomain");
	assert_true(silent(g));
	CALL(g, XS_SET_PERMS, 0, "@releaseDomain\0r1");
	ASSERT_ERROR(g, "EACCES");
	xs_local_set_perms(&g->store, "@releaseDomain", all, 1);
	event(g, "@releaseDomain", "s");
	xs_local_special(&g->store, "@releaseDomain");
	event(g, "@releaseDomain", "s");
}

static void watches_do_not_leak_what_cannot_be_read(void **state)
{
	struct guest *g = *state;

	CALL(g, XS_WATCH, 0, "/\0all");
	event(g, "/", "all");
	xs_local_write_str(&g->store, "/secret/x", "1");
	assert_true(silent(g));
	xs_local_write_str(&g->store, "/local/domain/1/x", "1");
	event(g, "/local/domain/1/x", "all");
}

static void transactions_isolate_and_commit(void **state)
{
	struct guest *g = *state;
	uint32_t tx;

	write_value(g, 0, "d/a", "old");
	CALL(g, XS_WATCH, 0, "d\0w");
	event(g, "d", "w");
	tx = start(g);
	write_value(g, tx, "d/a", "new");
	write_value(g, tx, "d/b", "new");
	assert_value(g, tx, "d/a", "new");
	assert_value(g, 0, "d/a", "old");
	one_path(g, XS_READ, 0, "d/b");
	ASSERT_ERROR(g, "ENOENT");
	CALL(g, XS_TRANSACTION_START, tx, "");
	ASSERT_ERROR(g, "EBUSY");
	assert_true(silent(g));
	request(g, XS_TRANSACTION_END, tx, "T", 2);
	event(g, "d/a", "w");
	event(g, "d/b", "w");
	receive(g);
	ASSERT_OK(g);
	assert_value(g, 0, "d/a", "new");
	assert_value(g, 0, "d/b", "new");
	one_path(g, XS_READ, tx, "d/a");
	ASSERT_ERROR(g, "ENOENT");
}

static void an_aborted_transaction_leaves_no_trace(void **state)
{
	struct guest *g = *state;
	size_t before;
	uint32_t tx;

	write_value(g, 0, "d/a", "old");
	before = g->store.bytes;
	tx = start(g);
	write_value(g, tx, "d/a", "new");
	one_path(g, XS_RM, tx, "d");
	one_path(g, XS_READ, tx, "d/a");
	ASSERT_ERROR(g, "ENOENT");
	write_value(g, tx, "d/c/e/f", "new");
	CALL(g, XS_TRANSACTION_END, tx, "F");
	ASSERT_OK(g);
	assert_value(g, 0, "d/a", "old");
	assert_int_equal(g->store.bytes, before);
}

static void a_transaction_conflicts_with_what_it_touched(void **state)
{
	struct guest *g = *state;
	uint32_t tx;

	write_value(g, 0, "d/a", "1");
	write_value(g, 0, "d/b", "1");

	tx = start(g); /* a node read has changed */
	assert_value(g, tx, "d/a", "1");
	write_value(g, tx, "d/b", "2");
	xs_local_write_str(&g->store, "/local/domain/1/d/a", "3");
	assert_value(g, tx, "d/a", "1");
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "EAGAIN");
	assert_value(g, 0, "d/b", "1");

	tx = start(g); /* a node found missing has appeared */
	one_path(g, XS_READ, tx, "d/c");
	ASSERT_ERROR(g, "ENOENT");
	write_value(g, 0, "d/c", "1");
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "EAGAIN");

	tx = start(g); /* the parent of two new nodes has changed */
	write_value(g, tx, "d/e", "1");
	write_value(g, 0, "d/f", "1");
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "EAGAIN");

	tx = start(g); /* something else has changed */
	assert_value(g, tx, "d/a", "3");
	write_value(g, tx, "d/b", "2");
	write_value(g, 0, "elsewhere/x", "1");
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_OK(g);
	assert_value(g, 0, "d/b", "2");
}

static void an_unknown_transaction_is_refused(void **state)
{
	struct guest *g = *state;

	one_path(g, XS_READ, 77, "d");
	ASSERT_ERROR(g, "ENOENT");
	CALL(g, XS_TRANSACTION_END, 77, "T");
	ASSERT_ERROR(g, "ENOENT");
	CALL(g, XS_WATCH, 77, "d\0t"); /* watches know no transactions */
	ASSERT_OK(g);
}

static void quotas_hold(void **state)
{
	struct guest *g = *state;
	char path[32], big[2100];
	uint32_t a, b;
	unsigned n;

	for (n = 0; n < 100; n++) {
		snprintf(path, sizeof(path), "n/%u", n);
		write_value(g, 0, path, "x");
		if (g->hdr.type == XS_ERROR)
			break;
	}
	ASSERT_ERROR(g, "ENOSPC");
	assert_int_equal(n, 18); /* the home and "n" count too */
	one_path(g, XS_RM, 0, "n");
	ASSERT_OK(g);
	assert_int_equal(g->store.guest_nodes, 1);

	memset(big, 'x', sizeof(big));
	big[2048 - 24 - 8] = '\0';
	write_value(g, 0, "big", big);
	ASSERT_ERROR(g, "ENOSPC");
	big[2048 - 24 - 8 - 1] = '\0';
	write_value(g, 0, "big", big);
	ASSERT_OK(g);

	CALL(g, XS_WATCH, 0, "a\0t");
	CALL(g, XS_WATCH, 0, "b\0t");
	CALL(g, XS_WATCH, 0, "c\0t");
	ASSERT_OK(g);
	CALL(g, XS_WATCH, 0, "d\0t");
	ASSERT_ERROR(g, "E2BIG");
	CALL(g, XS_RESET_WATCHES, 0, "");

	a = start(g);
	b = start(g);
	assert_int_not_equal(a, b);
	CALL(g, XS_TRANSACTION_START, 0, "");
	ASSERT_ERROR(g, "ENOSPC");
	for (n = 0; n < 100; n++) {
		snprintf(path, sizeof(path), "t%u", n);
		one_path(g, XS_READ, a, path);
		if (!strcmp(g->payload, "ENOSPC"))
			break;
	}
	assert_in_range(n, 10, 12);
}

static void two_transactions_together_cannot_exceed_the_quota(void **state)
{
	struct guest *g = *state;
	uint32_t a, b;

	write_value(g, 0, "a", "");
	write_value(g, 0, "b", "");
	for (unsigned n = 0; n < 16; n++) {
		char path[16];

		snprintf(path, sizeof(path), "a/%u", n);
		write_value(g, 0, path, "");
		ASSERT_OK(g);
	}
	a = start(g);
	b = start(g);
	write_value(g, a, "a/x", ""); /* the twentieth node */
	ASSERT_OK(g);
	write_value(g, b, "b/x", "");
	ASSERT_OK(g);
	CALL(g, XS_TRANSACTION_END, a, "T");
	ASSERT_OK(g);
	CALL(g, XS_TRANSACTION_END, b, "T");
	ASSERT_ERROR(g, "ENOSPC");
	assert_int_equal(g->store.guest_nodes, 20);
}

static void long_directories_come_in_parts(void **state)
{
	struct guest *g = *state;
	char path[256], seen[300] = {0}, text[300];
	unsigned offset = 0, total = 0;

	for (unsigned i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/big/n%03u-%0100u", i, i);
		assert_int_equal(xs_local_write_str(&g->store, path, ""), 0);
	}
	xs_local_set_perms(&g->store, "/big", &(struct xs_perm){1, XS_PERM_NONE}, 1);
	one_path(g, XS_DIRECTORY, 0, "/big");
	ASSERT_ERROR(g, "E2BIG");
	for (bool last = false; !last;) {
		int n = snprintf(text, sizeof(text), "/big%c%u", 0, offset) + 1;
		char *at;

		call(g, XS_DIRECTORY_PART, 0, text, n);
		ASSERT_OK(g);
		at = g->payload + strlen(g->payload) + 1;
		for (; at < g->payload + g->hdr.len; at += strlen(at) + 1) {
			last = !*at;
			if (last)
				break;
			seen[atoi(at + 1)]++;
			offset += strlen(at) + 1;
			total++;
		}
	}
	assert_int_equal(total, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	CALL(g, XS_DIRECTORY_PART, 0,
	     "/big\0"
	     "99999999999");
	assert_int_equal(g->payload[g->hdr.len - 1], 0);
	assert_int_equal(g->hdr.len, strlen(g->payload) + 2);
}

static void messages_beyond_the_ring_pass(void **state)
{
	struct guest *g = *state;
	char value[1900], path[2000];

	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	write_value(g, 0, path, value);
	ASSERT_OK(g);
	assert_value(g, 0, path, value);
}

static void unread_replies_hold_requests_back_and_lose_nothing(void **state)
{
	struct guest *g = *state;
	struct xsd_sockmsg hdr = {.type = XS_READ, .len = 2};
	unsigned sent = 0, got = 0;
	char value[1000];

	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	write_value(g, 0, "a", value);
	for (unsigned stuck = 0; stuck < 3; stuck++) {
		while (XENSTORE_RING_SIZE - (g->ring.req_prod - g->ring.req_cons) >= 18) {
			hdr.req_id = sent++;
			for (unsigned i = 0; i < 16; i++)
				g->ring.req[MASK_XENSTORE_IDX(g->ring.req_prod++)] =
				    ((char *)&hdr)[i];
			g->ring.req[MASK_XENSTORE_IDX(g->ring.req_prod++)] = 'a';
			g->ring.req[MASK_XENSTORE_IDX(g->ring.req_prod++)] = '\0';
		}
		xs_service(g->conn);
	}
	assert_in_range(sent, 57, 200);
	for (; got < sent; got++) {
		receive(g);
		assert_int_equal(g->hdr.req_id, got);
		assert_int_equal(g->hdr.len, 999);
	}
	assert_true(silent(g));
}

static void unread_events_are_merged_not_lost(void **state)
{
	struct guest *g = *state;
	bool merged = false;

	CALL(g, XS_WATCH, 0, "d\0t");
	event(g, "d", "t");
	for (unsigned i = 0; i < 2000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/local/domain/1/d/%u", i);
		assert_int_equal(xs_local_write_str(&g->store, path, ""), 0);
	}
	while (!silent(g)) {
		receive(g);
		merged = !strcmp(g->payload, "d");
	}
	assert_true(merged); /* and it is the last one */
}

static void a_bad_request_index_stops_the_connection(void **state)
{
	struct guest *g = *state;

	g->ring.req_prod = g->ring.req_cons + XENSTORE_RING_SIZE + 1;
	assert_int_equal(xs_service(g->conn), XS_NOTIFY);
	assert_int_equal(g->ring.error, XENSTORE_ERROR_RINGIDX);
	g->ring.req_prod = g->ring.req_cons;
	assert_int_equal(xs_service(g->conn), 0);
	g->ring.connection = XENSTORE_RECONNECT;
	assert_int_equal(xs_service(g->conn), XS_NOTIFY);
	assert_int_equal(g->ring.connection, XENSTORE_CONNECTED);
	assert_int_equal(g->ring.error, XENSTORE_ERROR_NONE);
	write_value(g, 0, "d", "x");
	ASSERT_OK(g);
}

static void a_bad_reply_index_stops_the_connection(void **state)
{
	struct guest *g = *state;

	g->ring.rsp_cons = g->ring.rsp_prod + 1;
	assert_int_equal(xs_service(g->conn), XS_NOTIFY);
	assert_int_equal(g->ring.error, XENSTORE_ERROR_RINGIDX);
}

static void an_oversized_payload_stops_the_connection(void **state)
{
	struct guest *g = *state;
	struct xsd_sockmsg hdr = {.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1};

	put(g, &hdr, sizeof(hdr));
	assert_int_equal(g->ring.error, XENSTORE_ERROR_PROTO);
}

static void reconnection_forgets_watches_and_transactions(void **state)
{
	struct guest *g = *state;
	uint32_t tx = start(g);

	CALL(g, XS_WATCH, 0, "d\0t");
	event(g, "d", "t");
	g->ring.connection = XENSTORE_RECONNECT;
	xs_service(g->conn);
	assert_int_equal(g->ring.rsp_prod, 0);
	one_path(g, XS_READ, tx, "d");
	ASSERT_ERROR(g, "ENOENT");
	write_value(g, 0, "d", "x");
	ASSERT_OK(g);
	assert_true(silent(g));
}

struct seen {
	struct xs_store *store;
	unsigned calls;
	char last[64];
};

static void on_change(void *ctx, const char *path)
{
	struct seen *seen = ctx;
	char buf[8];

	seen->calls++;
	snprintf(seen->last, sizeof(seen->last), "%s", path);
	if (xs_local_read(seen->store, path, buf, sizeof(buf)) == 1 && buf[0] == '1')
		xs_local_write_str(seen->store, path, "2"); /* fires again */
}

static void local_watches_are_called_after_the_change(void **state)
{
	struct guest *g = *state;
	struct seen seen = {&g->store, 0, ""};

	assert_int_equal(xs_local_watch(&g->store, "/local/domain/1/state", on_change, &seen), 0);
	assert_int_equal(seen.calls, 0);
	xs_deliver(&g->store);
	assert_int_equal(seen.calls, 1);
	write_value(g, 0, "state", "1");
	assert_int_equal(seen.calls, 3);
	assert_value(g, 0, "state", "2");
	xs_local_write_str(&g->store, "/local/domain/1/state/sub", "x");
	assert_int_equal(xs_local_unwatch(&g->store, "/local/domain/1/state", on_change, &seen), 0);
	xs_deliver(&g->store);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(xs_local_unwatch(&g->store, "/local/domain/1/state", on_change, &seen),
			 -XEN_ENOENT);
}

static void a_local_event_without_memory_becomes_one_for_the_watch(void **state)
{
	struct guest *g = *state;
	struct seen seen = {&g->store, 0, ""};

	xs_local_watch(&g->store, "/local/domain/1/d", on_change, &seen);
	xs_deliver(&g->store);
	xs_local_write_str(&g->store, "/local/domain/1/d/x", "a");
	xs_deliver(&g->store);
	assert_string_equal(seen.last, "/local/domain/1/d/x");
	/* A write makes its change and its record; the event comes third. */
	fail_after = 2;
	assert_int_equal(xs_local_write_str(&g->store, "/local/domain/1/d/x", "b"), 0);
	fail_after = -1;
	xs_deliver(&g->store);
	assert_string_equal(seen.last, "/local/domain/1/d");
	assert_int_equal(seen.calls, 3);
}

static void running_out_of_memory_changes_nothing(void **state)
{
	struct guest *g = *state;
	unsigned failures = 0;

	write_value(g, 0, "d/keep", "x");
	for (int n = 0; n < 40; n++) {
		size_t before = g->store.bytes;

		fail_after = n;
		write_value(g, 0, "d/a/b/c", "1");
		fail_after = -1;
		if (g->hdr.type == XS_ERROR) {
			failures++;
			ASSERT_ERROR(g, "ENOMEM");
			assert_int_equal(g->store.bytes, before);
			one_path(g, XS_READ, 0, "d/a");
			ASSERT_ERROR(g, "ENOENT");
			continue;
		}
		fail_after = n / 2;
		one_path(g, XS_RM, 0, "d/a");
		fail_after = -1;
		if (g->hdr.type == XS_ERROR)
			assert_value(g, 0, "d/a/b/c", "1");
		one_path(g, XS_RM, 0, "d/a");
		ASSERT_OK(g);
	}
	assert_in_range(failures, 5, 20);
	assert_value(g, 0, "d/keep", "x");
}

static void a_broken_transaction_cannot_commit(void **state)
{
	struct guest *g = *state;
	uint32_t tx = start(g);

	fail_after = 13;
	write_value(g, tx, "p/q/r/s", "1");
	fail_after = -1;
	ASSERT_ERROR(g, "ENOMEM");
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "ENOMEM");
	one_path(g, XS_READ, 0, "p");
	ASSERT_ERROR(g, "ENOENT");
}

static void a_guest_at_its_memory_limit_can_still_remove(void **state)
{
	struct guest *g = *state;
	char path[64], value[1024];
	unsigned n = 0;

	g->store.quota.bytes = g->store.bytes + 64 * 1024;
	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	do {
		snprintf(path, sizeof(path), "d/%u", n++);
		write_value(g, 0, path, value);
	} while (g->hdr.type != XS_ERROR);
	ASSERT_ERROR(g, "ENOMEM");
	assert_in_range(n, 40, 70);
	one_path(g, XS_RM, 0, "d/0");
	ASSERT_OK(g);
	one_path(g, XS_RM, 0, "d");
	ASSERT_OK(g);
	write_value(g, 0, "d", "x");
	ASSERT_OK(g);
}

static void a_guest_finds_the_toolstacks_tree(void **state)
{
	struct guest *g = *state;
	struct xs_guest info = {
	    .domid = 1,
	    .name = "guest",
	    .uuid = "00000000-0000-0000-0000-000000000001",
	    .nr_vcpus = 64,
	    .memory_kib = 1048576,
	    .memory_max_kib = 2097152,
	    .store_port = 1,
	};

	assert_int_equal(xs_guest_introduce(&g->store, &info), 0);
	assert_value(g, 0, "name", "guest");
	assert_value(g, 0, "domid", "1");
	assert_value(g, 0, "vm", "/vm/00000000-0000-0000-0000-000000000001");
	assert_value(g, 0, "/vm/00000000-0000-0000-0000-000000000001/name", "guest");
	assert_value(g, 0, "memory/target", "1048576");
	assert_value(g, 0, "cpu/63/availability", "online");
	write_value(g, 0, "memory/target", "0");
	ASSERT_ERROR(g, "EACCES");
	write_value(g, 0, "anything", "0");
	ASSERT_ERROR(g, "EACCES");
	write_value(g, 0, "control/shutdown", "");
	ASSERT_OK(g);
	write_value(g, 0, "data/os", "Linux");
	ASSERT_OK(g);
	assert_in_range(g->store.guest_nodes, 10, 20);
	assert_in_range(g->store.bytes, 10000, 100000);
}

#define TEST(f)       cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_SMALL(f) cmocka_unit_test_setup_teardown(f, setup_small, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_is_written_is_read),
	    TEST(local_and_guest_see_one_tree),
	    TEST(malformed_arguments_are_refused),
	    TEST(privileged_and_unknown_requests_are_refused),
	    TEST(permissions_hold),
	    TEST(rm_takes_the_subtree),
	    TEST(watches_fire),
	    TEST(special_watches_obey_permissions),
	    TEST(watches_do_not_leak_what_cannot_be_read),
	    TEST(transactions_isolate_and_commit),
	    TEST(an_aborted_transaction_leaves_no_trace),
	    TEST(a_transaction_conflicts_with_what_it_touched),
	    TEST(an_unknown_transaction_is_refused),
	    TEST_SMALL(quotas_hold),
	    TEST_SMALL(two_transactions_together_cannot_exceed_the_quota),
	    TEST(long_directories_come_in_parts),
	    TEST(messages_beyond_the_ring_pass),
	    TEST(unread_replies_hold_requests_back_and_lose_nothing),
	    TEST(unread_events_are_merged_not_lost),
	    TEST(a_bad_request_index_stops_the_connection),
	    TEST(a_bad_reply_index_stops_the_connection),
	    TEST(an_oversized_payload_stops_the_connection),
	    TEST(reconnection_forgets_watches_and_transactions),
	    TEST(local_watches_are_called_after_the_change),
	    TEST(a_local_event_without_memory_becomes_one_for_the_watch),
	    TEST(running_out_of_memory_changes_nothing),
	    TEST(a_broken_transaction_cannot_commit),
	    TEST(a_guest_at_its_memory_limit_can_still_remove),
	    TEST(a_guest_finds_the_toolstacks_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
