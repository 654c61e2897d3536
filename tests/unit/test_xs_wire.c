/* SPDX-License-Identifier: MIT */
/* The guest's connection to its xenstore: sizes, limits, memory, and a ring that is misused. */
#include "tests/unit/xs_guest_side.h"

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

#define TEST(f)       cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_SMALL(f) cmocka_unit_test_setup_teardown(f, setup_small, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	    TEST(running_out_of_memory_changes_nothing),
	    TEST(a_broken_transaction_cannot_commit),
	    TEST(a_guest_at_its_memory_limit_can_still_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
