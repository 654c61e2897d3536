/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz_vhdx_store.h"

/*
 * What makes an input fast. Images are a few large buffers that come and go: the allocator is to hand the same pages out again soon
 * instead of fresh ones from the kernel. And the fuzzer has nothing to learn from the paths of this store.
 */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=2:thread_local_quarantine_size_kb=256:"
	       "allocator_release_to_os_interval_ms=-1:malloc_context_size=4";
}

#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)

static const uint8_t *page_now(const struct fuzz_store *s, uint64_t number)
{
	if (number >= FUZZ_PAGES)
		return NULL;
	return s->page[number] ? s->page[number] : s->base->page[number];
}

static void read_page(const struct fuzz_store *s, uint64_t number, uint8_t *to, uint32_t from,
		      uint32_t length)
{
	const uint8_t *page = page_now(s, number);

	if (page)
		memcpy(to, page + from, length);
	else
		memset(to, 0, length);
}

void fuzz_store_read(struct fuzz_store *s, uint64_t offset, void *bytes, size_t length)
{
	uint8_t *to = bytes;

	while (length) {
		uint32_t from = offset % FUZZ_PAGE, part = xd_min(length, FUZZ_PAGE - from);

		read_page(s, offset / FUZZ_PAGE, to, from, part);
		to += part;
		offset += part;
		length -= part;
	}
}

static uint8_t zero_page[FUZZ_PAGE]; /* stands for pages that were punched; never written */
static uint8_t *spare
    [FUZZ_PAGES]; /* pages of earlier runs: malloc's quarantine would cost more than all else */
static uint32_t spare_count;

static uint8_t *new_page(void)
{
	uint8_t *page = spare_count ? spare[--spare_count] : malloc(FUZZ_PAGE);

	if (!page)
		abort();
	return page;
}

static void drop_page(uint8_t *page)
{
	if (page && page != zero_page)
		spare[spare_count++] = page;
}

static void set_page(struct fuzz_store *s, uint64_t number, uint8_t *page)
{
	if (!s->page[number])
		s->touched[s->touched_count++] = number;
	drop_page(s->page[number]);
	s->page[number] = page;
}

static uint8_t *own_page(struct fuzz_store *s, uint64_t number)
{
	if (!s->page[number] || s->page[number] == zero_page) {
		uint8_t *page = new_page();

		read_page(s, number, page, 0, FUZZ_PAGE);
		set_page(s, number, page);
	}
	return s->page[number];
}

void fuzz_store_write(struct fuzz_store *s, uint64_t offset, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;

	while (length && offset / FUZZ_PAGE < FUZZ_PAGES) {
		uint32_t at = offset % FUZZ_PAGE, part = xd_min(length, FUZZ_PAGE - at);

		memcpy(own_page(s, offset / FUZZ_PAGE) + at, from, part);
		from += part;
		offset += part;
		length -= part;
	}
}

static int store_pread(void *ctx, void *buf, size_t length, uint64_t offset)
{
	struct fuzz_store *s = ctx;
	uint64_t have = offset < s->size ? xd_min(length, s->size - offset) : 0;

	fuzz_store_read(s, offset, buf, have);
	memset((uint8_t *)buf + have, 0, length - have);
	return 0;
}

static int store_pwrite(void *ctx, const void *buf, size_t length, uint64_t offset)
{
	struct fuzz_store *s = ctx;

	if (offset > FUZZ_PAGES * (uint64_t)FUZZ_PAGE ||
	    length > FUZZ_PAGES * (uint64_t)FUZZ_PAGE - offset)
		return -ENOSPC;
	fuzz_store_write(s, offset, buf, length);
	if (offset + length > s->size)
		s->size = offset + length;
	return 0;
}

/* Only pages that hold something cost anything. */
static int store_punch(void *ctx, uint64_t offset, uint64_t length)
{
	static const uint8_t zeros[FUZZ_PAGE];
	struct fuzz_store *s = ctx;
	uint64_t end = xd_min(offset + length, FUZZ_PAGES * (uint64_t)FUZZ_PAGE);

	while (offset < end) {
		uint64_t number = offset / FUZZ_PAGE;
		uint32_t part = xd_min(FUZZ_PAGE - offset % FUZZ_PAGE, end - offset);
		const uint8_t *now = page_now(s, number);

		if (part == FUZZ_PAGE && now && now != zero_page)
			set_page(s, number, zero_page);
		else if (now && now != zero_page)
			fuzz_store_write(s, offset, zeros, part);
		offset += part;
	}
	return 0;
}

static int store_flush(void *ctx)
{
	(void)ctx;
	return 0;
}

static int64_t store_size(void *ctx)
{
	return ((struct fuzz_store *)ctx)->size;
}

static int store_truncate(void *ctx, uint64_t size)
{
	struct fuzz_store *s = ctx;

	if (size < s->size)
		store_punch(s, size, s->size - size);
	s->size = size;
	return 0;
}

static bool is_hole(const struct fuzz_store *s, uint64_t number)
{
	const uint8_t *now = page_now(s, number);

	return !now || now == zero_page;
}

static int store_extent(void *ctx, uint64_t offset, uint64_t *length, bool *hole)
{
	const struct fuzz_store *s = ctx;
	uint64_t number = offset / FUZZ_PAGE, end = offset + *length;

	*hole = is_hole(s, number);
	while (++number < FUZZ_PAGES && number * FUZZ_PAGE < end && is_hole(s, number) == *hole)
		;
	*length = (number < FUZZ_PAGES ? xd_min(number * FUZZ_PAGE, end) : end) - offset;
	return 0;
}

static void store_close(void *ctx)
{
	(void)ctx;
}

void fuzz_store_start(struct fuzz_store *s, const struct fuzz_image *base)
{
	static const struct xd_io_ops ops = {
	    .pread = store_pread,
	    .pwrite = store_pwrite,
	    .flush = store_flush,
	    .size = store_size,
	    .truncate = store_truncate,
	    .punch = store_punch,
	    .extent = store_extent,
	    .close = store_close,
	};

	s->base = base;
	s->size = base->size;
	s->io = (struct xd_io){&ops, s};
}

void fuzz_store_end(struct fuzz_store *s)
{
	for (uint32_t i = 0; i < s->touched_count; i++) {
		drop_page(s->page[s->touched[i]]);
		s->page[s->touched[i]] = NULL;
	}
	s->touched_count = 0;
}

static void fix(struct fuzz_store *s, uint64_t offset, uint32_t length)
{
	static uint8_t bytes[VHDX_REGION_TABLE_SIZE];
	uint32_t sum;

	for (uint32_t at = 0; at < length; at += FUZZ_PAGE)
		if (s->page[(offset + at) / FUZZ_PAGE])
			goto changed;
	return;
changed:
	fuzz_store_read(s, offset, bytes, length);
	sum = vhdx_checksum(bytes, length);
	fuzz_store_write(s, offset + 4, &sum, 4);
}

void fuzz_store_fix(struct fuzz_store *s)
{
	fix(s, VHDX_HEADER_OFFSET_1, VHDX_HEADER_SIZE);
	fix(s, VHDX_HEADER_OFFSET_2, VHDX_HEADER_SIZE);
	fix(s, VHDX_REGION_TABLE_1, VHDX_REGION_TABLE_SIZE);
	fix(s, VHDX_REGION_TABLE_2, VHDX_REGION_TABLE_SIZE);
}

/* --- templates ---------------------------------------------------------------------------------------------------------------- */

static void fill_image(struct xd_io *io)
{
	struct xd_open how = {
	    .format = XD_FORMAT_VHDX, .flags = XD_OPEN_WRITE | XD_OPEN_NO_PARENTS, .io = *io};
	struct xd_image *image;
	char text[1024] = "some data";

	MUST(xd_open_with(&how, &image, NULL));
	MUST(xd_write(image, text, sizeof(text), 4096, NULL));
	MUST(xd_write(image, text, sizeof(text), (2 << 20) - 512, NULL));
	MUST(xd_flush(image, NULL));
	MUST(xd_close(image, NULL));
}

static void fill_create(enum fuzz_template which, struct xd_create *create)
{
	static const enum xd_type types[] = {XD_TYPE_DYNAMIC, XD_TYPE_FIXED, XD_TYPE_DIFF};
	static struct fuzz_store parent_store;
	struct xd_open open = {.format = XD_FORMAT_VHDX};

	*create = (struct xd_create){.format = XD_FORMAT_VHDX,
				     .type = types[which],
				     .virtual_size = 4 << 20,
				     .block_size = 1 << 20,
				     .parent_path = "parent.vhdx",
				     .id = (const uint8_t *)"0123456789abcdef"};
	if (which != FUZZ_CHILD)
		return;
	fuzz_store_start(&parent_store, fuzz_template(FUZZ_DYNAMIC));
	open.io = parent_store.io;
	MUST(xd_open_with(&open, &create->parent, NULL));
}

void fuzz_image_from(struct fuzz_image *image, const uint8_t *bytes, size_t size, uint8_t *last)
{
	uint64_t whole = size / FUZZ_PAGE, old = (image->size + FUZZ_PAGE - 1) / FUZZ_PAGE;

	for (uint64_t i = 0; i < whole || i < old; i++)
		image->page[i] = i < whole ? bytes + i * FUZZ_PAGE : NULL;
	if (size % FUZZ_PAGE) {
		memset(last, 0, FUZZ_PAGE);
		memcpy(last, bytes + whole * FUZZ_PAGE, size % FUZZ_PAGE);
		image->page[whole] = last;
	}
	image->size = size;
}

/* The store's pages are the image's from now on. */
static void keep(struct fuzz_store *store, struct fuzz_image *image)
{
	for (uint32_t i = 0; i < store->touched_count; i++) {
		uint32_t number = store->touched[i];

		if (!xd_is_zero(store->page[number], FUZZ_PAGE))
			image->page[number] = store->page[number];
		else
			drop_page(store->page[number]);
		store->page[number] = NULL;
	}
	image->size = store->size;
	store->touched_count = 0;
}

static void make(enum fuzz_template which, struct fuzz_image *image)
{
	static struct fuzz_store store;
	static const struct fuzz_image nothing;
	struct xd_create create;

	fill_create(which, &create);
	fuzz_store_start(&store, &nothing);
	create.io = store.io;
	MUST(xd_create(&create, NULL));
	if (create.parent)
		MUST(xd_close(create.parent, NULL));
	fill_image(&store.io);
	keep(&store, image);
}

const struct fuzz_image *fuzz_template(enum fuzz_template which)
{
	static struct fuzz_image images[FUZZ_TEMPLATES];

	if (!images[which].size)
		make(which, &images[which]);
	return &images[which];
}

#pragma clang attribute pop
