/* SPDX-License-Identifier: MIT */
/* Words that go to the hypervisor: control words, timer configuration, VP sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "adapter/hv/control.h"
#include "adapter/hv/stimer.h"
#include "adapter/hv/vpset.h"

static void control_word_has_each_field_in_its_place(void **state)
{
	(void)state;
	assert_int_equal(hv_control(HV_CALL_FLUSH_LIST, 0, 0, 0), 3);
	assert_true(hv_control(0xffff, 0, 0, 0) == 0xffff);
	assert_true(hv_control(0, 0x3ff, 0, 0) == 0x07fe0000);
	assert_true(hv_control(0, 0, 0xfff, 0) == 0x00000fff00000000);
	assert_true(hv_control(0, 0, 0, 0xfff) == 0x0fff000000000000);
	/* Nothing spills into reserved bits. */
	assert_true((hv_control(0xffff, ~0u, ~0u, ~0u) & 0xf000f000f8010000) == 0);
}

static void result_word_is_taken_apart(void **state)
{
	(void)state;
	assert_int_equal(hv_result_status(0xabcd000500000003), HV_STATUS_INVALID_HYPERCALL_INPUT);
	assert_int_equal(hv_result_reps_done(0xabcdf00500000003), 5);
}

static void a_message_that_may_be_taken_later_is_posted_again(void **state)
{
	(void)state;
	for (unsigned used = 0; used < 2; used++) {
		assert_true(hv_post_again(HV_STATUS_INSUFFICIENT_BUFFERS, used));
		assert_true(hv_post_again(HV_STATUS_INSUFFICIENT_MEMORY, used));
		assert_int_equal(hv_post_again(HV_STATUS_INVALID_CONNECTION_ID, used), used);
		assert_false(hv_post_again(HV_STATUS_SUCCESS, used));
		assert_false(hv_post_again(HV_STATUS_INVALID_PARAMETER, used));
	}
}

static void best_timer_is_chosen(void **state)
{
	(void)state;
	assert_int_equal(timer_choose(true, true, true), TIMER_STIMER_DIRECT);
	assert_int_equal(timer_choose(true, false, true), TIMER_STIMER_MESSAGE);
	assert_int_equal(timer_choose(false, true, true), TIMER_TSC_DEADLINE);
	assert_int_equal(timer_choose(false, false, false), TIMER_APIC_COUNT);
}

static void timer_configuration_is_one_shot_and_starts_by_count(void **state)
{
	uint64_t direct = stimer_config(TIMER_STIMER_DIRECT, 0xf2, 4);
	uint64_t message = stimer_config(TIMER_STIMER_MESSAGE, 0xf2, 4);

	(void)state;
	assert_true(direct == 0x1f28);
	assert_true(message == 0x40008);
}

static void timer_count_is_never_early_and_never_stops_it(void **state)
{
	(void)state;
	assert_int_equal(stimer_count(0, 0), 1);
	assert_int_equal(stimer_count(1000, 0), 1000);
	assert_int_equal(stimer_count(1000, 1), 1001);
	assert_int_equal(stimer_count(1000, 100), 1001);
	assert_int_equal(stimer_count(1000, 101), 1002);
}

static void timer_is_left_alone_while_its_interrupt_comes_soon_enough(void **state)
{
	(void)state;
	assert_true(timer_suffices(200, 100, 200));
	assert_true(timer_suffices(200, 100, UINT64_MAX));
	assert_false(timer_suffices(200, 100, 199));
	/* It has been, or is about to be lost; and it was never set. */
	assert_false(timer_suffices(200, 200, 300));
	assert_false(timer_suffices(0, 100, 300));
}

static void vp_set_lists_its_banks_in_order(void **state)
{
	const uint32_t indices[] = {130, 1, 63, 64, 128};
	uint64_t valid, banks[5];

	(void)state;
	assert_int_equal(hv_vpset(indices, 5, &valid, banks), 3);
	assert_true(valid == 7);
	assert_true(banks[0] == (1ull << 1 | 1ull << 63));
	assert_true(banks[1] == 1);
	assert_true(banks[2] == (1 << 0 | 1 << 2));
}

static void vp_set_skips_empty_banks(void **state)
{
	const uint32_t indices[] = {4095};
	uint64_t valid, bank;

	(void)state;
	assert_int_equal(hv_vpset(indices, 1, &valid, &bank), 1);
	assert_true(valid == 1ull << 63);
	assert_true(bank == 1ull << 63);
}

static void vp_set_refuses_what_it_cannot_say(void **state)
{
	const uint32_t indices[] = {0, 4096};
	uint64_t valid, banks[2];

	(void)state;
	assert_int_equal(hv_vpset(indices, 2, &valid, banks), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(control_word_has_each_field_in_its_place),
	    cmocka_unit_test(result_word_is_taken_apart),
	    cmocka_unit_test(best_timer_is_chosen),
	    cmocka_unit_test(a_message_that_may_be_taken_later_is_posted_again),
	    cmocka_unit_test(timer_configuration_is_one_shot_and_starts_by_count),
	    cmocka_unit_test(timer_count_is_never_early_and_never_stops_it),
	    cmocka_unit_test(timer_is_left_alone_while_its_interrupt_comes_soon_enough),
	    cmocka_unit_test(vp_set_lists_its_banks_in_order),
	    cmocka_unit_test(vp_set_skips_empty_banks),
	    cmocka_unit_test(vp_set_refuses_what_it_cannot_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
