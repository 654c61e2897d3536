/* SPDX-License-Identifier: MIT */
/* The store as a guest sees it, over a real ring page: what requests mean. */
#include "tests/unit/xs_guest_side.h"

#include "core/xs_guest.h"

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
	assert_int_equal(xs_local_child(&g->store, "/local/domain/1", 1, buf, sizeof(buf)), 4);
	assert_string_equal(buf, "data");
	assert_int_equal(xs_local_child(&g->store, "/local/domain/1", 0, buf, 4), 6);
	assert_string_equal(buf, "mem");
	assert_int_equal(xs_local_child(&g->store, "/local/domain/1", 2, buf, 4), -XEN_ENOENT);
	assert_int_equal(xs_local_child(&g->store, "/nowhere", 0, buf, 4), -XEN_ENOENT);
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

/* It remembers the parent as it was, and finds a child there that is new: neither is to be believed. */
static void a_child_that_came_later_is_not_removed(void **state)
{
	struct guest *g = *state;
	uint32_t tx;

	write_value(g, 0, "d/a", "1");
	tx = start(g); /* the parent was read without the child */
	one_path(g, XS_DIRECTORY, tx, "d");
	write_value(g, 0, "d/b", "1");
	one_path(g, XS_RM, tx, "d/b");
	ASSERT_ERROR(g, "EAGAIN");
	assert_value(g, tx, "d/b", "1");
	one_path(g, XS_DIRECTORY, tx, "d");
	assert_int_equal(g->hdr.len, 2);
	assert_memory_equal(g->payload, "a", 2);
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "EAGAIN");
	assert_value(g, 0, "d/b", "1");

	tx = start(g); /* the parent was found missing */
	one_path(g, XS_READ, tx, "e");
	ASSERT_ERROR(g, "ENOENT");
	write_value(g, 0, "e/a", "1");
	one_path(g, XS_RM, tx, "e/a");
	ASSERT_ERROR(g, "EAGAIN");
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "EAGAIN");
	assert_value(g, 0, "e/a", "1");

	tx = start(g); /* the parent was found missing, and made, as something else */
	one_path(g, XS_READ, tx, "f");
	write_value(g, 0, "f/a/x", "1");
	assert_value(g, tx, "f/a/x", "1");
	write_value(g, tx, "f/b", "1");
	ASSERT_OK(g);
	one_path(g, XS_RM, tx, "f/a/x");
	ASSERT_OK(g);
	one_path(g, XS_RM, tx, "f/a");
	ASSERT_ERROR(g, "EAGAIN");
	one_path(g, XS_RM, tx, "f");
	ASSERT_OK(g);
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "EAGAIN");
	assert_value(g, 0, "f/a/x", "1");
}

/* The other way round: the child was found missing, and the parent has it by now. So it is listed twice, and nobody falls over that. */
static void a_child_that_was_missing_is_written(void **state)
{
	struct guest *g = *state;
	uint32_t tx;

	write_value(g, 0, "e/a/x", "1");
	tx = start(g);
	one_path(g, XS_READ, tx, "e/b");
	ASSERT_ERROR(g, "ENOENT");
	write_value(g, 0, "e/b", "1");
	write_value(g, tx, "e/b/x", "2");
	ASSERT_OK(g);
	assert_value(g, tx, "e/b/x", "2");
	one_path(g, XS_RM, tx, "e/b");
	ASSERT_OK(g);
	one_path(g, XS_RM, tx, "e/b");
	ASSERT_OK(g);
	one_path(g, XS_RM, tx, "e");
	ASSERT_OK(g);
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "EAGAIN");
	assert_value(g, 0, "e/b", "1");
	assert_value(g, 0, "e/a/x", "1");
}

static void reset_watches_ends_transactions_too(void **state)
{
	struct guest *g = *state;
	uint32_t tx = start(g);

	write_value(g, tx, "d", "x");
	CALL(g, XS_RESET_WATCHES, tx, "");
	ASSERT_OK(g);
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_ERROR(g, "ENOENT");
	one_path(g, XS_READ, 0, "d");
	ASSERT_ERROR(g, "ENOENT");
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
	    TEST(a_child_that_came_later_is_not_removed),
	    TEST(a_child_that_was_missing_is_written),
	    TEST(reset_watches_ends_transactions_too),
	    TEST(an_unknown_transaction_is_refused),
	    TEST(local_watches_are_called_after_the_change),
	    TEST(a_local_event_without_memory_becomes_one_for_the_watch),
	    TEST(a_guest_finds_the_toolstacks_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
