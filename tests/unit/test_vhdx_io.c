/* SPDX-License-Identifier: MIT */
/* What was written is read back, through every geometry, live and after reopening. */
#include <errno.h>

#include "tests/unit/test_vhdx_tool.h"

static const struct tool_geometry geometries[] = {
    {XD_TYPE_DYNAMIC, 24 * MIB + 512, 1 << 20, 512},
    {XD_TYPE_DYNAMIC, 24 * MIB, 2 << 20, 4096},
    {XD_TYPE_DYNAMIC, 30 * MIB + 7 * 512, 32 << 20, 512},
    {XD_TYPE_DYNAMIC, 5 * MIB, 256 << 20, 512},
    {XD_TYPE_FIXED, 9 * MIB + 512, 4 << 20, 512},
    {XD_TYPE_FIXED, 9 * MIB + 4096, 1 << 20, 4096},
};

static void disk_reads_as_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(geometries) / sizeof(geometries[0]); i++) {
		const struct tool_geometry *g = &geometries[i];
		struct tool_store store;
		struct tool_model model;
		struct xd_image *image;

		tool_store_init(&store);
		tool_create(&store, g, NULL);
		tool_model_init(&model, g->size, g->sector, i + 1);
		for (int round = 0; round < 3; round++) {
			image = tool_open(&store, NULL, XD_OPEN_WRITE);
			for (int step = 0; step < 60; step++)
				tool_model_step(&model, image);
			tool_model_verify(&model, image);
			tool_close(image);
			tool_assert_clean(&store, NULL);
			image = tool_open(&store, NULL, 0);
			tool_model_verify(&model, image);
			tool_close(image);
		}
		tool_model_free(&model);
		tool_store_free(&store);
	}
}

static void child_shows_its_parent_where_it_holds_nothing(void **state)
{
	static const struct tool_geometry parents[] = {
	    {XD_TYPE_DYNAMIC, 20 * MIB + 512, 1 << 20, 512},
	    {XD_TYPE_DYNAMIC, 20 * MIB + 4096, 4 << 20, 4096},
	};
	static const uint32_t blocks[] = {1 << 20, 2 << 20, 64 << 20};

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct tool_geometry g = parents[i % 2];
		struct tool_store base, child;
		struct tool_model model;
		struct xd_image *image, *parent;

		tool_store_init(&base);
		tool_create(&base, &g, NULL);
		tool_model_init(&model, g.size, g.sector, 100 + i);
		image = tool_open(&base, NULL, XD_OPEN_WRITE);
		for (int step = 0; step < 60; step++)
			tool_model_step(&model, image);
		tool_close(image);

		parent = tool_open(&base, NULL, 0);
		g.type = XD_TYPE_DIFF;
		g.block = blocks[i / 2];
		tool_store_init(&child);
		tool_create(&child, &g, parent);
		tool_close(parent);
		for (int round = 0; round < 3; round++) {
			image = tool_open(&child, &base, XD_OPEN_WRITE);
			tool_model_verify(&model, image);
			for (int step = 0; step < 40; step++)
				tool_model_step(&model, image);
			tool_model_verify(&model, image);
			tool_close(image);
			tool_assert_clean(&child, &base);
		}
		image = tool_open(&child, &base, 0);
		tool_model_verify(&model, image);
		tool_close(image);
		tool_model_free(&model);
		tool_store_free(&child);
		tool_store_free(&base);
	}
}

static void a_disk_of_64_tib_takes_little_memory_and_space(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, VHDX_MAX_DISK, 32 << 20, 512};
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	struct xd_run run;
	char out[512] = "the end", in[512];
	size_t count = 1;

	(void)state;
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	OK(xd_write(image, out, sizeof(out), g.size - sizeof(out), &err));
	OK(xd_flush(image, &err));
	OK(xd_read(image, in, sizeof(in), g.size - sizeof(in), &err));
	assert_memory_equal(in, out, sizeof(in));
	OK(xd_map(image, 0, g.size, 0, &run, &count, &err));
	assert_int_equal(run.kind, XD_KIND_HOLE);
	tool_close(image);
	tool_assert_clean(&store, NULL);
	assert_true(store.io.ops->size(store.io.ctx) < (int64_t)(60 * MIB));
	tool_store_free(&store);
}

static void half_a_sector_of_4096_is_refused(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 4 * MIB, 1 << 20, 4096};
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	char buf[512] = {0};

	(void)state;
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	assert_int_equal(xd_write(image, buf, sizeof(buf), 512, &err), XD_E_RANGE);
	OK(xd_read(image, buf, sizeof(buf), 512, &err));
	tool_close(image);
	tool_store_free(&store);
}

static void looking_changes_no_byte(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 4 * MIB, 1 << 20, 512};
	struct tool_store store, before;
	struct xd_image *image;
	uint8_t *a, *b;
	uint64_t size;

	(void)state;
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	tool_store_copy(&before, &store);
	image = tool_open(&store, NULL, 0);
	tool_close(image);
	image = tool_open(&store, NULL, XD_OPEN_WRITE); /* and neither does a handle that could */
	tool_close(image);
	size = store.io.ops->size(store.io.ctx);
	assert_int_equal(size, before.io.ops->size(before.io.ctx));
	a = malloc(size);
	b = malloc(size);
	tool_peek(&store, a, size, 0);
	tool_peek(&before, b, size, 0);
	assert_memory_equal(a, b, size);
	free(a);
	free(b);
	tool_store_free(&store);
	tool_store_free(&before);
}

static void writing_renews_both_guids_once_an_open(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 4 * MIB, 1 << 20, 512};
	struct vhdx_header before[2], after[2];
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	char buf[512] = "x";

	(void)state;
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	tool_peek(&store, &before[0], sizeof(before[0]), VHDX_HEADER_OFFSET_1);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	OK(xd_write(image, buf, sizeof(buf), 0, &err));
	tool_peek(&store, &before[1], sizeof(before[1]), VHDX_HEADER_OFFSET_1);
	assert_memory_not_equal(&before[0].file_write_guid, &before[1].file_write_guid, 16);
	assert_memory_not_equal(&before[0].data_write_guid, &before[1].data_write_guid, 16);
	OK(xd_write(image, buf, sizeof(buf), 2 * MIB, &err));
	tool_close(image);
	tool_peek(&store, &after[0], sizeof(after[0]), VHDX_HEADER_OFFSET_1);
	tool_peek(&store, &after[1], sizeof(after[1]), VHDX_HEADER_OFFSET_2);
	assert_memory_equal(&after[0].data_write_guid, &before[1].data_write_guid, 16);
	assert_memory_equal(&after[0].file_write_guid, &after[1].file_write_guid, 16);
	assert_memory_equal(&after[0].log_guid, &after[1].log_guid, 16);
	assert_memory_equal(&after[0].log_guid, ((uint8_t[16]){0}), 16);
	tool_store_free(&store);
}

static void discarded_space_is_used_again(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 64 * MIB, 1 << 20, 512};
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t *buf = malloc(8 * MIB);
	int64_t size;

	(void)state;
	memset(buf, 0x77, 8 * MIB);
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	OK(xd_write(image, buf, 8 * MIB, 0, &err));
	OK(xd_flush(image, &err));
	size = store.io.ops->size(store.io.ctx);
	for (int round = 1; round < 6; round++) {
		OK(xd_discard(image, (round - 1) * 8 * MIB, 8 * MIB, &err));
		OK(xd_flush(image, &err));
		OK(xd_write(image, buf, 4096, round * 8 * MIB, &err));
		OK(xd_read(image, buf + MIB, MIB, round * 8 * MIB, &err));
		assert_int_equal(buf[MIB + 4095], 0x77);
		assert_int_equal(buf[MIB + 4096], 0); /* not what was there before */
		memset(buf, 0x77, 8 * MIB);
		OK(xd_write(image, buf, 8 * MIB, round * 8 * MIB, &err));
	}
	assert_int_equal(store.io.ops->size(store.io.ctx), size);
	tool_close(image);
	tool_assert_clean(&store, NULL);
	tool_store_free(&store);
	free(buf);
}

/* --- stores that fail ----------------------------------------------------------------------------------------------------- */

static struct {
	struct xd_io_ops under;
	int flushes_left, growth_left;
} faulty;

static int failing_flush(void *ctx)
{
	return faulty.flushes_left-- > 0 ? faulty.under.flush(ctx) : -EIO;
}

static int failing_truncate(void *ctx, uint64_t size)
{
	return faulty.growth_left-- > 0 ? faulty.under.truncate(ctx, size) : -ENOSPC;
}

static void make_faulty(struct tool_store *store, int flushes, int growth)
{
	faulty.under = store->ops;
	faulty.flushes_left = flushes;
	faulty.growth_left = growth;
	store->ops.flush = failing_flush;
	store->ops.truncate = failing_truncate;
}

/* After a failed flush nobody knows what is durable: nothing more is written, and what was flushed before stays. */
static void a_failed_flush_ends_writing_and_costs_nothing_older(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 16 * MIB, 1 << 20, 512};

	(void)state;
	for (int flushes = 4; flushes < 14; flushes++) {
		struct tool_store store;
		struct xd_image *image;
		struct xd_error err;
		uint8_t buf[512], back[512];
		uint64_t block = 0, durable;

		tool_store_init(&store);
		tool_create(&store, &g, NULL);
		image = tool_open(&store, NULL, XD_OPEN_WRITE);
		make_faulty(&store, flushes, 100);
		for (durable = 0; block < 12; block++) {
			memset(buf, block + 1, sizeof(buf));
			OK(xd_write(image, buf, sizeof(buf), block * MIB, &err));
			if (xd_flush(image, &err))
				break;
			durable = block + 1;
		}
		assert_int_equal(err.code, XD_E_IO);
		assert_int_equal(err.sys, EIO);
		faulty.flushes_left = 1000;
		assert_int_equal(xd_flush(image, &err), XD_E_IO);
		assert_int_equal(xd_write(image, buf, sizeof(buf), 15 * MIB, &err), XD_E_IO);
		assert_int_equal(xd_close(image, &err), XD_E_IO);
		image = tool_open(&store, NULL, XD_OPEN_WRITE);
		for (uint64_t i = 0; i < durable; i++) {
			OK(xd_read(image, back, sizeof(back), i * MIB, &err));
			assert_int_equal(back[5], i + 1);
		}
		tool_close(image);
		tool_assert_clean(&store, NULL);
		tool_store_free(&store);
	}
}

static void a_full_host_fails_the_write_and_the_next_may_work(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 16 * MIB, 1 << 20, 512};
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t buf[512] = {7}, back[512];

	(void)state;
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	make_faulty(&store, 1000, 2);
	OK(xd_write(image, buf, sizeof(buf), 0, &err));
	OK(xd_write(image, buf, sizeof(buf), MIB, &err));
	assert_int_equal(xd_write(image, buf, sizeof(buf), 2 * MIB, &err), XD_E_IO);
	assert_int_equal(err.sys, ENOSPC);
	OK(xd_read(image, back, sizeof(back), 2 * MIB, &err));
	assert_int_equal(back[0], 0);
	OK(xd_flush(image, &err));
	faulty.growth_left = 100;
	OK(xd_write(image, buf, sizeof(buf), 2 * MIB, &err));
	OK(xd_read(image, back, sizeof(back), 2 * MIB, &err));
	assert_int_equal(back[0], 7);
	tool_close(image);
	tool_assert_clean(&store, NULL);
	tool_store_free(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(disk_reads_as_written),
	    cmocka_unit_test(child_shows_its_parent_where_it_holds_nothing),
	    cmocka_unit_test(a_disk_of_64_tib_takes_little_memory_and_space),
	    cmocka_unit_test(half_a_sector_of_4096_is_refused),
	    cmocka_unit_test(looking_changes_no_byte),
	    cmocka_unit_test(writing_renews_both_guids_once_an_open),
	    cmocka_unit_test(discarded_space_is_used_again),
	    cmocka_unit_test(a_failed_flush_ends_writing_and_costs_nothing_older),
	    cmocka_unit_test(a_full_host_fails_the_write_and_the_next_may_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
