/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/arena.h"

static _Alignas(16) char region[64 * 1024];

static void blocks_are_aligned_and_apart(void **state)
{
	struct arena arena;
	char *blocks[100];

	(void)state;
	arena_init(&arena, region, sizeof(region));
	for (unsigned i = 0; i < 100; i++) {
		blocks[i] = arena_alloc(&arena, i);
		assert_non_null(blocks[i]);
		assert_int_equal((uintptr_t)blocks[i] % 16, 0);
		memset(blocks[i], i, i);
	}
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned j = 0; j < i; j++)
			assert_int_equal(blocks[i][j], i);
		arena_free(&arena, blocks[i]);
	}
	assert_int_equal(arena.used, 0);
}

static void what_is_freed_merges_again(void **state)
{
	struct arena arena;
	void *blocks[64];

	(void)state;
	arena_init(&arena, region, sizeof(region));
	for (unsigned i = 0; i < 64; i++)
		blocks[i] = arena_alloc(&arena, 1000);
	assert_null(arena_alloc(&arena, 1000));
	for (unsigned i = 0; i < 64; i += 2)
		arena_free(&arena, blocks[i]);
	assert_null(arena_alloc(&arena, 1020));
	for (unsigned i = 1; i < 64; i += 2)
		arena_free(&arena, blocks[i]);
	assert_non_null(arena_alloc(&arena, sizeof(region) - 16));
	assert_null(arena_alloc(&arena, 0));
}

static void impossible_sizes_are_refused(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, region, 31);
	assert_null(arena_alloc(&arena, 0));
	arena_init(&arena, region, sizeof(region));
	assert_null(arena_alloc(&arena, sizeof(region)));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX / 2));
	arena_free(&arena, NULL);
}

static void random_use_keeps_contents(void **state)
{
	struct arena arena;
	unsigned char *blocks[200] = {0};
	size_t sizes[200] = {0};

	(void)state;
	srand(1);
	arena_init(&arena, region, sizeof(region));
	for (unsigned n = 0; n < 20000; n++) {
		unsigned i = rand() % 200;

		for (size_t j = 0; blocks[i] && j < sizes[i]; j++)
			assert_int_equal(blocks[i][j], i);
		arena_free(&arena, blocks[i]);
		sizes[i] = rand() % 900;
		blocks[i] = arena_alloc(&arena, sizes[i]);
		if (blocks[i])
			memset(blocks[i], i, sizes[i]);
	}
	for (unsigned i = 0; i < 200; i++)
		arena_free(&arena, blocks[i]);
	assert_int_equal(arena.used, 0);
	assert_non_null(arena_alloc(&arena, sizeof(region) - 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocks_are_aligned_and_apart),
	    cmocka_unit_test(what_is_freed_merges_again),
	    cmocka_unit_test(impossible_sizes_are_refused),
	    cmocka_unit_test(random_use_keeps_contents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
