/* SPDX-License-Identifier: MIT */
/*
 * A store that fails. Each write, flush, punch and change of length of a workload fails in turn, once or from then on: the call in
 * hand says so, nothing that was flushed before is lost, and the image opens again and checks clean.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/disk_tool.h"

#define SECTORS 6144u /* 3 MiB */
#define STEPS   30

/* --- the store ---------------------------------------------------------------------------------------------------------- */

static struct {
	struct xd_io under;
	unsigned int calls, fail_at; /* 0: never */
	bool for_good;
} faulty;

static bool fails(void)
{
	faulty.calls++;
	return faulty.fail_at &&
	       (faulty.for_good ? faulty.calls >= faulty.fail_at : faulty.calls == faulty.fail_at);
}

static int pread_through(void *ctx, void *buf, size_t length, uint64_t offset)
{
	(void)ctx;
	return faulty.under.ops->pread(faulty.under.ctx, buf, length, offset);
}

static int pwrite_or_not(void *ctx, const void *buf, size_t length, uint64_t offset)
{
	(void)ctx;
	return fails() ? -ENOSPC : faulty.under.ops->pwrite(faulty.under.ctx, buf, length, offset);
}

static int flush_or_not(void *ctx)
{
	(void)ctx;
	return fails() ? -EIO : 0;
}

static int64_t size_through(void *ctx)
{
	(void)ctx;
	return faulty.under.ops->size(faulty.under.ctx);
}

static int truncate_or_not(void *ctx, uint64_t size)
{
	(void)ctx;
	return fails() ? -ENOSPC : faulty.under.ops->truncate(faulty.under.ctx, size);
}

static int punch_or_not(void *ctx, uint64_t offset, uint64_t length)
{
	(void)ctx;
	return fails() ? -EIO : faulty.under.ops->punch(faulty.under.ctx, offset, length);
}

static void close_not(void *ctx)
{
	(void)ctx;
}

static const struct xd_io_ops faulty_ops = {
    .pread = pread_through,
    .pwrite = pwrite_or_not,
    .flush = flush_or_not,
    .size = size_through,
    .truncate = truncate_or_not,
    .punch = punch_or_not,
    .close = close_not,
};

/* --- what each sector may show: a bit for each content, which is the number of the step that wrote it ------------------- */

static uint32_t now[SECTORS];    /* while the image is open */
static uint32_t stable[SECTORS]; /* after it was not closed properly */

static void will_change(uint32_t first, uint32_t count, uint32_t contents)
{
	for (uint32_t i = first; i < first + count; i++)
		stable[i] |= contents;
}

static void changed(uint32_t first, uint32_t count, uint32_t contents, bool surely)
{
	for (uint32_t i = first; i < first + count; i++)
		now[i] = (surely ? 0 : now[i]) | contents;
}

static void flushed(void)
{
	memcpy(stable, now, sizeof(stable));
}

static void verify(struct xd_image *image, const uint32_t *allowed, unsigned int fault)
{
	uint8_t buf[512];

	for (uint32_t i = 0; i < SECTORS; i++) {
		OK(xd_read(image, buf, sizeof(buf), i * 512ull, &err));
		if (memcmp(buf, buf + 1, sizeof(buf) - 1) || !(allowed[i] >> buf[0] & 1))
			fail_msg("fault %u: sector %u shows %u", fault, i, buf[0]);
	}
}

/* --- the workload ------------------------------------------------------------------------------------------------------- */

static void write_step(struct xd_image *image, unsigned int step, uint32_t first, uint32_t count)
{
	uint8_t *buf = malloc(count * 512);
	int r;

	memset(buf, step, count * 512);
	will_change(first, count, 1u << step);
	r = xd_write(image, buf, count * 512, first * 512ull, NULL);
	changed(first, count, 1u << step, !r);
	free(buf);
}

static void zero_step(struct xd_image *image, bool discard, uint32_t first, uint32_t count)
{
	int r;

	will_change(first, count, 1);
	r = discard ? xd_discard(image, first * 512ull, count * 512ull, NULL)
		    : xd_zero(image, first * 512ull, count * 512ull, NULL);
	changed(first, count, 1, !r && !discard);
}

static void one_step(struct xd_image *image, unsigned int step)
{
	uint32_t first = step * 977 % (SECTORS - 600), count = 1 + step * 131 % 500;

	switch (step % 10) {
	case 4: zero_step(image, false, first / 2048 * 2048, 2048); break;
	case 6: zero_step(image, step > 15, first, count); break;
	case 8:
		if (!xd_compact(image, NULL, NULL))
			flushed(); /* before the blocks moved */
		break;
	case 9:
		if (step == 19 && xd_resize(image, SECTORS * 512ull + (5u << 20), 0, NULL))
			break;
		/* fall through */
	case 2:
		if (!xd_flush(image, NULL))
			flushed();
		break;
	default: write_step(image, step, first, count);
	}
}

static struct xd_image *open_it(enum xd_format format, uint32_t flags)
{
	struct xd_open how = {.format = format, .flags = flags, .io = {&faulty_ops, NULL}};
	struct xd_image *image;

	OK(xd_open_with(&how, &image, &err));
	return image;
}

/* Returns how many calls there were. */
static unsigned int run(enum xd_format format, enum xd_type type, unsigned int fault, bool for_good)
{
	struct xd_create how = {.io = {&faulty_ops, NULL},
				.format = format,
				.type = type,
				.virtual_size = SECTORS * 512,
				.block_size = type == XD_TYPE_FIXED ? 0 : 1 * MIB};
	struct xd_check_report report;
	struct xd_image *image;
	unsigned int calls;
	bool closed;

	faulty.fail_at = 0;
	OK(xd_io_open_memory(&faulty.under, &err));
	OK(xd_create(&how, &err));
	for (uint32_t i = 0; i < SECTORS; i++)
		now[i] = stable[i] = 1;
	image = open_it(format, XD_OPEN_WRITE);
	faulty.calls = 0;
	faulty.fail_at = fault;
	faulty.for_good = for_good;
	for (unsigned int step = 1; step < STEPS; step++)
		one_step(image, step);
	verify(image, now, fault);
	closed = !xd_close(image, NULL);
	calls = faulty.calls;
	faulty.fail_at = 0;
	image = open_it(format, XD_OPEN_WRITE);
	verify(image, closed ? now : stable, fault);
	OK(xd_close(image, &err));
	image = open_it(format, XD_OPEN_LENIENT);
	report = tool_check(image, 0, NULL);
	assert_int_equal(report.errors, 0);
	OK(xd_close(image, &err));
	faulty.under.ops->close(faulty.under.ctx);
	return calls;
}

static void each_fault(enum xd_format format, enum xd_type type)
{
	unsigned int calls = run(format, type, 0, false);

	assert_true(calls > 15);
	for (unsigned int fault = 1; fault <= calls; fault++) {
		run(format, type, fault, false);
		run(format, type, fault, true);
	}
}

static void vhd_survives_each_fault(void **state)
{
	(void)state;
	each_fault(XD_FORMAT_VHD, XD_TYPE_DYNAMIC);
	each_fault(XD_FORMAT_VHD, XD_TYPE_FIXED);
}

/* Growth that was cut short by an error may have left a footer behind; a later block must not show it. */
static void new_blocks_read_as_zero_after_growth_that_failed(void **state)
{
	struct xd_create how = {.io = {&faulty_ops, NULL},
				.format = XD_FORMAT_VHD,
				.type = XD_TYPE_DYNAMIC,
				.virtual_size = 8 * MIB,
				.block_size = 4096};
	uint8_t mark[512] = {1}, block[4096], zeros[4096 - 512] = {0};
	const size_t last = sizeof(zeros); /* a footer lies where a block's data begins */
	struct xd_image *image;

	(void)state;
	for (unsigned int fault = 1; fault <= 10; fault++) {
		faulty.fail_at = 0;
		OK(xd_io_open_memory(&faulty.under, &err));
		OK(xd_create(&how, &err));
		image = open_it(XD_FORMAT_VHD, XD_OPEN_WRITE);
		faulty.calls = 0;
		faulty.fail_at = (fault + 1) / 2;
		faulty.for_good = false;
		xd_write(image, mark, sizeof(mark), 0, NULL);
		/* The table moves behind the data; every other page begins a block's data. */
		OK(xd_resize(image, (64 + fault % 2 * 4) * MIB, 0, &err));
		for (uint64_t at = 4096; at < 6 * MIB; at += sizeof(block)) {
			OK(xd_write(image, mark, sizeof(mark), at + last, &err));
			OK(xd_read(image, block, sizeof(block), at, &err));
			assert_memory_equal(block, zeros, sizeof(zeros));
		}
		OK(xd_close(image, &err));
		faulty.under.ops->close(faulty.under.ctx);
	}
}

static void vhdx_survives_each_fault(void **state)
{
	(void)state;
	each_fault(XD_FORMAT_VHDX, XD_TYPE_DYNAMIC);
	each_fault(XD_FORMAT_VHDX, XD_TYPE_FIXED);
}

/* --- stores that can do less --------------------------------------------------------------------------------------------- */

static int punch_not(void *ctx, uint64_t offset, uint64_t length)
{
	(void)ctx, (void)offset, (void)length;
	return -EOPNOTSUPP;
}

/* A guest's fstrim on NFS: to write zeros would take the space that was to be given back. */
static void a_discard_writes_nothing_where_no_hole_can_be_made(void **state)
{
	static const enum xd_format formats[] = {XD_FORMAT_RAW, XD_FORMAT_VHD, XD_FORMAT_VHDX};
	struct xd_io_ops ops = faulty_ops;
	uint8_t data[4096];

	(void)state;
	ops.punch = punch_not;
	memset(data, 7, sizeof(data));
	faulty.fail_at = 0;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct xd_create how = {.io = {&ops, NULL},
					.format = formats[i],
					.type = i ? XD_TYPE_DYNAMIC : XD_TYPE_FIXED,
					.virtual_size = 8 * MIB};
		struct xd_image *image;
		unsigned int calls;

		OK(xd_io_open_memory(&faulty.under, &err));
		OK(xd_create(&how, &err));
		OK(xd_open_with(&(struct xd_open){.io = {&ops, NULL},
						  .format = formats[i],
						  .flags = XD_OPEN_WRITE},
				&image, &err));
		OK(xd_write(image, data, sizeof(data), MIB, &err));
		OK(xd_flush(image, &err));
		calls = faulty.calls;
		OK(xd_discard(image, MIB, sizeof(data), &err));
		assert_int_equal(faulty.calls, calls);
		OK(xd_close(image, &err));
		faulty.under.ops->close(faulty.under.ctx);
	}
}

/* What a closed disk holds is there: also a raw one's, which has nothing else to do then. */
static void closing_flushes_and_says_where_it_could_not(void **state)
{
	struct xd_create how = {
	    .io = {&faulty_ops, NULL}, .format = XD_FORMAT_RAW, .virtual_size = MIB};
	struct xd_image *image;

	(void)state;
	faulty.fail_at = 0;
	OK(xd_io_open_memory(&faulty.under, &err));
	OK(xd_create(&how, &err));
	image = open_it(XD_FORMAT_RAW, 0);
	OK(xd_close(image, &err));
	image = open_it(XD_FORMAT_RAW, XD_OPEN_WRITE);
	faulty.calls = 0;
	faulty.fail_at = 1;
	faulty.for_good = true;
	FAILS(XD_E_IO, xd_close(image, &err));
	faulty.under.ops->close(faulty.under.ctx);
}

/* Growth of a fixed disk that failed, and then another one: nothing of the old footer is in the disk. */
static void a_fixed_disk_grows_with_zeros_after_growth_that_failed(void **state)
{
	struct xd_create how = {.io = {&faulty_ops, NULL},
				.format = XD_FORMAT_VHD,
				.type = XD_TYPE_FIXED,
				.virtual_size = MIB};
	uint8_t sector[512], zeros[512] = {0};
	struct xd_image *image;

	(void)state;
	faulty.fail_at = 0;
	OK(xd_io_open_memory(&faulty.under, &err));
	OK(xd_create(&how, &err));
	image = open_it(XD_FORMAT_VHD, XD_OPEN_WRITE);
	faulty.calls = 0;
	faulty.fail_at = 1;
	faulty.for_good = false;
	FAILS(XD_E_IO, xd_resize(image, 2 * MIB, 0, &err));
	OK(xd_resize(image, 3 * MIB, 0, &err));
	for (uint64_t at = MIB; at < 3 * MIB; at += sizeof(sector)) {
		OK(xd_read(image, sector, sizeof(sector), at, &err));
		assert_memory_equal(sector, zeros, sizeof(sector));
	}
	OK(xd_close(image, &err));
	faulty.under.ops->close(faulty.under.ctx);
}

/* A longer table has no room in the old one's place, where blocks follow. */
static void growth_that_failed_writes_over_no_block(void **state)
{
	struct xd_create how = {.io = {&faulty_ops, NULL},
				.format = XD_FORMAT_VHD,
				.type = XD_TYPE_DYNAMIC,
				.virtual_size = 512 * 1024,
				.block_size = 4096};
	uint8_t data[4096], found[4096];
	struct xd_image *image;

	(void)state;
	memset(data, 7, sizeof(data));
	for (unsigned int fault = 1; fault <= 4; fault++) {
		faulty.fail_at = 0;
		OK(xd_io_open_memory(&faulty.under, &err));
		OK(xd_create(&how, &err));
		image = open_it(XD_FORMAT_VHD, XD_OPEN_WRITE);
		OK(xd_write(image, data, sizeof(data), 0, &err));
		OK(xd_flush(image, &err));
		faulty.calls = 0;
		faulty.fail_at = fault;
		faulty.for_good = false;
		FAILS(XD_E_IO, xd_resize(image, 64 * MIB, 0, &err));
		OK(xd_close(image, &err));
		image = open_it(XD_FORMAT_VHD, 0);
		OK(xd_read(image, found, sizeof(found), 0, &err));
		assert_memory_equal(found, data, sizeof(data));
		OK(xd_close(image, &err));
		faulty.under.ops->close(faulty.under.ctx);
	}
}

static struct xd_io copy_of(struct xd_io from)
{
	uint64_t size = tool_size(from);
	uint8_t *all = malloc(size);
	struct xd_io to;

	OK(xd_io_open_memory(&to, &err));
	tool_peek(from, 0, all, size);
	tool_patch(to, 0, all, size);
	free(all);
	return to;
}

/* As a cut leaves it, now. */
static void shows_after_cut(uint64_t at, const void *data, size_t length)
{
	struct xd_io cut = copy_of(faulty.under);
	struct xd_image *image;
	uint8_t found[4096];

	OK(tool_open(cut, 0, &image, &err));
	OK(xd_read(image, found, length, at, &err));
	assert_memory_equal(found, data, length);
	OK(xd_close(image, &err));
	OK(tool_open(cut, XD_OPEN_LENIENT, &image, &err));
	assert_int_equal(tool_check(image, 0, NULL).errors, 0);
	OK(xd_close(image, &err));
	cut.ops->close(cut.ctx);
}

/* Writes and flushes after growth of which one call failed. Returns whether it did. */
static bool write_after_growth(unsigned int fault, enum xd_profile profile)
{
	struct xd_create how = {.io = {&faulty_ops, NULL},
				.format = XD_FORMAT_VHD,
				.type = XD_TYPE_DYNAMIC,
				.profile = profile,
				.virtual_size = 512 * 1024,
				.block_size = 4096};
	uint8_t old[4096], new[4096] = {0};
	struct xd_image *image;
	bool failed;

	memset(old, 7, sizeof(old));
	memset(new, 8, 512);
	faulty.fail_at = 0;
	OK(xd_io_open_memory(&faulty.under, &err));
	OK(xd_create(&how, &err));
	image = open_it(XD_FORMAT_VHD, XD_OPEN_WRITE);
	OK(xd_write(image, old, sizeof(old), 0, &err));
	OK(xd_flush(image, &err));
	faulty.calls = 0;
	faulty.fail_at = fault;
	faulty.for_good = false;
	failed = xd_resize(image, 64 * MIB, 0, NULL);
	faulty.fail_at = 0;
	shows_after_cut(0, old, sizeof(old));
	/* The rest of a new block is zero, whatever was to lie there. */
	OK(xd_write(image, new, 512, 8192, &err));
	OK(xd_flush(image, &err));
	shows_after_cut(0, old, sizeof(old));
	shows_after_cut(8192, new, sizeof(new));
	OK(xd_resize(image, 80 * MIB, 0, &err));
	shows_after_cut(8192, new, sizeof(new));
	OK(xd_compact(image, NULL, &err));
	OK(xd_close(image, &err));
	shows_after_cut(0, old, sizeof(old));
	shows_after_cut(8192, new, sizeof(new));
	faulty.under.ops->close(faulty.under.ctx);
	return failed;
}

static void what_is_flushed_after_growth_that_failed_is_there(void **state)
{
	static const enum xd_profile profiles[] = {XD_PROFILE_NONE, XD_PROFILE_XENSERVER};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned int fault = 1;

		while (write_after_growth(fault, profiles[i]))
			fault++;
		assert_true(fault > 10);
	}
}

static struct xd_io parent_store;

static int give_parent(void *ctx, const char *path, uint32_t flags, struct xd_io *io,
		       struct xd_error *err)
{
	(void)ctx, (void)path, (void)flags, (void)err;
	*io = tool_borrow(parent_store);
	return 0;
}

static struct xd_image *open_child(void)
{
	struct xd_open how = {.path = "child.vhd",
			      .format = XD_FORMAT_VHD,
			      .flags = XD_OPEN_WRITE,
			      .io = {&faulty_ops, NULL},
			      .open_parent = give_parent};
	struct xd_image *image;

	OK(xd_open_with(&how, &image, &err));
	return image;
}

/* All is zero but the sector at `mark`. */
static void shows_zeros_and(struct xd_image *image, uint64_t from, uint64_t mark)
{
	uint8_t data[512];

	for (uint64_t at = from; at < xd_get_size(image); at += sizeof(data)) {
		OK(xd_read(image, data, sizeof(data), at, &err));
		assert_int_equal(data[0], at == mark ? 7 : 0);
	}
}

/* Returns whether the first growth failed. */
static bool grow_child(unsigned int fault)
{
	struct xd_create how = {.io = {&faulty_ops, NULL},
				.format = XD_FORMAT_VHD,
				.type = XD_TYPE_DIFF,
				.virtual_size = MIB - 512,
				.block_size = 4096,
				.parent_path = "parent.raw"};
	struct xd_open open = {.format = XD_FORMAT_RAW, .io = tool_borrow(parent_store)};
	uint64_t old = MIB - 512, mark = MIB + 5 * 4096;
	struct xd_image *image;
	uint8_t data[512];
	bool failed;

	faulty.fail_at = 0;
	OK(xd_io_open_memory(&faulty.under, &err));
	OK(xd_open_with(&open, &how.parent, &err));
	OK(xd_create(&how, &err));
	OK(xd_close(how.parent, &err));
	image = open_child();
	faulty.calls = 0;
	faulty.fail_at = fault;
	faulty.for_good = false;
	failed = xd_resize(image, MIB + 16 * 4096, 0, NULL);
	faulty.fail_at = 0;
	if (failed)
		OK(xd_resize(image, MIB + 8 * 4096 - 512, 0, &err));
	shows_zeros_and(image, old, 0);
	memset(data, 7, sizeof(data));
	OK(xd_write(image, data, sizeof(data), mark, &err));
	OK(xd_resize(image, MIB + 24 * 4096, 0, &err));
	shows_zeros_and(image, old, mark);
	OK(xd_close(image, &err));
	image = open_child();
	assert_int_equal(xd_get_size(image), MIB + 24 * 4096);
	shows_zeros_and(image, old, mark);
	assert_int_equal(tool_check(image, 0, NULL).errors, 0);
	OK(xd_close(image, &err));
	faulty.under.ops->close(faulty.under.ctx);
	return failed;
}

static void a_child_grows_after_growth_that_failed(void **state)
{
	uint8_t data[4096];
	unsigned int fault = 1;

	(void)state;
	OK(xd_io_open_memory(&parent_store, &err));
	memset(data, 0x42, sizeof(data));
	for (uint64_t at = 0; at < 2 * MIB; at += sizeof(data))
		tool_patch(parent_store, at, data, sizeof(data));
	while (grow_child(fault))
		fault++;
	assert_true(fault > 15);
	parent_store.ops->close(parent_store.ctx);
}

/* --- files -------------------------------------------------------------------------------------------------------------- */

static void a_flush_of_a_file_that_failed_fails_for_good(void **state)
{
	char path[] = "/tmp/xenolith-faults-XXXXXX";
	int fd = mkstemp(path), kept, pipes[2];
	struct xd_image *image;

	(void)state;
	assert_int_equal(ftruncate(fd, MIB), 0);
	close(fd);
	OK(xd_open_with(
	    &(struct xd_open){.path = path, .format = XD_FORMAT_RAW, .flags = XD_OPEN_WRITE},
	    &image, &err));
	OK(xd_flush(image, &err));
	/* Something that cannot be flushed in the file's place, for a while. */
	fd = xd_get_fd(image);
	kept = dup(fd);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(dup2(pipes[0], fd), fd);
	FAILS(XD_E_IO, xd_flush(image, &err));
	assert_int_equal(dup2(kept, fd), fd);
	FAILS(XD_E_IO, xd_flush(image, &err));
	xd_close(image, NULL);
	close(pipes[0]);
	close(pipes[1]);
	close(kept);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vhd_survives_each_fault),
	    cmocka_unit_test(new_blocks_read_as_zero_after_growth_that_failed),
	    cmocka_unit_test(vhdx_survives_each_fault),
	    cmocka_unit_test(a_discard_writes_nothing_where_no_hole_can_be_made),
	    cmocka_unit_test(closing_flushes_and_says_where_it_could_not),
	    cmocka_unit_test(a_fixed_disk_grows_with_zeros_after_growth_that_failed),
	    cmocka_unit_test(growth_that_failed_writes_over_no_block),
	    cmocka_unit_test(what_is_flushed_after_growth_that_failed_is_there),
	    cmocka_unit_test(a_child_grows_after_growth_that_failed),
	    cmocka_unit_test(a_flush_of_a_file_that_failed_fails_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
