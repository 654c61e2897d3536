/* SPDX-License-Identifier: MIT */
/*
 * A valid image with changes anywhere in its structures: opening, looking, checking, repairing, writing. The input is one byte that
 * chooses the template and what happens, then changes: a place (one byte), an offset there (two), how many bytes (one), and the
 * bytes. Checksums are put right afterwards.
 */
#include "tests/fuzz/fuzz_vhdx_store.h"

static const uint64_t places[] = {
    VHDX_FILE_ID_OFFSET,
    VHDX_HEADER_OFFSET_1,
    VHDX_HEADER_OFFSET_2,
    VHDX_REGION_TABLE_1,
    VHDX_REGION_TABLE_2,
    1 << 20 /* log */,
    2 << 20 /* metadata */,
    (2 << 20) + (64 << 10),
    (2 << 20) + (68 << 10) /* locator */,
    3 << 20 /* BAT */,
    (3 << 20) + 4096 * 8 /* bitmap entry of the first chunk */,
    4 << 20,
    5 << 20,
    6 << 20,
};

static void change(struct fuzz_store *store, const uint8_t *data, size_t size)
{
	while (size > 4) {
		uint64_t at = places[data[0] % (sizeof(places) / sizeof(places[0]))] +
			      (data[1] | data[2] << 8) % 8192;
		size_t length = xd_min(1 + data[3] % 64, size - 4);

		fuzz_store_write(store, at, data + 4, length);
		data += 4 + length;
		size -= 4 + length;
	}
	fuzz_store_fix(store);
}

static void fact(void *ctx, const struct xd_fact *fact)
{
	*(uint64_t *)ctx += fact->kind == XD_FACT_STRING ? strlen(fact->string) : fact->number;
}

static void finding(void *ctx, const struct xd_finding *found)
{
	*(uint64_t *)ctx += strlen(found->message);
}

static void look(struct xd_image *image)
{
	static uint8_t buf[16384];
	struct xd_run runs[8];
	struct xd_info info;
	uint64_t size = xd_get_size(image), sum = 0;
	size_t count = 8;

	xd_get_info(image, &info);
	xd_describe(image, fact, &sum, NULL);
	xd_map(image, 0, size, XD_MAP_SHALLOW, runs, &count, NULL);
	xd_read(image, buf, xd_min(sizeof(buf), size), 0, NULL);
	if (size > sizeof(buf))
		xd_read(image, buf, sizeof(buf), (size - sizeof(buf)) & ~511ull, NULL);
}

static void work(struct xd_image *image, uint8_t what)
{
	static const uint8_t buf[8192] = {1, 2, 3};
	uint64_t size = xd_get_size(image) & ~4095ull;

	if (size < sizeof(buf))
		return;
	xd_write(image, buf, sizeof(buf), 0, NULL);
	xd_write(image, buf, sizeof(buf), size - sizeof(buf), NULL);
	xd_zero(image, 0, xd_min(size, 2 << 20), NULL);
	xd_write(image, buf, sizeof(buf), size / 2 & ~4095ull, NULL);
	xd_flush(image, NULL);
	xd_discard(image, 0, xd_min(size, 8 << 20), NULL);
	/* Not on a disk whose BAT takes long to walk. */
	if (what & 8 && size < 1ull << 32)
		xd_resize(image, what & 16 ? size + (5 << 20) : size / 2 & ~4095ull,
			  XD_RESIZE_SHRINK, NULL);
	/* Walks a child's BAT entry by entry: one input in eight. */
	if ((what & 56) == 32 && size < 1ull << 26)
		xd_compact(image, NULL, NULL);
}

static void check(struct xd_image *image, uint32_t flags)
{
	struct xd_check_report report = {0};
	uint64_t sum = 0;

	if (xd_get_size(image) < 1ull << 40)
		xd_check(image, flags, finding, &sum, &report, NULL);
}

static void open_and(struct fuzz_store *store, uint32_t flags, uint8_t what)
{
	struct xd_open how = {
	    .format = XD_FORMAT_VHDX, .flags = flags | XD_OPEN_NO_PARENTS, .io = store->io};
	struct xd_image *image;

	if (xd_open_with(&how, &image, NULL))
		return;
	look(image);
	if (flags & XD_OPEN_LENIENT)
		check(image, flags & XD_OPEN_WRITE ? XD_CHECK_REPAIR : 0);
	if (flags & XD_OPEN_WRITE)
		work(image, what);
	xd_close(image, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_store store;

	if (size < 2)
		return 0;
	fuzz_store_start(&store, fuzz_template(data[0] % FUZZ_TEMPLATES));
	change(&store, data + 2, size - 2);
	if (data[1] & 1)
		store.size -= (data[1] >> 1) * 65536ull % store.size;
	switch (data[0] >> 6) {
	case 0: open_and(&store, 0, data[0]); break;
	case 1: open_and(&store, XD_OPEN_LENIENT, data[0]); break;
	case 2: open_and(&store, XD_OPEN_WRITE, data[0]); break;
	case 3:
		open_and(&store, XD_OPEN_WRITE | XD_OPEN_LENIENT, data[0]);
		open_and(&store, 0, data[0]);
	}
	fuzz_store_end(&store);
	return 0;
}
