/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a VHD, opened in every way there is: to read, to check, to repair, to write, resize and compact. The mutator puts the
 * checksums right most of the time and starts from whole images some of the time, so that inputs get past the first check.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk/vhd.h"
#include "tests/fuzz/fuzz_vhdx_store.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static struct fuzz_store store;
static struct xd_error problem;
static int parents; /* opened since the child was */

static void load(const uint8_t *data, size_t size)
{
	static struct fuzz_image image;
	static uint8_t last[FUZZ_PAGE];

	fuzz_store_end(&store);
	fuzz_image_from(&image, data, size, last);
	fuzz_store_start(&store, &image);
}

/* --- the target --------------------------------------------------------------------------------------------------------- */

/* Every name that a child gives for its parent is looked at, and found to be the child's own file: a few times over. */
static int open_parent(void *ctx, const char *path, uint32_t flags, struct xd_io *io,
		       struct xd_error *err)
{
	(void)ctx;
	(void)flags;
	if (strlen(path) >= XD_PATH_MAX)
		abort();
	if (parents++ >= 3)
		return xd_fail(err, XD_E_PARENT, XD_NO_OFFSET, "%s: enough", path);
	*io = store.io;
	return 0;
}

static struct xd_image *open_as(uint32_t flags)
{
	struct xd_open how = {.path = "x/child.vhd",
			      .format = XD_FORMAT_VHD,
			      .flags = flags,
			      .io = store.io,
			      .open_parent = open_parent};
	struct xd_image *image;

	parents = 0;
	return xd_open_with(&how, &image, &problem) ? NULL : image;
}

static void ignore_fact(void *ctx, const struct xd_fact *fact)
{
	(void)ctx;
	if (fact->kind == XD_FACT_STRING && strlen(fact->string) > XD_PATH_MAX)
		abort();
}

/* What is read must be what the map says, and nothing may lie past the disk's end. */
static void look(struct xd_image *image)
{
	static uint8_t buf[65536];
	struct xd_run runs[64];
	uint64_t size = xd_get_size(image), at = 0;
	size_t count = 64;

	xd_read(image, buf, xd_min(size, sizeof(buf)), 0, NULL);
	if (size > sizeof(buf))
		xd_read(image, buf, sizeof(buf), (size - sizeof(buf)) / 512 * 512, NULL);
	xd_map(image, 0, size, 0, runs, &count, NULL);
	for (size_t i = 0; i < count; at += runs[i++].length)
		if (runs[i].offset != at || !runs[i].length || runs[i].length > size - at)
			abort();
	xd_describe(image, ignore_fact, NULL, NULL);
}

static void change(struct xd_image *image)
{
	uint64_t size = xd_get_size(image);
	uint8_t sector[512];

	memset(sector, 0xc3, sizeof(sector));
	for (uint64_t at = 0; at + 512 <= size && at < 8 * 512; at += 3 * 512)
		xd_write(image, sector, sizeof(sector), at, NULL);
	if (size >= 1024)
		xd_zero(image, 512, 512, NULL);
	if (size >= 512)
		xd_discard(image, 0, 512, NULL);
	xd_flush(image, NULL);
	xd_resize(image, size + 512, 0, NULL);
	xd_compact(image, NULL, NULL);
	look(image);
}

static void check(struct xd_image *image, uint32_t flags)
{
	struct xd_check_report report;

	xd_check(image, flags, NULL, NULL, &report, NULL);
}

/* An image that was opened for writing, changed and closed opens again. */
static void write_and_reopen(void)
{
	struct xd_image *image = open_as(XD_OPEN_WRITE | XD_OPEN_NO_PARENTS);
	struct xd_error err;
	int closed;

	if (!image)
		return;
	change(image);
	closed = xd_close(image, &err);
	if (closed)
		return; /* the store is full */
	image = open_as(XD_OPEN_NO_PARENTS);
	if (!image) {
		fprintf(stderr, "does not open again: %s\n", problem.message);
		abort();
	}
	xd_close(image, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t ways[] = {0, XD_OPEN_NO_PARENTS,
					XD_OPEN_LENIENT | XD_OPEN_NO_PARENTS};
	struct xd_image *image;

	load(data, size);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		image = open_as(ways[i]);
		if (!image)
			continue;
		look(image);
		check(image, 0);
		xd_close(image, NULL);
	}
	image = open_as(XD_OPEN_LENIENT | XD_OPEN_NO_PARENTS | XD_OPEN_WRITE);
	if (image) {
		check(image, XD_CHECK_REPAIR | (size & 1 ? XD_CHECK_FROM_COPY : 0));
		xd_close(image, NULL);
	}
	load(data, size);
	write_and_reopen();
	fuzz_store_end(&store);
	return 0;
}

/* --- the mutator -------------------------------------------------------------------------------------------------------- */

static struct vhd_footer make_footer(unsigned kind)
{
	static const char apps[][5] = {"win ", "vpc ", "tap", "qemu"};
	struct vhd_footer f = {
	    .features = vhd_put32(2),
	    .version = vhd_put32(VHD_VERSION_1_0),
	    .data_offset = vhd_put64(kind % 3 ? 512 : VHD_NO_NEXT),
	    .creator_version = vhd_put32(0x00010003),
	    .type = vhd_put32(2 + kind % 3),
	};

	memcpy(f.cookie, "conectix", 8);
	memcpy(f.creator_app, apps[kind / 3 % 4], 4);
	vhd_footer_set_size(&f, kind % 3 ? 8 * 512 : 1024);
	vhd_footer_seal(&f);
	return f;
}

static void make_header(uint8_t *out, bool child)
{
	struct vhd_header h = {
	    .data_offset = vhd_put64(VHD_NO_NEXT),
	    .table_offset = vhd_put64(1536),
	    .version = vhd_put32(VHD_VERSION_1_0),
	    .max_table_entries = vhd_put32(8),
	    .block_size = vhd_put32(512),
	};
	static const uint8_t name[] = "p\0.\0v\0h\0d";

	memcpy(h.cookie, "cxsparse", 8);
	if (child) {
		h.locator[0] = (struct vhd_locator){.platform = vhd_put32(VHD_PLATFORM_W2RU),
						    .data_space = vhd_put32(64),
						    .data_length = vhd_put32(sizeof(name)),
						    .data_offset = vhd_put64(1984)};
		memcpy(out + 1984, name, sizeof(name));
	}
	vhd_header_seal(&h);
	memcpy(out + 512, &h, sizeof(h));
}

/* A whole image of at most 3,584 bytes: one block of eight is there. */
static size_t make_image(uint8_t *out, unsigned kind)
{
	struct vhd_footer f = make_footer(kind);
	struct be32 first = vhd_put32(2048 / 512);

	memset(out, 0, 3584);
	if (kind % 3 == 0) {
		memcpy(out + 1024, &f, sizeof(f));
		return 1536;
	}
	memcpy(out, &f, sizeof(f));
	make_header(out, kind % 3 == 2);
	memset(out + 1536, 0xff, 32);
	memcpy(out + 1536 + 4 * (kind % 8), &first, 4);
	out[2048] = kind & 1 ? 0x80 : 0;
	memcpy(out + 3072, &f, sizeof(f));
	return 3584;
}

static void seal(uint8_t *data, size_t size)
{
	struct vhd_footer *head = (void *)data, *tail = (void *)(data + size - sizeof(*tail));

	if (size < sizeof(*tail))
		return;
	vhd_footer_seal(tail);
	if (size < sizeof(*head) + sizeof(struct vhd_header) + sizeof(*tail))
		return;
	vhd_footer_seal(head);
	vhd_header_seal((void *)(data + sizeof(*head)));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	if (max_size >= 4096 && (size < 512 || seed % 64 == 0))
		size = make_image(data, seed >> 8);
	size = LLVMFuzzerMutate(data, size, max_size);
	/* Only where the cookies are: noise stays noise. */
	if (seed % 8 && size >= 512 &&
	    (!memcmp(data, "conectix", 8) || !memcmp(data + size - 512, "conectix", 8)))
		seal(data, size);
	return size;
}
