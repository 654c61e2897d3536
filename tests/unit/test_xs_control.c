/* SPDX-License-Identifier: MIT */
/* What the host asks of a guest, and how the guest answers, over a real ring page. */
#include "tests/unit/xs_guest_side.h"

#include "core/xs_control.h"
#include "core/xs_guest.h"

static unsigned acknowledgements;

static void acknowledged(void *ctx)
{
	(void)ctx;
	acknowledgements++;
}

static struct xs_control control;

static int setup_control(void **state)
{
	struct xs_guest info = {
	    .domid = 1, .name = "g", .uuid = "u", .nr_vcpus = 2, .memory_kib = 1024};
	struct guest *g;

	setup(state);
	g = *state;
	acknowledgements = 0;
	assert_int_equal(xs_guest_introduce(&g->store, &info), 0);
	assert_int_equal(xs_control_init(&control, &g->store, 1, acknowledged, NULL), 0);
	xs_deliver(&g->store);
	return 0;
}

static int teardown_control(void **state)
{
	xs_control_destroy(&control);
	return teardown(state);
}

static void a_guest_that_listens_acknowledges(void **state)
{
	struct guest *g = *state;

	assert_false(xs_control_can(&control, XS_SHUTDOWN_POWEROFF));
	write_value(g, 0, "control/feature-poweroff", "1");
	ASSERT_OK(g);
	assert_true(xs_control_can(&control, XS_SHUTDOWN_POWEROFF));
	assert_false(xs_control_can(&control, XS_SHUTDOWN_REBOOT));
	CALL(g, XS_WATCH, 0, "control/shutdown\0s");
	event(g, "control/shutdown", "s");
	assert_int_equal(xs_control_shutdown(&control, XS_SHUTDOWN_POWEROFF), 0);
	event(g, "control/shutdown", "s");
	assert_value(g, 0, "control/shutdown", "poweroff");
	assert_int_equal(acknowledgements, 0);
	write_value(g, 0, "control/shutdown", "");
	assert_int_equal(acknowledgements, 1);
	write_value(g, 0, "control/shutdown", "");
	assert_int_equal(acknowledgements, 1);
	assert_false(xs_control_withdraw(&control));
}

static void a_request_not_taken_is_withdrawn(void **state)
{
	struct guest *g = *state;

	assert_int_equal(xs_control_shutdown(&control, XS_SHUTDOWN_REBOOT), 0);
	assert_int_equal(xs_control_shutdown(&control, XS_SHUTDOWN_SUSPEND), 0);
	assert_value(g, 0, "control/shutdown", "suspend");
	assert_true(xs_control_withdraw(&control));
	assert_value(g, 0, "control/shutdown", "");
	assert_int_equal(acknowledgements, 0);
}

/* Linux takes a request within a transaction: reads, empties, commits. */
static void taking_a_request_in_a_transaction_counts_once_committed(void **state)
{
	struct guest *g = *state;
	uint32_t tx;

	xs_control_shutdown(&control, XS_SHUTDOWN_HALT);
	tx = start(g);
	assert_value(g, tx, "control/shutdown", "halt");
	write_value(g, tx, "control/shutdown", "");
	assert_int_equal(acknowledgements, 0);
	CALL(g, XS_TRANSACTION_END, tx, "T");
	ASSERT_OK(g);
	assert_int_equal(acknowledgements, 1);
}

static void targets_reach_the_guest(void **state)
{
	struct guest *g = *state;

	assert_int_equal(xs_control_memory(&control, 524288), 0);
	assert_value(g, 0, "memory/target", "524288");
	assert_int_equal(xs_control_vcpu(&control, 1, false), 0);
	assert_value(g, 0, "cpu/1/availability", "offline");
	assert_int_equal(xs_control_sysrq(&control, 's'), 0);
	assert_value(g, 0, "control/sysrq", "s");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_control, teardown_control)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_guest_that_listens_acknowledges),
	    TEST(a_request_not_taken_is_withdrawn),
	    TEST(taking_a_request_in_a_transaction_counts_once_committed),
	    TEST(targets_reach_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
