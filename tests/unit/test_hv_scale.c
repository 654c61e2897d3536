/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "adapter/hv/scale.h"

typedef unsigned __int128 u128;

static const uint64_t rates[] = {1000000,       33333333,      999999999,     1000000000,
				 1000000001,    1996250000,    2000000000,    2894561000u,
				 4294967296ull, 5700000000ull, 64000000000ull};
#define RATES (sizeof(rates) / sizeof(rates[0]))

/* A page cannot say less than 10 MHz; and its rounding puts the fastest rate just beyond the limit. */
static const uint64_t *const page_rates = rates + 1;
#define PAGE_RATES (RATES - 2)

/* The scale that a hypervisor puts into its page for a TSC of `hz`. */
static uint64_t page_scale_of(uint64_t hz)
{
	return (uint64_t)(((u128)10000000 << 64) / hz);
}

static void mul_uses_all_its_bits(void **state)
{
	struct clock_scale s = {0};

	(void)state;
	for (size_t i = 0; i < RATES; i++) {
		assert_true(scale_set_hz(&s, rates[i]));
		assert_true(s.mul >> 31);
	}
}

/* Against exact arithmetic, over a day: behind by less than 0.5 ns a second and what the shift drops, never ahead. */
static void clock_never_runs_ahead_and_hardly_behind(void **state)
{
	(void)state;
	for (size_t i = 0; i < RATES; i++) {
		struct clock_scale s = {.tsc_base = 123456789, .ns_base = 1000};

		assert_true(scale_set_hz(&s, rates[i]));
		for (uint64_t sec = 1; sec <= 86400; sec = sec * 3 + 1) {
			uint64_t exact = 1000 + sec * NS_PER_SEC;
			uint64_t ns = scale_ns(&s, s.tsc_base + sec * rates[i]);

			assert_true(ns <= exact);
			assert_true(exact - ns <= sec / 2 + 3);
		}
	}
}

static void clock_is_monotonic_tick_by_tick(void **state)
{
	(void)state;
	for (size_t i = 0; i < RATES; i++) {
		struct clock_scale s = {.tsc_base = 5};
		uint64_t last = 0;

		assert_true(scale_set_hz(&s, rates[i]));
		for (uint64_t tsc = 0; tsc < 5000; tsc++) {
			uint64_t ns = scale_ns(&s, tsc);

			assert_true(ns >= last);
			last = ns;
		}
	}
}

static void before_its_base_the_clock_stands_still(void **state)
{
	struct clock_scale s = {.tsc_base = 1000000, .ns_base = 77};

	(void)state;
	assert_true(scale_set_hz(&s, 2000000000));
	assert_int_equal(scale_ns(&s, 999999), 77);
	assert_int_equal(scale_ns(&s, 0), 77);
	assert_int_equal(scale_ns(&s, 1000000), 77);
}

static void absurd_frequencies_are_refused(void **state)
{
	struct clock_scale s = {0};

	(void)state;
	assert_false(scale_set_hz(&s, 0));
	assert_false(scale_set_hz(&s, 999999));
	assert_false(scale_set_hz(&s, 65000000000ull));
	assert_false(scale_set_hz(&s, UINT64_MAX));
	assert_false(scale_set_page(&s, 0));
	assert_false(scale_set_page(&s, 1000000));
}

static void page_and_frequency_give_the_same_clock(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGE_RATES; i++) {
		struct clock_scale a = {0}, b = {0};
		uint64_t hour = page_rates[i] * 3600;

		assert_true(scale_set_hz(&a, page_rates[i]));
		assert_true(scale_set_page(&b, page_scale_of(page_rates[i])));
		assert_true(llabs((int64_t)(scale_ns(&a, hour) - scale_ns(&b, hour))) < 1800);
	}
}

/* A new base, taken from the page at any time, must not be behind what the affine clock said. */
static void a_new_base_never_steps_back(void **state)
{
	(void)state;
	srand(1);
	for (size_t i = 0; i < PAGE_RATES; i++) {
		uint64_t page = page_scale_of(page_rates[i]);
		int64_t offset = -(int64_t)(rand() % 100000);
		struct clock_scale s = {.tsc_base = page_rates[i] * 60};

		assert_true(scale_set_page(&s, page));
		s.ns_base = page_ns(page, offset, s.tsc_base);
		for (unsigned n = 0; n < 1000; n++) {
			uint64_t tsc = s.tsc_base + (uint64_t)rand() * 1000;

			assert_true(page_ns(page, offset, tsc) >= scale_ns(&s, tsc));
		}
	}
}

static void page_formula_is_the_specification_s(void **state)
{
	(void)state;
	/* 2 GHz: 200 ticks are one unit. Rounding down loses one unit at most. */
	assert_int_equal(page_ref(1ull << 63, 0, 10), 5);
	assert_int_equal(page_ref(1ull << 63, -5, 10), 0);
	assert_int_equal(page_ref(1ull << 63, 1000, 11), 1005);
	assert_int_equal(page_ns(1ull << 63, 1000, 11), 100550);
	assert_int_equal(page_ns(1ull << 63, -5, 11), 50);
}

static void page_gives_its_frequency(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGE_RATES; i++)
		assert_in_range(page_hz(page_scale_of(page_rates[i])), page_rates[i],
				page_rates[i] + 1);
	assert_int_equal(page_hz(0), 0);
	assert_int_equal(page_hz(10000000), 0);
}

static void ticks_are_never_too_few(void **state)
{
	const uint64_t waits[] = {0, 1, 99, 100, 12345, 1000000, 999999999, 1000000000000ull};

	(void)state;
	for (size_t i = 0; i < RATES; i++)
		for (size_t w = 0; w < sizeof(waits) / sizeof(waits[0]); w++) {
			u128 exact = ((u128)waits[w] * rates[i] + NS_PER_SEC - 1) / NS_PER_SEC;
			uint64_t ticks = ns_to_ticks(waits[w], rates[i]);

			assert_true(ticks >= exact && ticks <= exact + 2);
		}
	assert_true(ns_to_ticks(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
}

static void a_measurement_gives_the_frequency(void **state)
{
	(void)state;
	assert_in_range(hz_from(40000000, 20000000), 1999999999, 2000000000);
	assert_int_equal(hz_from(1, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mul_uses_all_its_bits),
	    cmocka_unit_test(clock_never_runs_ahead_and_hardly_behind),
	    cmocka_unit_test(clock_is_monotonic_tick_by_tick),
	    cmocka_unit_test(before_its_base_the_clock_stands_still),
	    cmocka_unit_test(absurd_frequencies_are_refused),
	    cmocka_unit_test(page_and_frequency_give_the_same_clock),
	    cmocka_unit_test(a_new_base_never_steps_back),
	    cmocka_unit_test(page_formula_is_the_specification_s),
	    cmocka_unit_test(page_gives_its_frequency),
	    cmocka_unit_test(ticks_are_never_too_few),
	    cmocka_unit_test(a_measurement_gives_the_frequency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
