/* SPDX-License-Identifier: MIT */
/* Resizing, compacting, chains on files. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/disk_folder.h"
#include "tests/unit/test_vhdx_tool.h"

static void remodel(struct tool_model *model, uint64_t size)
{
	model->bytes = realloc(model->bytes, size);
	assert_non_null(model->bytes);
	if (size > model->size)
		memset(model->bytes + model->size, 0, size - model->size);
	model->size = size;
}

static void sizes_go_up_and_down_and_old_data_stays_gone(void **state)
{
	static const uint64_t sizes[] = {9 * MIB + 4096,  9 * MIB,         3 * MIB + 8192, 30 * MIB,
					 14 * MIB,        14 * MIB + 4096, MIB / 2,        26 * MIB,
					 26 * MIB + 4096, 4 * MIB};
	static const struct tool_geometry geometries[] = {
	    {XD_TYPE_DYNAMIC, 8 * MIB, 1 << 20, 512},
	    {XD_TYPE_DYNAMIC, 8 * MIB, 4 << 20, 4096},
	    {XD_TYPE_FIXED, 8 * MIB, 2 << 20, 512},
	};

	(void)state;
	for (int g = 0; g < 3; g++) {
		struct tool_store store;
		struct tool_model model;
		struct xd_image *image;
		struct xd_error err;

		tool_store_init(&store);
		tool_create(&store, &geometries[g], NULL);
		tool_model_init(&model, geometries[g].size, 4096, 7 + g);
		image = tool_open(&store, NULL, XD_OPEN_WRITE);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			for (int step = 0; step < 25; step++)
				tool_model_step(&model, image);
			OK(xd_resize(image, sizes[i], XD_RESIZE_SHRINK, &err));
			remodel(&model, sizes[i]);
			tool_model_verify(&model, image);
			if (i % 3 == 2) {
				tool_close(image);
				tool_assert_clean(&store, NULL);
				image = tool_open(&store, NULL, XD_OPEN_WRITE);
				assert_int_equal(xd_get_size(image), sizes[i]);
				tool_model_verify(&model, image);
			}
		}
		tool_close(image);
		tool_model_free(&model);
		tool_store_free(&store);
	}
}

static void a_child_that_shrank_and_grew_shows_zeros_not_its_parent(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 12 * MIB, 1 << 20, 512};
	struct tool_store base, child;
	struct tool_model model;
	struct xd_image *image, *parent;
	struct xd_error err;

	(void)state;
	tool_store_init(&base);
	tool_store_init(&child);
	tool_create(&base, &g, NULL);
	tool_model_init(&model, g.size, 512, 5);
	image = tool_open(&base, NULL, XD_OPEN_WRITE);
	for (int step = 0; step < 60; step++)
		tool_model_step(&model, image);
	tool_close(image);
	parent = tool_open(&base, NULL, 0);
	g.type = XD_TYPE_DIFF;
	tool_create(&child, &g, parent);
	tool_close(parent);
	image = tool_open(&child, &base, XD_OPEN_WRITE);
	for (int round = 0; round < 4; round++) {
		uint64_t low = (2 + round) * MIB + 512 * round, high = (14 - round) * MIB + 512;

		for (int step = 0; step < 20; step++)
			tool_model_step(&model, image);
		OK(xd_resize(image, low, XD_RESIZE_SHRINK, &err));
		remodel(&model, low);
		tool_model_verify(&model, image);
		OK(xd_resize(image, high, 0, &err));
		remodel(&model, high);
		tool_model_verify(&model, image);
	}
	tool_close(image);
	tool_assert_clean(&child, &base);
	tool_model_free(&model);
	tool_store_free(&child);
	tool_store_free(&base);
}

/* Far more blocks than one log entry has room for, in a table with a bitmap's entry now and then. */
static void a_child_grows_far_under_a_parent_of_which_it_shows_no_more(void **state)
{
	static const uint32_t blocks[] = {1 << 20, 32 << 20, 256 << 20};
	const uint64_t from = 300 * MIB + 512, to = (3ull << 40) + 512;

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct tool_geometry g = {XD_TYPE_DYNAMIC, from, blocks[i], 512};
		struct tool_store base, child;
		struct xd_image *image;
		struct xd_error err;

		tool_store_init(&base);
		tool_store_init(&child);
		tool_create(&base, &g, NULL);
		image = tool_open(&base, NULL, XD_OPEN_WRITE);
		OK(xd_resize(image, to, 0, &err));
		tool_close(image);
		image = tool_open(&base, NULL, 0);
		g.type = XD_TYPE_DIFF;
		tool_create(&child, &g, image);
		tool_close(image);
		image = tool_open(&child, NULL, XD_OPEN_WRITE | XD_OPEN_NO_PARENTS);
		assert_int_equal(xd_resize(image, to, 0, &err), XD_E_PARENT);
		assert_int_equal(xd_get_size(image), from);
		tool_close(image);
		image = tool_open(&child, &base, XD_OPEN_WRITE);
		OK(xd_resize(image, to, 0, &err));
		for (uint64_t at = from; at < to;) {
			struct xd_run run;
			size_t count = 1;

			OK(xd_map(image, at, to - at, XD_MAP_SHALLOW | XD_MAP_HOLES, &run, &count,
				  &err));
			assert_int_equal(run.kind, XD_KIND_ZERO);
			at += run.length;
		}
		tool_close(image);
		tool_assert_clean(&child, &base);
		tool_store_free(&child);
		tool_store_free(&base);
	}
}

static void a_bat_that_outgrows_its_region_moves(void **state)
{
	/* 1 MiB of BAT is 131072 entries: with blocks of 1 MiB a little less than 128 GiB. */
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 64 * MIB, 1 << 20, 512};
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	char out[512] = "here", in[512];

	(void)state;
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	OK(xd_write(image, out, sizeof(out), 5 * MIB, &err));
	OK(xd_resize(image, 1ull << 40, 0, &err));
	OK(xd_write(image, out, sizeof(out), (1ull << 40) - 512, &err));
	tool_close(image);
	tool_assert_clean(&store, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	OK(xd_read(image, in, sizeof(in), 5 * MIB, &err));
	assert_string_equal(in, out);
	OK(xd_read(image, in, sizeof(in), (1ull << 40) - 512, &err));
	assert_string_equal(in, out);
	for (uint64_t i = 0; i < 40; i++) /* some of it goes where the BAT was */
		OK(xd_write(image, out, sizeof(out), i << 32, &err));
	tool_close(image);
	tool_assert_clean(&store, NULL);
	tool_store_free(&store);
}

static void compacting_keeps_the_content_and_the_identity(void **state)
{
	static const struct tool_geometry geometries[] = {
	    {XD_TYPE_DYNAMIC, 24 * MIB, 1 << 20, 512},
	    {XD_TYPE_DYNAMIC, 24 * MIB, 4 << 20, 4096},
	    {XD_TYPE_DIFF, 24 * MIB, 1 << 20, 512},
	};

	(void)state;
	for (int g = 0; g < 3; g++) {
		struct tool_geometry parent_g = geometries[g];
		struct tool_store base, store;
		struct tool_model model;
		struct xd_image *image, *parent = NULL;
		struct xd_info before, after;
		struct xd_error err;
		bool diff = geometries[g].type == XD_TYPE_DIFF;
		int64_t size;

		parent_g.type = XD_TYPE_DYNAMIC;
		tool_store_init(&base);
		tool_create(&base, &parent_g, NULL);
		if (diff)
			parent = tool_open(&base, NULL, 0);
		tool_store_init(&store);
		tool_create(&store, &geometries[g], parent);
		if (parent)
			tool_close(parent);
		tool_model_init(&model, 24 * MIB, 4096, 20 + g);
		image = tool_open(&store, diff ? &base : NULL, XD_OPEN_WRITE);
		for (int step = 0; step < 80; step++)
			tool_model_step(&model, image);
		OK(xd_write(image, model.bytes, 20 * MIB, 0, &err));
		OK(xd_zero(image, 0, 9 * MIB, &err));
		memset(model.bytes, 0, 9 * MIB);
		size = store.io.ops->size(store.io.ctx);
		xd_get_info(image, &before);
		OK(xd_compact(image, NULL, &err));
		xd_get_info(image, &after);
		assert_memory_equal(before.id, after.id, 16);
		tool_model_verify(&model, image);
		assert_true(store.io.ops->size(store.io.ctx) <= size - (int64_t)(8 * MIB));
		for (int step = 0; step < 20; step++)
			tool_model_step(&model, image);
		tool_model_verify(&model, image);
		tool_close(image);
		tool_assert_clean(&store, diff ? &base : NULL);
		tool_model_free(&model);
		tool_store_free(&store);
		tool_store_free(&base);
	}
}

/* --- chains on files ---------------------------------------------------------------------------------------------------------- */

static const char *at(const char *name)
{
	static char path[4][256];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static void make_file(const char *name, const char *parent_name)
{
	struct xd_create how = {
	    .path = at(name),
	    .format = XD_FORMAT_VHDX,
	    .type = parent_name ? XD_TYPE_DIFF : XD_TYPE_DYNAMIC,
	    .flags = XD_CREATE_OVERWRITE,
	    .virtual_size = 8 * MIB,
	    .block_size = 1 << 20,
	};
	struct xd_error err;

	if (parent_name)
		OK(xd_open(at(parent_name), 0, &how.parent, &err));
	OK(xd_create(&how, &err));
	if (parent_name)
		tool_close(how.parent);
}

static void write_text(const char *name, const char *text, uint64_t offset)
{
	struct xd_image *image;
	struct xd_error err;
	char buf[512] = {0};

	strcpy(buf, text);
	OK(xd_open(at(name), XD_OPEN_WRITE, &image, &err));
	OK(xd_write(image, buf, sizeof(buf), offset, &err));
	tool_close(image);
}

static void expect_text(const char *path, const char *text, uint64_t offset)
{
	struct xd_image *image;
	struct xd_error err;
	char buf[512];

	OK(xd_open(path, 0, &image, &err));
	OK(xd_read(image, buf, sizeof(buf), offset, &err));
	assert_string_equal(buf, text);
	tool_close(image);
}

static void a_chain_of_files_reads_through(void **state)
{
	(void)state;
	make_file("a.vhdx", NULL);
	write_text("a.vhdx", "a", 0);
	write_text("a.vhdx", "a", 4096);
	make_file("b.vhdx", "a.vhdx");
	write_text("b.vhdx", "b", 4096);
	make_file("c.vhdx", "b.vhdx");
	write_text("c.vhdx", "c", 8192);
	expect_text(at("c.vhdx"), "a", 0);
	expect_text(at("c.vhdx"), "b", 4096);
	expect_text(at("c.vhdx"), "c", 8192);
	expect_text(at("c.vhdx"), "", 512);
}

static void a_folder_that_moved_keeps_its_chain(void **state)
{
	(void)state;
	make_file("a.vhdx", NULL);
	write_text("a.vhdx", "a", 0);
	make_file("b.vhdx", "a.vhdx");
	mkdir(at("moved"), 0777);
	assert_int_equal(rename(at("a.vhdx"), at("moved/a.vhdx")), 0);
	assert_int_equal(rename(at("b.vhdx"), at("moved/b.vhdx")), 0);
	expect_text(at("moved/b.vhdx"), "a", 0);
}

/* The absolute path finds what the relative one does not. */
static void a_child_that_moved_alone_finds_its_parent(void **state)
{
	(void)state;
	make_file("a.vhdx", NULL);
	write_text("a.vhdx", "a", 0);
	make_file("b.vhdx", "a.vhdx");
	mkdir(at("alone"), 0777);
	assert_int_equal(rename(at("b.vhdx"), at("alone/b.vhdx")), 0);
	expect_text(at("alone/b.vhdx"), "a", 0);
}

static void a_parent_that_was_written_to_is_noticed(void **state)
{
	struct xd_image *image;
	struct xd_error err;

	(void)state;
	make_file("a.vhdx", NULL);
	make_file("b.vhdx", "a.vhdx");
	write_text("a.vhdx", "changed", 0);
	assert_int_equal(xd_open(at("b.vhdx"), 0, &image, &err), XD_E_PARENT_CHANGED);
	OK(xd_open(at("b.vhdx"), XD_OPEN_ANY_PARENT, &image, &err));
	tool_close(image);
	OK(xd_open(at("b.vhdx"), XD_OPEN_NO_PARENTS, &image, &err));
	tool_close(image);
	unlink(at("a.vhdx"));
	assert_int_equal(xd_open(at("b.vhdx"), 0, &image, &err), XD_E_PARENT);
}

static void another_parent_can_be_recorded(void **state)
{
	struct xd_image *image, *parent;
	struct xd_error err;

	(void)state;
	make_file("a.vhdx", NULL);
	make_file("b.vhdx", "a.vhdx");
	make_file("other.vhdx", NULL);
	write_text("other.vhdx", "other", 0);
	for (int round = 0; round < 3; round++) {
		OK(xd_open(at("other.vhdx"), 0, &parent, &err));
		OK(xd_open(at("b.vhdx"), XD_OPEN_WRITE | XD_OPEN_NO_PARENTS, &image, &err));
		OK(xd_set_parent(image, parent, at("other.vhdx"), &err));
		tool_close(image);
		tool_close(parent);
		expect_text(at("b.vhdx"), "other", 0);
	}
}

static void a_loop_is_refused(void **state)
{
	struct xd_image *image, *parent;
	struct xd_error err;

	(void)state;
	make_file("a.vhdx", NULL);
	make_file("b.vhdx", "a.vhdx");
	make_file("c.vhdx", "b.vhdx");
	OK(xd_open(at("c.vhdx"), XD_OPEN_NO_PARENTS, &parent, &err));
	OK(xd_open(at("b.vhdx"), XD_OPEN_WRITE | XD_OPEN_NO_PARENTS, &image, &err));
	OK(xd_set_parent(image, parent, at("c.vhdx"), &err));
	tool_close(image);
	tool_close(parent);
	assert_int_equal(xd_open(at("c.vhdx"), 0, &image, &err), XD_E_LOOP);
	assert_int_equal(xd_open(at("b.vhdx"), 0, &image, &err), XD_E_LOOP);
}

static void merging_a_child_leaves_the_parent_with_its_content(void **state)
{
	struct xd_image *image;
	struct xd_error err;

	(void)state;
	make_file("a.vhdx", NULL);
	write_text("a.vhdx", "a", 0);
	write_text("a.vhdx", "a", 4096);
	make_file("b.vhdx", "a.vhdx");
	write_text("b.vhdx", "b", 4096);
	write_text("b.vhdx", "b", 5 * MIB);
	OK(xd_open(at("b.vhdx"), XD_OPEN_WRITE_PARENT, &image, &err));
	OK(xd_merge(image, NULL, &err));
	tool_close(image);
	expect_text(at("a.vhdx"), "a", 0);
	expect_text(at("a.vhdx"), "b", 4096);
	expect_text(at("a.vhdx"), "b", 5 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes_go_up_and_down_and_old_data_stays_gone),
	    cmocka_unit_test(a_child_that_shrank_and_grew_shows_zeros_not_its_parent),
	    cmocka_unit_test(a_child_grows_far_under_a_parent_of_which_it_shows_no_more),
	    cmocka_unit_test(a_bat_that_outgrows_its_region_moves),
	    cmocka_unit_test(compacting_keeps_the_content_and_the_identity),
	    cmocka_unit_test(a_chain_of_files_reads_through),
	    cmocka_unit_test(a_folder_that_moved_keeps_its_chain),
	    cmocka_unit_test(a_child_that_moved_alone_finds_its_parent),
	    cmocka_unit_test(a_parent_that_was_written_to_is_noticed),
	    cmocka_unit_test(another_parent_can_be_recorded),
	    cmocka_unit_test(a_loop_is_refused),
	    cmocka_unit_test(merging_a_child_leaves_the_parent_with_its_content),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
