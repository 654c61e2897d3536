/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/e820.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KIB      1024ull
#define MIB      (1024 * KIB)
#define GIB      (1024 * MIB)

static struct e820_map map;

static void assert_map(const struct e820_range *want, unsigned int count)
{
	assert_int_equal(map.count, count);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(map.range[i].start, want[i].start);
		assert_int_equal(map.range[i].size, want[i].size);
		assert_int_equal(map.range[i].type, want[i].type);
	}
}

/* Normalises the ranges and compares with what is wanted. */
#define NORMALISES(in, ...)                                       \
	do {                                                      \
		const struct e820_range want[] = {__VA_ARGS__};   \
		assert_true(e820_normalise(&map, in, COUNT(in))); \
		assert_map(want, COUNT(want));                    \
	} while (0)

/* As QEMU's q35 reports 4 GiB. */
static const struct e820_range q35[] = {
    {0, 0x9fc00, 1},
    {0x9fc00, 0x400, 2},
    {0xf0000, 0x10000, 2},
    {0x100000, 0x7fee0000, 1},
    {0x7ffe0000, 0x20000, 2},
    {0xb0000000, 0x10000000, 2},
    {0xfed1c000, 0x4000, 2},
    {0xfffc0000, 0x40000, 2},
    {0x100000000, 0x80000000, 1},
    {0xfd00000000, 0x300000000, 2},
};

static void a_real_map_comes_out_page_aligned(void **state)
{
	(void)state;
	NORMALISES(q35, {0, 0x9f000, 1}, {0x9f000, 0x1000, 2}, {0xf0000, 0x10000, 2},
		   {0x100000, 0x7fee0000, 1}, {0x7ffe0000, 0x20000, 2}, {0xb0000000, 0x10000000, 2},
		   {0xfed1c000, 0x4000, 2}, {0xfffc0000, 0x40000, 2}, {0x100000000, 0x80000000, 1},
		   {0xfd00000000, 0x300000000, 2});
	assert_int_equal(e820_usable(&map), 0x9f000 + 0x7fee0000 + 0x80000000);
}

static void order_does_not_matter_and_touching_ranges_merge(void **state)
{
	const struct e820_range in[] = {
	    {3 * MIB, MIB, 1}, {MIB, MIB, 1}, {2 * MIB, MIB, 1}, {0, MIB, 2}, {8 * MIB, 0, 1}};

	(void)state;
	NORMALISES(in, {0, MIB, 2}, {MIB, 3 * MIB, 1});
}

static void the_less_usable_type_wins_overlaps(void **state)
{
	const struct e820_range in[] = {{0, 10 * MIB, 1},      {MIB, 4 * MIB, 3},
					{2 * MIB, 2 * MIB, 4}, {3 * MIB, 6 * MIB, 2},
					{4 * MIB, MIB, 5},     {5 * MIB, MIB, 77}};

	(void)state;
	/* Type 77 is as bad as reserved; the first of the two is kept. */
	NORMALISES(in, {0, MIB, 1}, {MIB, MIB, 3}, {2 * MIB, MIB, 4}, {3 * MIB, MIB, 2},
		   {4 * MIB, MIB, 5}, {5 * MIB, 4 * MIB, 2}, {9 * MIB, MIB, 1});
}

static void a_range_of_type_0_is_reserved(void **state)
{
	const struct e820_range in[] = {{0, 4 * MIB, 1}, {MIB, MIB, 0}};

	(void)state;
	NORMALISES(in, {0, MIB, 1}, {MIB, MIB, 2}, {2 * MIB, 2 * MIB, 1});
}

static void usable_shrinks_and_the_rest_grows_to_pages(void **state)
{
	const struct e820_range in[] = {
	    {1, 0x2fff, 1}, {0x3001, 0xffe, 1}, {0x6001, 1, 2}, {0x5000, 0x3000, 1}};

	(void)state;
	NORMALISES(in, {0x1000, 0x2000, 1}, {0x5000, 0x1000, 1}, {0x6000, 0x1000, 2},
		   {0x7000, 0x1000, 1});
}

static void ranges_that_wrap_around_are_cut(void **state)
{
	const struct e820_range in[] = {{4 * GIB, UINT64_MAX, 1}, {UINT64_MAX - 5, 100, 2}};

	(void)state;
	NORMALISES(in, {4 * GIB, E820_ADDRESS_END - 4 * GIB, 1});
}

static void the_largest_input_fits_and_a_larger_one_is_refused(void **state)
{
	struct e820_range in[E820_INPUT_MAX + 1];

	(void)state;
	/* One usable range with holes makes the most pieces. */
	in[0] = (struct e820_range){0, GIB, 1};
	for (unsigned int i = 1; i <= E820_INPUT_MAX; i++) {
		in[i] = (struct e820_range){i * MIB, E820_PAGE, 2};
	}
	assert_false(e820_normalise(&map, in, E820_INPUT_MAX + 1));
	assert_true(e820_normalise(&map, in, E820_INPUT_MAX));
	assert_int_equal(map.count, 2 * E820_INPUT_MAX - 1);
	assert_true(e820_normalise(&map, in, 0));
	assert_int_equal(map.count, 0);
}

static void reserving_splits_usable_ranges_only(void **state)
{
	const struct e820_range in[] = {{0, 4 * MIB, 1}, {4 * MIB, MIB, 3}, {5 * MIB, MIB, 1}};
	const struct e820_range want[] = {{0, MIB, 1},
					  {MIB, 0x2000, 2},
					  {MIB + 0x2000, 2 * MIB - 0x2000, 1},
					  {3 * MIB, MIB, 2},
					  {4 * MIB, MIB, 3},
					  {5 * MIB, 0x1000, 2},
					  {5 * MIB + 0x1000, MIB - 0x1000, 1}};

	(void)state;
	assert_true(e820_normalise(&map, in, COUNT(in)));
	assert_true(e820_reserve(&map, MIB + 1, 0x1000, E820_RESERVED));
	assert_true(e820_reserve(&map, 3 * MIB, 2 * MIB + 1, E820_RESERVED));
	assert_true(e820_reserve(&map, 5 * MIB, 0, E820_RESERVED));
	assert_true(e820_reserve(&map, GIB, GIB, E820_RESERVED));
	assert_map(want, COUNT(want));
}

static void reserving_in_a_full_map_changes_nothing(void **state)
{
	struct e820_map before;

	(void)state;
	map.count = E820_MAX;
	for (unsigned int i = 0; i < E820_MAX; i++) {
		map.range[i] = (struct e820_range){i * MIB, 16 * E820_PAGE, 1};
	}
	before = map;
	assert_false(e820_reserve(&map, E820_PAGE, E820_PAGE, E820_RESERVED));
	assert_memory_equal(&map, &before, sizeof(map));
	assert_true(e820_reserve(&map, 0, 16 * E820_PAGE, E820_RESERVED));
}

static void a_limit_takes_the_highest_memory_away(void **state)
{
	const struct e820_range want[] = {
	    {0, 0x9f000, 1},         {0x9f000, 0x1000, 2},     {0xf0000, 0x10000, 2},
	    {0x100000, 0x161000, 1}, {0x7ffe0000, 0x20000, 2}, {0xb0000000, 0x10000000, 2},
	    {0xfed1c000, 0x4000, 2}, {0xfffc0000, 0x40000, 2}, {0xfd00000000, 0x300000000, 2}};

	(void)state;
	assert_true(e820_normalise(&map, q35, COUNT(q35)));
	e820_limit(&map, 64 * GIB);
	assert_int_equal(map.count, COUNT(q35));
	e820_limit(&map, 2 * MIB);
	assert_map(want, COUNT(want));
	assert_int_equal(e820_usable(&map), 2 * MIB);
}

static void a_found_span_is_the_highest_that_fits(void **state)
{
	(void)state;
	assert_true(e820_normalise(&map, q35, COUNT(q35)));
	assert_int_equal(e820_find(&map, 0x1000, UINT64_MAX), 6 * GIB - 0x1000);
	assert_int_equal(e820_find(&map, 1, UINT64_MAX), 6 * GIB - 0x1000);
	assert_int_equal(e820_find(&map, 2 * GIB, UINT64_MAX), 4 * GIB);
	assert_int_equal(e820_find(&map, 0x1000, 4 * GIB), 0x7ffdf000);
	assert_int_equal(e820_find(&map, 0x7fee0000, 4 * GIB), 0x100000);
	assert_int_equal(e820_find(&map, 0x7fee0001, 4 * GIB), UINT64_MAX);
	assert_int_equal(e820_find(&map, 0x9f000, 0x100000), 0);
	assert_int_equal(e820_find(&map, 0x1000, 0x2fff), 0x1000);
	assert_int_equal(e820_find(&map, 0x1000, 0), UINT64_MAX);
	assert_int_equal(e820_find(&map, UINT64_MAX, UINT64_MAX), UINT64_MAX);
}

static void the_largest_span_stays_below_the_bound(void **state)
{
	struct e820_range largest;

	(void)state;
	assert_true(e820_normalise(&map, q35, COUNT(q35)));
	largest = e820_largest(&map, UINT64_MAX);
	assert_int_equal(largest.start, 4 * GIB);
	assert_int_equal(largest.size, 2 * GIB);
	largest = e820_largest(&map, 4 * GIB);
	assert_int_equal(largest.start, 0x100000);
	assert_int_equal(largest.size, 0x7fee0000);
	largest = e820_largest(&map, 0x180fff);
	assert_int_equal(largest.start, 0);
	assert_int_equal(largest.size, 0x9f000);
	assert_int_equal(e820_largest(&map, 0).size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_real_map_comes_out_page_aligned),
	    cmocka_unit_test(order_does_not_matter_and_touching_ranges_merge),
	    cmocka_unit_test(the_less_usable_type_wins_overlaps),
	    cmocka_unit_test(a_range_of_type_0_is_reserved),
	    cmocka_unit_test(usable_shrinks_and_the_rest_grows_to_pages),
	    cmocka_unit_test(ranges_that_wrap_around_are_cut),
	    cmocka_unit_test(the_largest_input_fits_and_a_larger_one_is_refused),
	    cmocka_unit_test(reserving_splits_usable_ranges_only),
	    cmocka_unit_test(reserving_in_a_full_map_changes_nothing),
	    cmocka_unit_test(a_limit_takes_the_highest_memory_away),
	    cmocka_unit_test(a_found_span_is_the_highest_that_fits),
	    cmocka_unit_test(the_largest_span_stays_below_the_bound),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
