/* SPDX-License-Identifier: MIT */
/*
 * Compacting: forgets blocks that hold nothing, then moves blocks from the file's end into the gaps. A block is copied, the copy flushed,
 * and only then named by the table; the place it left is not used again before that too is flushed.
 */
#include <stdlib.h>
#include <string.h>

#include "disk/vhd.h"

#define CHUNK (1u << 20)

struct placed {
	uint32_t entry, block;
};

struct work {
	struct xd_image *image;
	const struct xd_progress *progress;
	uint64_t done, total;
	uint8_t *buf;          /* CHUNK bytes */
	struct placed *blocks; /* in file order */
	uint32_t count;
};

static int step(struct work *w, struct xd_error *err)
{
	w->done++;
	if (w->progress && w->progress->fn && w->progress->fn(w->progress->ctx, w->done, w->total))
		return xd_fail(err, XD_E_CANCELLED, XD_NO_OFFSET, "stopped");
	return 0;
}

/* --- blocks that hold nothing ------------------------------------------------------------------------------------------- */

static int reads_zero(struct work *w, uint64_t at, uint64_t length, bool *zero,
		      struct xd_error *err)
{
	*zero = true;
	while (*zero && length) {
		uint64_t n = xd_min(length, CHUNK);
		bool hole;
		int r;

		xd_io_extent(&w->image->io, at, &n, &hole);
		if (!hole && (r = xd_io_read(&w->image->io, w->buf, n, at, err)))
			return r;
		*zero = hole || xd_is_zero(w->buf, n);
		at += n;
		length -= n;
	}
	return 0;
}

/* In a child a block of zeros hides the parent's data: only one without a single sector goes. */
static int holds_nothing(struct work *w, uint32_t block, bool *nothing, struct xd_error *err)
{
	struct vhd *v = vhd_of(w->image);
	uint64_t at = vhd_block_at(vhd_entry(v, block));
	struct vhd_bitmap *bitmap;
	uint32_t sectors = v->block_size / VHD_SECTOR;
	bool set;
	int r;

	if (w->image->type == XD_TYPE_DYNAMIC)
		return reads_zero(w, at + v->bitmap_size, v->block_size, nothing, err);
	*nothing = false;
	if (vhd_is_full(v, block))
		return 0;
	if ((r = vhd_bitmap_get(w->image, block, false, &bitmap, err)))
		return r;
	*nothing = vhd_bitmap_run(vhd_bitmap_bits(bitmap), 0, sectors, &set) == sectors && !set;
	return 0;
}

static int forget_empty(struct work *w, struct xd_error *err)
{
	struct vhd *v = vhd_of(w->image);
	int r = 0;

	for (uint32_t i = 0; !r && i < v->blocks; i++) {
		bool nothing = false;

		if (vhd_entry(v, i) == VHD_NO_BLOCK)
			continue;
		r = holds_nothing(w, i, &nothing, err);
		if (!r && nothing) {
			vhd_cache_drop(v, i);
			vhd_set_full(v, i, false);
			vhd_set_entry(v, i, VHD_NO_BLOCK);
		}
		if (!r)
			r = step(w, err);
	}
	return r ? r : vhd_flush_locked(w->image, err);
}

/* --- gaps --------------------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	uint32_t x = ((const struct placed *)a)->entry, y = ((const struct placed *)b)->entry;

	return x < y ? -1 : x > y;
}

static uint32_t collect(struct vhd *v, struct placed *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < v->blocks; i++)
		if (vhd_entry(v, i) != VHD_NO_BLOCK)
			out[n++] = (struct placed){vhd_entry(v, i), i};
	qsort(out, n, sizeof(*out), by_place);
	return n;
}

static int copy_block(struct work *w, uint64_t from, uint64_t to, struct xd_error *err)
{
	uint64_t left = vhd_block_bytes(vhd_of(w->image));
	int r = 0;

	for (uint64_t n; !r && left; from += n, to += n, left -= n) {
		n = xd_min(left, CHUNK);
		r = xd_io_read(&w->image->io, w->buf, n, from, err);
		if (!r)
			r = xd_is_zero(w->buf, n) ? xd_io_zero(&w->image->io, to, n, err)
						  : xd_io_write(&w->image->io, w->buf, n, to, err);
	}
	return r;
}

/*
 * One pass: walks the gaps from the front and fills each with the blocks from the back, as long as the two do not meet. Gaps are those
 * between blocks as the pass found them: none that this pass makes is used in it. Sets *moved.
 */
static int fill_gaps(struct work *w, uint32_t *moved, struct xd_error *err)
{
	struct vhd *v = vhd_of(w->image);
	uint64_t at = vhd_structures_end(v);
	uint32_t last = w->count;
	int r = 0;

	*moved = 0;
	for (uint32_t i = 0; !r && i < last;) {
		uint64_t place = vhd_place(v, at), next = vhd_block_at(w->blocks[i].entry);

		if (place + vhd_block_bytes(v) > next) {
			at = next + vhd_block_bytes(v);
			i++;
			continue;
		}
		last--;
		r = copy_block(w, vhd_block_at(w->blocks[last].entry), place, err);
		if (!r) {
			vhd_cache_drop(v, w->blocks[last].block);
			vhd_set_entry(v, w->blocks[last].block, place / VHD_SECTOR);
			++*moved;
			r = step(w, err);
		}
		at = place + vhd_block_bytes(v);
	}
	return r;
}

static void find_end(struct vhd *v)
{
	v->data_end = vhd_structures_end(v);
	for (uint32_t i = 0; i < v->blocks; i++)
		if (vhd_entry(v, i) != VHD_NO_BLOCK &&
		    vhd_block_at(vhd_entry(v, i)) + vhd_block_bytes(v) > v->data_end)
			v->data_end = vhd_block_at(vhd_entry(v, i)) + vhd_block_bytes(v);
}

/* The batmap must not call a block full that will be gone. */
static int clear_batmap(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	if (!v->batmap_offset)
		return 0;
	v->batmap_stale = true;
	r = vhd_batmap_create(&image->io, v->batmap_offset, v->batmap_sectors, image->virtual_size,
			      NULL, 0, err);
	return r ? r : xd_io_flush(&image->io, err);
}

static int run(struct work *w, struct xd_error *err)
{
	struct vhd *v = vhd_of(w->image);
	uint32_t moved = 0;
	int r;

	if ((r = vhd_flush_locked(w->image, err)) || (r = clear_batmap(w->image, err)) ||
	    (r = forget_empty(w, err)))
		return r;
	do {
		int flushed;

		w->count = collect(v, w->blocks);
		r = fill_gaps(w, &moved, err);
		flushed = vhd_flush_locked(w->image, err);
		r = r ? r : flushed;
	} while (!r && moved);
	find_end(v);
	v->tail_unknown = true;
	return r ? r : vhd_trim(w->image, err);
}

int vhd_compact(struct xd_image *image, const struct xd_progress *progress, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	struct work w = {image, progress, 0, 0, NULL, NULL, 0};
	int r;

	if (image->type == XD_TYPE_FIXED)
		return 0;
	w.buf = malloc(CHUNK);
	w.blocks = malloc(v->blocks * sizeof(*w.blocks) + 1);
	w.total = v->blocks;
	r = w.buf && w.blocks ? run(&w, err)
			      : xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	free(w.buf);
	free(w.blocks);
	return r;
}
