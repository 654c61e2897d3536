/* SPDX-License-Identifier: MIT */
/* xd_hold(): a caller that moves the bytes itself finds them where it was told, until it lets go. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/disk_folder.h"
#include "tests/unit/disk_tool.h"

static char path[64], child_path[64];

static int make_paths(void **state)
{
	if (make_folder(state))
		return -1;
	snprintf(path, sizeof(path), "%s/disk", folder);
	snprintf(child_path, sizeof(child_path), "%s/child", folder);
	return 0;
}

static struct xd_image *fresh(enum xd_format format, enum xd_type type)
{
	struct xd_create how = {.path = path,
				.format = format,
				.type = type,
				.flags = XD_CREATE_OVERWRITE,
				.virtual_size = 16 * MIB,
				.block_size = type == XD_TYPE_FIXED ? 0 : 2 * MIB};
	struct xd_image *image;

	OK(xd_create(&how, &err));
	OK(xd_open(path, XD_OPEN_WRITE, &image, &err));
	return image;
}

static size_t hold(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags,
		   struct xd_run *runs, size_t room, struct xd_hold *held)
{
	size_t count = room;

	OK(xd_hold(image, offset, length, flags, runs, &count, held, &err));
	assert_int_equal(held->image != NULL, count != 0);
	return count;
}

static bool can_hold(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags)
{
	struct xd_run runs[8];
	struct xd_hold held;
	size_t count = hold(image, offset, length, flags, runs, 8, &held);

	xd_release(&held);
	return count;
}

static void close_clean(struct xd_image *image)
{
	struct xd_check_report report;

	OK(xd_close(image, &err));
	OK(xd_open(path, XD_OPEN_LENIENT, &image, &err));
	report = tool_check(image, 0, NULL);
	assert_int_equal(report.errors + report.warnings, 0);
	OK(xd_close(image, &err));
}

static const struct kind {
	enum xd_format format;
	enum xd_type type;
} kinds[] = {
    {XD_FORMAT_RAW, XD_TYPE_FIXED},    {XD_FORMAT_VHD, XD_TYPE_FIXED},
    {XD_FORMAT_VHD, XD_TYPE_DYNAMIC},  {XD_FORMAT_VHDX, XD_TYPE_FIXED},
    {XD_FORMAT_VHDX, XD_TYPE_DYNAMIC},
};

#define EACH_KIND(k) \
	for (const struct kind *k = kinds; k < kinds + sizeof(kinds) / sizeof(kinds[0]); k++)

static void bytes_are_where_a_hold_says(void **state)
{
	uint8_t mine[4096], back[4096];
	struct xd_image *image;
	struct xd_run runs[4];
	struct xd_hold held;

	(void)state;
	EACH_KIND(k)
	{
		image = fresh(k->format, k->type);
		memset(mine, 0x5a, sizeof(mine));
		OK(xd_write(image, mine, sizeof(mine), 3 * MIB, &err));
		assert_int_equal(hold(image, 3 * MIB, 4096, 0, runs, 4, &held), 1);
		assert_int_equal(runs[0].kind, XD_KIND_DATA);
		assert_int_equal(pread(xd_get_fd(runs[0].layer), back, 4096, runs[0].file_offset),
				 4096);
		assert_memory_equal(back, mine, 4096);
		xd_release(&held);
		xd_release(&held);
		close_clean(image);
	}
}

static void what_is_written_under_a_hold_is_read_and_kept(void **state)
{
	uint8_t mine[4096], back[4096];
	struct xd_image *image;
	struct xd_run runs[4];
	struct xd_hold held;

	(void)state;
	EACH_KIND(k)
	{
		image = fresh(k->format, k->type);
		memset(mine, 1, sizeof(mine));
		OK(xd_write(image, mine, sizeof(mine), 3 * MIB, &err));
		memset(mine, 2, sizeof(mine));
		assert_int_equal(hold(image, 3 * MIB + 8192, 4096, XD_HOLD_WRITE, runs, 4, &held),
				 1);
		assert_int_equal(pwrite(xd_get_fd(runs[0].layer), mine, 4096, runs[0].file_offset),
				 4096);
		xd_release(&held);
		OK(xd_read(image, back, 4096, 3 * MIB + 8192, &err));
		assert_memory_equal(back, mine, 4096);
		OK(xd_flush(image, &err));
		close_clean(image);
		OK(xd_open(path, 0, &image, &err));
		OK(xd_read(image, back, 4096, 3 * MIB + 8192, &err));
		assert_memory_equal(back, mine, 4096);
		OK(xd_close(image, &err));
	}
}

static void what_the_library_must_write_is_not_held(void **state)
{
	struct xd_image *image;
	struct xd_run runs[4];
	struct xd_hold held;
	char buf[512] = "x";

	(void)state;
	EACH_KIND(k)
	{
		bool fixed = k->type == XD_TYPE_FIXED;

		image = fresh(k->format, k->type);
		assert_int_equal(can_hold(image, 0, 4096, XD_HOLD_WRITE), fixed);
		/* to read, it is known to be zero */
		assert_int_equal(hold(image, 0, 4096, 0, runs, 4, &held), 1);
		assert_int_equal(runs[0].kind == XD_KIND_DATA, fixed);
		xd_release(&held);
		OK(xd_write(image, buf, sizeof(buf), 2 * MIB, &err));
		assert_true(can_hold(image, 2 * MIB, 2 * MIB, XD_HOLD_WRITE));
		/* one block of two is there */
		assert_int_equal(can_hold(image, 3 * MIB, 2 * MIB, XD_HOLD_WRITE), fixed);
		FAILS(XD_E_RANGE,
		      xd_hold(image, 16 * MIB, 512, 0, runs, &(size_t){4}, &held, &err));
		assert_null(held.image);
		close_clean(image);
	}
}

static struct xd_image *fresh_child(enum xd_format format)
{
	struct xd_image *parent = fresh(format, XD_TYPE_DYNAMIC), *child;
	struct xd_create how = {.path = child_path,
				.format = format,
				.type = XD_TYPE_DIFF,
				.flags = XD_CREATE_OVERWRITE};
	char buf[4096] = "parent";

	OK(xd_write(parent, buf, sizeof(buf), 0, &err));
	OK(xd_close(parent, &err));
	OK(xd_open(path, 0, &parent, &err));
	how.parent = parent;
	OK(xd_create(&how, &err));
	OK(xd_close(parent, &err));
	OK(xd_open(child_path, XD_OPEN_WRITE, &child, &err));
	return child;
}

static void a_childs_hold_spans_its_layers(void **state)
{
	static const enum xd_format formats[] = {XD_FORMAT_VHD, XD_FORMAT_VHDX};
	char mine[512] = "child", back[512];
	struct xd_image *child;
	struct xd_run runs[4];
	struct xd_hold held;

	(void)state;
	for (int f = 0; f < 2; f++) {
		child = fresh_child(formats[f]);
		OK(xd_write(child, mine, 512, 1024, &err));
		assert_int_equal(hold(child, 0, 4096, 0, runs, 4, &held), 3);
		assert_int_equal(runs[0].depth, 1);
		assert_int_equal(runs[1].depth, 0);
		assert_int_equal(runs[2].depth, 1);
		assert_int_equal(pread(xd_get_fd(runs[0].layer), back, 512, runs[0].file_offset),
				 512);
		assert_string_equal(back, "parent");
		assert_int_equal(pread(xd_get_fd(runs[1].layer), back, 512, runs[1].file_offset),
				 512);
		assert_string_equal(back, "child");
		xd_release(&held);
		assert_int_equal(hold(child, 0, 4096, 0, runs, 2, &held), 0);
		/* the child's own sector may be written; its neighbours' bits would have to change */
		assert_true(can_hold(child, 1024, 512, XD_HOLD_WRITE));
		assert_false(can_hold(child, 1024, 1024, XD_HOLD_WRITE));
		OK(xd_close(child, &err));
	}
}

static void stores_and_parents_that_cannot_be_held_are_not(void **state)
{
	struct xd_create how = {
	    .format = XD_FORMAT_VHD, .type = XD_TYPE_FIXED, .virtual_size = MIB};
	struct xd_image *image;
	struct xd_io io;

	(void)state;
	OK(xd_io_open_memory(&io, &err));
	how.io = io;
	OK(xd_create(&how, &err));
	OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
	assert_false(can_hold(image, 0, 4096, 0));
	OK(xd_close(image, &err));
	io.ops->close(io.ctx);

	OK(xd_close(fresh_child(XD_FORMAT_VHD), &err));
	OK(xd_open(child_path, XD_OPEN_WRITE | XD_OPEN_WRITE_PARENT, &image, &err));
	assert_false(can_hold(image, 0, 512, 0));
	OK(xd_close(image, &err));
}

/* The place of a block's data, found by holding it. */
static uint64_t place(struct xd_image *image, uint64_t offset)
{
	struct xd_run runs[1];
	struct xd_hold held;

	assert_int_equal(hold(image, offset, 512, 0, runs, 1, &held), 1);
	xd_release(&held);
	assert_int_equal(runs[0].kind, XD_KIND_DATA);
	return runs[0].file_offset;
}

static void space_given_up_while_held_is_nobody_elses(void **state)
{
	struct xd_image *image = fresh(XD_FORMAT_VHDX, XD_TYPE_DYNAMIC);
	struct xd_run runs[1];
	struct xd_hold held, later;
	char buf[512] = "x";
	uint64_t there;

	(void)state;
	OK(xd_write(image, buf, sizeof(buf), 0, &err));
	OK(xd_flush(image, &err));
	assert_int_equal(hold(image, 0, 512, XD_HOLD_WRITE, runs, 1, &held), 1);
	there = runs[0].file_offset;
	OK(xd_discard(image, 0, 2 * MIB, &err));
	for (uint64_t block = 1; block < 4; block++) {
		/* Others come and go all the time: they must not count for this one. */
		assert_true(hold(image, 0, 512, 0, runs, 1, &later));
		OK(xd_flush(image, &err));
		OK(xd_write(image, buf, sizeof(buf), block * 2 * MIB, &err));
		assert_int_not_equal(place(image, block * 2 * MIB), there);
		xd_release(&later);
	}
	xd_release(&held);
	OK(xd_flush(image, &err));
	OK(xd_write(image, buf, sizeof(buf), 8 * MIB, &err));
	OK(xd_flush(image, &err));
	OK(xd_write(image, buf, sizeof(buf), 10 * MIB, &err));
	assert_true(place(image, 8 * MIB) == there || place(image, 10 * MIB) == there);
	close_clean(image);
}

static atomic_bool resized;

static void *resize(void *image)
{
	OK(xd_resize(image, 32 * MIB, 0, &err));
	resized = true;
	return NULL;
}

static void a_resize_waits_for_holds_and_new_ones_for_it(void **state)
{
	struct xd_image *image = fresh(XD_FORMAT_VHDX, XD_TYPE_DYNAMIC);
	struct xd_run runs[1];
	struct xd_hold held;
	pthread_t thread;
	char buf[512] = "x";

	(void)state;
	OK(xd_write(image, buf, sizeof(buf), 0, &err));
	assert_int_equal(hold(image, 0, 512, 0, runs, 1, &held), 1);
	resized = false;
	assert_int_equal(pthread_create(&thread, NULL, resize, image), 0);
	while (can_hold(image, 0, 512, 0))
		usleep(1000);
	/* It waits, and everything else goes on. */
	OK(xd_read(image, buf, sizeof(buf), 0, &err));
	OK(xd_write(image, buf, sizeof(buf), 4 * MIB, &err));
	usleep(20000);
	assert_false(resized);
	xd_release(&held);
	pthread_join(thread, NULL);
	assert_true(resized);
	assert_true(can_hold(image, 0, 512, 0));
	assert_int_equal(xd_get_size(image), 32 * MIB);
	close_clean(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_are_where_a_hold_says),
	    cmocka_unit_test(what_is_written_under_a_hold_is_read_and_kept),
	    cmocka_unit_test(what_the_library_must_write_is_not_held),
	    cmocka_unit_test(a_childs_hold_spans_its_layers),
	    cmocka_unit_test(stores_and_parents_that_cannot_be_held_are_not),
	    cmocka_unit_test(space_given_up_while_held_is_nobody_elses),
	    cmocka_unit_test(a_resize_waits_for_holds_and_new_ones_for_it),
	};

	return cmocka_run_group_tests(tests, make_paths, remove_folder);
}
