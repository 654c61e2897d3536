/* SPDX-License-Identifier: MIT */
/* adapter/xen/steal.h: what was wanted and not had is stolen, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapter/xen/steal.h"

static void the_first_look_says_nothing(void **state)
{
	struct steal_sample s = {0};

	(void)state;
	assert_int_equal(steal_since(&s, 1000000, 0), 0);
	assert_int_equal(steal_since(&s, 1000000, 0), 0);
}

static void what_was_wanted_and_not_had_is_stolen_once(void **state)
{
	struct steal_sample s = {0};

	(void)state;
	steal_since(&s, 5000, 7000);
	assert_int_equal(steal_since(&s, 9000, 8000), 3000);
	assert_int_equal(steal_since(&s, 9000, 8000), 0);
	assert_int_equal(steal_since(&s, 10000, 9000), 0);
	assert_int_equal(steal_since(&s, 11000, 9000), 1000);
}

/* Handling interrupts while blocked takes a processor that nobody wanted: that is no loan to be paid back. */
static void running_more_than_wanted_steals_nothing(void **state)
{
	struct steal_sample s = {0};

	(void)state;
	steal_since(&s, 0, 0);
	assert_int_equal(steal_since(&s, 0, 5000), 0);
	assert_int_equal(steal_since(&s, 1000, 5500), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_look_says_nothing),
	    cmocka_unit_test(what_was_wanted_and_not_had_is_stolen_once),
	    cmocka_unit_test(running_more_than_wanted_steals_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
