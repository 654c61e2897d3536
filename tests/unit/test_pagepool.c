/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/pagepool.h"

#define PAGES 100

static struct pagepool pool;
static uint8_t *region;

static int set_up(void **state)
{
	(void)state;
	region = aligned_alloc(PAGEPOOL_PAGE, PAGES * PAGEPOOL_PAGE);
	memset(region, 0xa5, PAGES * PAGEPOOL_PAGE);
	pagepool_init(&pool, region, PAGES);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(region);
	return 0;
}

static void runs_are_zeroed_and_apart(void **state)
{
	uint8_t *a = pagepool_take(&pool, 3), *b = pagepool_take(&pool, 1);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_true(b >= a + 3 * PAGEPOOL_PAGE || a >= b + PAGEPOOL_PAGE);
	assert_int_equal((uintptr_t)a % PAGEPOOL_PAGE, 0);
	for (size_t i = 0; i < 3 * PAGEPOOL_PAGE; i++)
		assert_int_equal(a[i], 0);
}

static void what_is_given_back_is_had_again(void **state)
{
	void *all = pagepool_take(&pool, PAGES - 1);

	(void)state;
	assert_non_null(all); /* one page is the bitmap's */
	assert_null(pagepool_take(&pool, 1));
	pagepool_give(&pool, all, PAGES - 1);
	assert_int_equal(pool.free, PAGES - 1);
	assert_ptr_equal(pagepool_take(&pool, PAGES - 1), all);
}

static void a_hole_is_used_by_what_fits_only(void **state)
{
	void *a = pagepool_take(&pool, 2), *b = pagepool_take(&pool, 2);

	(void)state;
	pagepool_give(&pool, a, 2);
	assert_true((uint8_t *)pagepool_take(&pool, 3) > (uint8_t *)b);
	assert_ptr_equal(pagepool_take(&pool, 2), a);
	assert_null(pagepool_take(&pool, PAGES));
}

static void a_dirty_run_comes_back_clean(void **state)
{
	uint8_t *a = pagepool_take(&pool, 1);

	(void)state;
	memset(a, 0xff, PAGEPOOL_PAGE);
	pagepool_give(&pool, a, 1);
	pagepool_give(&pool, NULL, 1);
	assert_ptr_equal(pagepool_take(&pool, 1), a);
	assert_int_equal(a[0] | a[PAGEPOOL_PAGE - 1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(runs_are_zeroed_and_apart, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_is_given_back_is_had_again, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_hole_is_used_by_what_fits_only, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_dirty_run_comes_back_clean, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
