/* SPDX-License-Identifier: MIT */
/*
 * A store for fuzzing: a template image that is never copied, and the pages that this run has changed. A run costs what it touches.
 */
#ifndef XENOLITH_FUZZ_VHDX_STORE_H
#define XENOLITH_FUZZ_VHDX_STORE_H

#include "disk/vhdx.h"

#define FUZZ_PAGE  4096u
#define FUZZ_PAGES 32768u /* 128 MiB; writes above fail with ENOSPC */

struct fuzz_image {
	const uint8_t *page[FUZZ_PAGES]; /* NULL: zeros */
	uint64_t size;
};

struct fuzz_store {
	const struct fuzz_image *base;
	uint64_t size;
	uint8_t *page[FUZZ_PAGES]; /* NULL: as the template has it */
	uint32_t touched[FUZZ_PAGES];
	uint32_t touched_count;
	struct xd_io io; /* close is a no-op */
};

/* `base` is looked at until the end. */
void fuzz_store_start(struct fuzz_store *store, const struct fuzz_image *base);
void fuzz_store_end(struct fuzz_store *store);
/* Unchecked access for the harness; what lies outside of the store's pages is dropped. */
void fuzz_store_write(struct fuzz_store *store, uint64_t offset, const void *bytes, size_t length);
void fuzz_store_read(struct fuzz_store *store, uint64_t offset, void *bytes, size_t length);

/* Makes headers' and region tables' checksums right, so that what the fuzzer changed in them is looked at. */
void fuzz_store_fix(struct fuzz_store *store);

enum fuzz_template { FUZZ_DYNAMIC, FUZZ_FIXED, FUZZ_CHILD, FUZZ_TEMPLATES };

/* An image of that kind with a little data in it, 512-byte sectors, 1 MiB blocks; made once. */
const struct fuzz_image *fuzz_template(enum fuzz_template which);
/* `bytes` as an image: *image points into them, and at `last` (FUZZ_PAGE bytes) where they end within a page. */
void fuzz_image_from(struct fuzz_image *image, const uint8_t *bytes, size_t size, uint8_t *last);

/* The library's calls must not fail here. */
#define MUST(call)                        \
	do {                              \
		if (call)                 \
			__builtin_trap(); \
	} while (0)

#endif
