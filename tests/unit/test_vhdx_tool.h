/* SPDX-License-Identifier: MIT */
/* What the VHDX tests share: images on stores in memory, and a model of what a disk should read as. */
#ifndef XENOLITH_TESTS_VHDX_TOOL_H
#define XENOLITH_TESTS_VHDX_TOOL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/disk/vhdx.h"
#include "disk/xdisk.h"

#define MIB (1ull << 20)

/* Fails the test with the library's own sentence. */
void tool_ok(int ret, const struct xd_error *err);
#define OK(call) tool_ok(call, &err)

/* A store in memory that handles open and close as often as they like. */
struct tool_store {
	struct xd_io under;
	struct xd_io_ops ops;
	struct xd_io io; /* give this to the library */
};

void tool_store_init(struct tool_store *store);
/* The same on a store that somebody else made; it is freed with this one. */
void tool_store_wrap(struct tool_store *store, struct xd_io under);
void tool_store_free(struct tool_store *store);
void tool_store_copy(struct tool_store *to, const struct tool_store *from);

/* Opened as VHDX. parent: the store that every parent's path leads to, or NULL. */
int tool_try_open(struct tool_store *store, struct tool_store *parent, uint32_t flags,
		  struct xd_image **image, struct xd_error *err);
struct xd_image *tool_open(struct tool_store *store, struct tool_store *parent, uint32_t flags);
void tool_close(struct xd_image *image);

struct tool_geometry {
	enum xd_type type;
	uint64_t size;
	uint32_t block, sector;
};

/* parent: open, for XD_TYPE_DIFF */
void tool_create(struct tool_store *store, const struct tool_geometry *geometry,
		 struct xd_image *parent);

/* Bytes of the file. */
void tool_peek(struct tool_store *store, void *buf, size_t length, uint64_t offset);
void tool_poke(struct tool_store *store, const void *buf, size_t length, uint64_t offset);

struct tool_findings {
	struct xd_check_report report;
	char names[512]; /* of all findings, each followed by a blank */
};

/* Opens leniently, checks, closes. */
void tool_check(struct tool_store *store, struct tool_store *parent, uint32_t check_flags,
		struct tool_findings *found);
/* The image has no errors and no warnings. */
void tool_assert_clean(struct tool_store *store, struct tool_store *parent);

/* --- a model of the disk ---------------------------------------------------------------------------------------------------- */

struct tool_model {
	uint8_t *bytes;
	uint64_t size;
	uint32_t sector;
	unsigned int random;
};

void tool_model_init(struct tool_model *model, uint64_t size, uint32_t sector, unsigned int seed);
void tool_model_free(struct tool_model *model);
uint64_t tool_random(struct tool_model *model, uint64_t below);
/* Writes, zeros, flushes and discards at random; the model follows. A discarded range is zeroed for good after it. */
void tool_model_step(struct tool_model *model, struct xd_image *image);
void tool_model_verify(const struct tool_model *model, struct xd_image *image);

#endif
