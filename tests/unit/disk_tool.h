/* SPDX-License-Identifier: MIT */
/* Shortcuts for tests of the image library. */
#ifndef XENOLITH_TESTS_DISK_TOOL_H
#define XENOLITH_TESTS_DISK_TOOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/xdisk.h"

#define MIB (1u << 20)

/* Fails the test with the library's message. */
#define OK(call)                                                                            \
	do {                                                                                \
		struct xd_error err = {0};                                                  \
		if ((call))                                                                 \
			fail_msg("%s: %s: %s", #call, xd_code_name(err.code), err.message); \
	} while (0)

/* The call must fail with this code, and say something. */
#define FAILS(code_, call)                         \
	do {                                       \
		struct xd_error err = {0};         \
		assert_int_equal((call), code_);   \
		assert_int_equal(err.code, code_); \
		assert_true(err.message[0]);       \
	} while (0)

/* A view of a store whose closing does nothing: an image on it can be opened again. */
static inline void tool_no_close(void *ctx)
{
	(void)ctx;
}

static inline struct xd_io tool_borrow(struct xd_io io)
{
	static struct xd_io_ops ops;

	ops = *io.ops;
	ops.close = tool_no_close;
	return (struct xd_io){&ops, io.ctx};
}

static inline int tool_open(struct xd_io io, uint32_t flags, struct xd_image **image,
			    struct xd_error *err)
{
	struct xd_open how = {.format = XD_FORMAT_VHD, .flags = flags, .io = tool_borrow(io)};

	return xd_open_with(&how, image, err);
}

static inline void tool_patch(struct xd_io io, uint64_t offset, const void *data, size_t length)
{
	assert_int_equal(io.ops->pwrite(io.ctx, data, length, offset), 0);
}

static inline void tool_peek(struct xd_io io, uint64_t offset, void *data, size_t length)
{
	assert_int_equal(io.ops->pread(io.ctx, data, length, offset), 0);
}

static inline uint64_t tool_size(struct xd_io io)
{
	return io.ops->size(io.ctx);
}

/* Counts findings of one name. */
struct tool_find {
	const char *what;
	int seen, repaired;
};

static inline void tool_found(void *ctx, const struct xd_finding *f)
{
	struct tool_find *t = ctx;

	if (t->what && !strcmp(f->what, t->what)) {
		t->seen++;
		t->repaired += f->repaired;
	}
}

static inline struct xd_check_report tool_check(struct xd_image *image, uint32_t flags,
						struct tool_find *find)
{
	struct tool_find none = {0};
	struct xd_check_report report;

	OK(xd_check(image, flags, tool_found, find ? find : &none, &report, &err));
	return report;
}

static inline uint64_t tool_errors(struct xd_io io)
{
	struct xd_check_report report;
	struct xd_image *image;

	OK(tool_open(io, XD_OPEN_LENIENT | XD_OPEN_NO_PARENTS, &image, &err));
	report = tool_check(image, 0, NULL);
	OK(xd_close(image, &err));
	return report.errors + report.warnings;
}

#endif
