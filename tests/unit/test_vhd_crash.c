/* SPDX-License-Identifier: MIT */
/* Cuts the power after every event of a workload, in several ways each, and looks at what is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/crash_io.h"

#define SECTOR  512u
#define DISK    (2u << 20)
#define SECTORS (DISK / SECTOR)
#define BLOCK   4096u
#define MOST    40 /* sectors a request */
/* With this table and these locators the footer lies where the first block's bitmap will: growth must clear it. */
#define LONG_NAME 1250

struct scene {
	struct crash_log *log;
	struct crash_model *model;
	struct xd_io io;
	struct xd_io parent; /* ops NULL: no parent */
	size_t sectors;      /* that the model looks at */
	uint64_t size;       /* of the disk, 0: DISK */
	unsigned random;
	uint64_t content;
};

static struct xd_io borrowed(struct xd_io io)
{
	static struct xd_io_ops ops;
	extern void nothing_to_close(void *);

	ops = *io.ops;
	ops.close = nothing_to_close;
	return (struct xd_io){&ops, io.ctx};
}

void nothing_to_close(void *ctx)
{
	(void)ctx;
}

static void ok(int r, const struct xd_error *err)
{
	if (r)
		fail_msg("%s: %s", xd_code_name(err->code), err->message);
}

static int give_parent(void *ctx, const char *path, uint32_t flags, struct xd_io *io,
		       struct xd_error *err)
{
	struct scene *s = ctx;

	(void)path;
	(void)flags;
	(void)err;
	*io = s->parent;
	io->ops = borrowed(*io).ops;
	return 0;
}

static struct xd_image *open_on(struct scene *s, struct xd_io io, uint32_t flags)
{
	struct xd_open how = {.path = "child.vhd",
			      .format = XD_FORMAT_VHD,
			      .flags = flags,
			      .io = io,
			      .open_parent = give_parent,
			      .open_parent_ctx = s};
	struct xd_image *image;
	struct xd_error err;

	ok(xd_open_with(&how, &image, &err), &err);
	return image;
}

/* --- what must hold after a cut ----------------------------------------------------------------------------------------- */

static void complain(void *ctx, const struct xd_finding *f)
{
	(void)ctx;
	if (f->severity == XD_ERROR)
		fprintf(stderr, "%s at %llu: %s\n", f->what, (unsigned long long)f->offset,
			f->message);
}

static uint64_t errors_in(struct scene *s, struct xd_io io)
{
	struct xd_image *image = open_on(s, borrowed(io), XD_OPEN_LENIENT | XD_OPEN_NO_PARENTS);
	struct xd_check_report report;
	struct xd_error err;

	ok(xd_check(image, 0, complain, NULL, &report, &err), &err);
	ok(xd_close(image, &err), &err);
	return report.errors;
}

static int survives(void *ctx, struct xd_io io, size_t cut, unsigned seed)
{
	struct scene *s = ctx;
	struct xd_image *image;
	struct xd_error err;
	uint8_t one[SECTOR];
	int r;

	if (errors_in(s, io)) {
		fprintf(stderr, "cut %zu seed %u: does not check clean\n", cut, seed);
		return -1;
	}
	image = open_on(s, borrowed(io), 0);
	r = crash_model_verify(s->model, image, cut);
	ok(xd_close(image, &err), &err);
	if (r)
		return r;
	/* Life goes on: it opens for writing, takes data, closes clean. */
	image = open_on(s, borrowed(io), XD_OPEN_WRITE);
	crash_fill(one, 1, 0x7777);
	ok(xd_write(image, one, SECTOR, (s->sectors - 1) * SECTOR, &err), &err);
	ok(xd_close(image, &err), &err);
	if (errors_in(s, io)) {
		fprintf(stderr, "cut %zu seed %u: does not check clean after going on\n", cut,
			seed);
		return -1;
	}
	io.ops->close(io.ctx);
	return 0;
}

/* --- workloads ---------------------------------------------------------------------------------------------------------- */

static void write_some(struct scene *s, struct xd_image *image, size_t first, size_t count)
{
	uint8_t *buf = malloc(count * SECTOR); /* heap: the sanitizer sees an overrun */
	struct xd_error err;

	crash_model_write(s->model, first, count, ++s->content);
	crash_fill(buf, count, s->content);
	ok(xd_write(image, buf, count * SECTOR, first * SECTOR, &err), &err);
	free(buf);
}

static void step(struct scene *s, struct xd_image *image)
{
	size_t count = rand_r(&s->random) % MOST + 1,
	       first = rand_r(&s->random) % (s->sectors - count);
	struct xd_error err;

	switch (rand_r(&s->random) % 6) {
	case 0:
		ok(xd_flush(image, &err), &err);
		crash_model_flushed(s->model);
		break;
	case 1:
		crash_model_write(s->model, first, count, 0);
		ok(xd_zero(image, first * SECTOR, count * SECTOR, &err), &err);
		break;
	default: write_some(s, image, first, count); break;
	}
}

static void run(struct scene *s, int steps)
{
	struct xd_image *image = open_on(s, s->io, XD_OPEN_WRITE);
	struct xd_error err;

	for (int i = 0; i < steps; i++)
		step(s, image);
	ok(xd_close(image, &err), &err);
	crash_model_flushed(s->model);
}

static void make(struct scene *s, enum xd_type type, enum xd_profile profile,
		 struct xd_image *parent)
{
	char name[LONG_NAME + 1] = "";
	struct xd_create how = {.io = s->io,
				.format = XD_FORMAT_VHD,
				.type = type,
				.profile = profile,
				.virtual_size = s->size ? s->size : DISK,
				.block_size = type == XD_TYPE_FIXED ? 0 : BLOCK,
				.parent = parent,
				.parent_path = parent ? name : NULL};
	struct xd_error err;

	memset(name, 'p', LONG_NAME);
	ok(xd_create(&how, &err), &err);
}

static void begin_with(struct scene *s, unsigned seed, size_t sectors)
{
	*s = (struct scene){.random = seed, .sectors = sectors};
	s->log = crash_io_open(&s->io);
	s->model = crash_model_new(s->log, sectors);
}

static void begin(struct scene *s, unsigned seed)
{
	begin_with(s, seed, SECTORS);
}

static void end(struct scene *s)
{
	crash_model_free(s->model);
	crash_free(s->log);
	if (s->parent.ops)
		s->parent.ops->close(s->parent.ctx);
}

static void make_parent(struct scene *s)
{
	struct xd_io io;
	struct xd_create how = {
	    .format = XD_FORMAT_VHD, .type = XD_TYPE_DYNAMIC, .virtual_size = DISK};
	struct xd_image *image;
	struct xd_error err;
	uint8_t buf[64 * SECTOR];

	ok(xd_io_open_memory(&io, &err), &err);
	how.io = io;
	ok(xd_create(&how, &err), &err);
	image = open_on(s, borrowed(io), XD_OPEN_WRITE);
	for (size_t at = 0; at + 64 <= SECTORS; at += 160) {
		crash_fill(buf, 64, 0xbeef0000 + at);
		ok(xd_write(image, buf, sizeof(buf), at * SECTOR, &err), &err);
		if (at + 64 <= s->sectors)
			crash_model_base(s->model, at, 64, 0xbeef0000 + at);
	}
	make(s, XD_TYPE_DIFF, XD_PROFILE_NONE, image);
	ok(xd_close(image, &err), &err);
	s->parent = io;
}

static void dynamic_disk_survives(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 2; seed++) {
		struct scene s;

		begin(&s, seed);
		make(&s, XD_TYPE_DYNAMIC, XD_PROFILE_NONE, NULL);
		crash_start(s.log);
		run(&s, 40);
		assert_int_equal(crash_each(s.log, 4, survives, &s), 0);
		end(&s);
	}
}

static void differencing_disk_survives(void **state)
{
	(void)state;
	for (unsigned seed = 11; seed <= 12; seed++) {
		struct scene s;

		begin(&s, seed);
		make_parent(&s);
		crash_start(s.log);
		run(&s, 40);
		assert_int_equal(crash_each(s.log, 4, survives, &s), 0);
		end(&s);
	}
}

static void disk_with_batmap_survives_two_sessions(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 21);
	make(&s, XD_TYPE_DYNAMIC, XD_PROFILE_XENSERVER, NULL);
	crash_start(s.log);
	run(&s, 20);
	run(&s, 20);
	assert_int_equal(crash_each(s.log, 4, survives, &s), 0);
	end(&s);
}

static void compacting_survives(void **state)
{
	struct scene s;
	struct xd_image *image;
	struct xd_error err;

	(void)state;
	begin(&s, 31);
	make(&s, XD_TYPE_DYNAMIC, XD_PROFILE_XENSERVER, NULL);
	crash_start(s.log);
	image = open_on(&s, s.io, XD_OPEN_WRITE);
	for (size_t block = 0; block < 24; block++)
		write_some(&s, image, (block * 7 % 24) * BLOCK / SECTOR + block, 5);
	for (size_t block = 0; block < 24; block += 3) {
		crash_model_write(s.model, block * BLOCK / SECTOR, BLOCK / SECTOR, 0);
		ok(xd_zero(image, block * BLOCK, BLOCK, &err), &err);
	}
	ok(xd_compact(image, NULL, &err), &err);
	crash_model_flushed(s.model);
	ok(xd_close(image, &err), &err);
	assert_int_equal(crash_each(s.log, 4, survives, &s), 0);
	end(&s);
}

/* Some work, another size, some more. */
static void resize_to(struct scene *s, uint64_t size)
{
	struct xd_image *image;
	struct xd_error err;

	crash_start(s->log);
	image = open_on(s, s->io, XD_OPEN_WRITE);
	for (int i = 0; i < 10; i++)
		step(s, image);
	ok(xd_resize(image, size, XD_RESIZE_SHRINK, &err), &err);
	crash_model_flushed(s->model);
	for (int i = 0; i < 10; i++)
		step(s, image);
	ok(xd_close(image, &err), &err);
	assert_int_equal(crash_each(s->log, 4, survives, s), 0);
	end(s);
}

static void growing_past_the_table_survives(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 41);
	make(&s, XD_TYPE_DYNAMIC, XD_PROFILE_XENSERVER, NULL);
	resize_to(&s, 8 * DISK);
}

static void resizing_a_fixed_disk_survives(void **state)
{
	/* The new footer within the old one's reach, next to it, and far away; the disk's new end in front of all that. */
	static const int64_t by[] = {SECTOR, 2 * SECTOR, DISK, -(int64_t)SECTOR,
				     -(int64_t)DISK / 2};
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		begin_with(&s, 51 + i, by[i] < 0 ? (DISK + by[i]) / SECTOR : SECTORS);
		make(&s, XD_TYPE_FIXED, XD_PROFILE_NONE, NULL);
		resize_to(&s, DISK + by[i]);
	}
}

/* Past the sectors that the model knows the disk is zero, whatever its size is by now. */
static int survives_and_hides(void *ctx, struct xd_io io, size_t cut, unsigned seed)
{
	struct scene *s = ctx;
	struct xd_image *image = open_on(s, borrowed(io), 0);
	struct xd_error err;
	uint8_t one[SECTOR];
	int r = 0;

	for (uint64_t at = s->sectors * SECTOR; !r && at < xd_get_size(image); at += SECTOR) {
		ok(xd_read(image, one, SECTOR, at, &err), &err);
		if (one[0] || memcmp(one, one + 1, SECTOR - 1)) {
			fprintf(stderr, "cut %zu seed %u: the parent shows at %llu\n", cut, seed,
				(unsigned long long)at);
			r = -1;
		}
	}
	ok(xd_close(image, &err), &err);
	return r ? r : survives(ctx, io, cut, seed);
}

/* Longer with a table that moves, shorter, and longer again with one that has room. The parent is longer than all that. */
static void growing_under_a_longer_parent_survives(void **state)
{
	static const uint64_t more[] = {20 * BLOCK, 0, 12 * BLOCK + SECTOR};
	struct scene s;
	struct xd_image *image;
	struct xd_error err;

	(void)state;
	begin_with(&s, 81, SECTORS / 2 - 3);
	s.size = s.sectors * SECTOR;
	make_parent(&s);
	crash_start(s.log);
	image = open_on(&s, s.io, XD_OPEN_WRITE);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		for (int n = 0; n < 5; n++)
			step(&s, image);
		ok(xd_resize(image, s.size + more[i], XD_RESIZE_SHRINK, &err), &err);
		crash_model_flushed(s.model);
	}
	for (int n = 0; n < 5; n++)
		step(&s, image);
	ok(xd_close(image, &err), &err);
	assert_int_equal(crash_each(s.log, 4, survives_and_hides, &s), 0);
	end(&s);
}

/* Other names for the same parent, shorter and longer than those before. */
static void recording_the_parent_anew_survives(void **state)
{
	static const char *const names[] = {"p.vhd", "folder/another-name-of-the-parent.vhd", "q"};
	struct scene s;
	struct xd_image *image;
	struct xd_error err;

	(void)state;
	begin(&s, 71);
	make_parent(&s);
	crash_start(s.log);
	image = open_on(&s, s.io, XD_OPEN_WRITE);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (int n = 0; n < 5; n++)
			step(&s, image);
		ok(xd_set_parent(image, xd_get_parent(image), names[i], &err), &err);
	}
	ok(xd_close(image, &err), &err);
	assert_int_equal(crash_each(s.log, 4, survives, &s), 0);
	end(&s);
}

static void shrinking_survives(void **state)
{
	struct scene s;

	(void)state;
	begin_with(&s, 61, SECTORS / 2 - 3);
	make(&s, XD_TYPE_DYNAMIC, XD_PROFILE_XENSERVER, NULL);
	resize_to(&s, (SECTORS / 2 - 3) * SECTOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dynamic_disk_survives),
	    cmocka_unit_test(differencing_disk_survives),
	    cmocka_unit_test(disk_with_batmap_survives_two_sessions),
	    cmocka_unit_test(compacting_survives),
	    cmocka_unit_test(growing_past_the_table_survives),
	    cmocka_unit_test(shrinking_survives),
	    cmocka_unit_test(growing_under_a_longer_parent_survives),
	    cmocka_unit_test(recording_the_parent_anew_survives),
	    cmocka_unit_test(resizing_a_fixed_disk_survives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
