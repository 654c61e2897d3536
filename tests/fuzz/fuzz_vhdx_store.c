/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz_vhdx_store.h"

static void read_page(const struct fuzz_store *s, uint64_t number, uint8_t *to, uint32_t from,
		      uint32_t length)
{
	uint64_t at = number * FUZZ_PAGE + from, have = at < s->base_size ? s->base_size - at : 0;

	if (number < FUZZ_PAGES && s->page[number]) {
		memcpy(to, s->page[number] + from, length);
		return;
	}
	have = xd_min(have, length);
	memcpy(to, s->base + (have ? at : 0), have);
	memset(to + have, 0, length - have);
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

static void set_page(struct fuzz_store *s, uint64_t number, uint8_t *page)
{
	if (!s->page[number])
		s->touched[s->touched_count++] = number;
	else if (s->page[number] != zero_page)
		spare[spare_count++] = s->page[number];
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

		if (part == FUZZ_PAGE && (s->page[number] || offset < s->base_size))
			set_page(s, number, zero_page);
		else if (s->page[number] || offset < s->base_size)
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

static void store_close(void *ctx)
{
	(void)ctx;
}

void fuzz_store_start(struct fuzz_store *s, const uint8_t *base, uint64_t size)
{
	static const struct xd_io_ops ops = {
	    .pread = store_pread,
	    .pwrite = store_pwrite,
	    .flush = store_flush,
	    .size = store_size,
	    .truncate = store_truncate,
	    .punch = store_punch,
	    .close = store_close,
	};

	s->base = base;
	s->base_size = s->size = size;
	s->io = (struct xd_io){&ops, s};
}

void fuzz_store_end(struct fuzz_store *s)
{
	for (uint32_t i = 0; i < s->touched_count; i++) {
		if (s->page[s->touched[i]] != zero_page)
			spare[spare_count++] = s->page[s->touched[i]];
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

static uint8_t *make(enum fuzz_template which, uint64_t *size)
{
	static const enum xd_type types[] = {XD_TYPE_DYNAMIC, XD_TYPE_FIXED, XD_TYPE_DIFF};
	static struct fuzz_store store, parent_store;
	static const uint8_t nothing[1];
	struct xd_create create = {.format = XD_FORMAT_VHDX,
				   .type = types[which],
				   .virtual_size = 4 << 20,
				   .block_size = 1 << 20,
				   .parent_path = "parent.vhdx",
				   .id = (const uint8_t *)"0123456789abcdef"};
	struct xd_open open = {.format = XD_FORMAT_VHDX};
	uint8_t *bytes;

	if (which == FUZZ_CHILD) {
		uint64_t parent_size;
		const uint8_t *parent = fuzz_template(FUZZ_DYNAMIC, &parent_size);

		fuzz_store_start(&parent_store, parent, parent_size);
		open.io = parent_store.io;
		MUST(xd_open_with(&open, &create.parent, NULL));
	}
	fuzz_store_start(&store, nothing, 0);
	create.io = store.io;
	MUST(xd_create(&create, NULL));
	if (create.parent)
		MUST(xd_close(create.parent, NULL));
	fill_image(&store.io);
	bytes = malloc(store.size);
	if (!bytes)
		abort();
	*size = store.size;
	fuzz_store_read(&store, 0, bytes, store.size);
	fuzz_store_end(&store);
	return bytes;
}

const uint8_t *fuzz_template(enum fuzz_template which, uint64_t *size)
{
	static uint8_t *made[FUZZ_TEMPLATES];
	static uint64_t sizes[FUZZ_TEMPLATES];

	if (!made[which])
		made[which] = make(which, &sizes[which]);
	*size = sizes[which];
	return made[which];
}
