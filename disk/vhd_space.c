/* SPDX-License-Identifier: MIT */
/* Space in the file: new blocks, the footer's moves, and the order in which all that reaches the disk. */
#include <string.h>

#include "disk/vhd.h"

#define MIN_SLACK (4ull << 20)
#define MAX_SLACK (256ull << 20)

int vhd_barrier(struct xd_image *image, struct xd_error *err)
{
	return image->flags & XD_OPEN_NO_BARRIER ? 0 : xd_io_flush(&image->io, err);
}

static int write_footer(struct xd_image *image, uint64_t at, struct xd_error *err)
{
	return xd_io_write(&image->io, &vhd_of(image)->footer, sizeof(struct vhd_footer), at, err);
}

int vhd_footers_write(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	if ((r = write_footer(image, v->footer_at, err)) || (r = xd_io_flush(&image->io, err)))
		return r;
	if ((r = write_footer(image, 0, err)) || (r = xd_io_flush(&image->io, err)))
		return r;
	v->head_bad = false;
	return 0;
}

int vhd_trim(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	if (v->fixed_store || (v->footer_at == v->data_end && !v->tail_unknown))
		return 0;
	if ((r = write_footer(image, v->data_end, err)) || (r = vhd_barrier(image, err)) ||
	    (r = xd_io_truncate(&image->io, v->data_end + sizeof(v->footer), err)))
		return r;
	v->footer_at = v->data_end;
	v->tail_unknown = false;
	return xd_io_flush(&image->io, err);
}

/* A block device cannot be cut: what may hold anything is written over. */
static int clear_tail(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	if (!v->tail_unknown)
		return 0;
	if (!v->fixed_store)
		return vhd_trim(image, err);
	r = v->footer_at > v->data_end
		? xd_io_zero(&image->io, v->data_end, v->footer_at - v->data_end, err)
		: 0;
	if (!r)
		v->tail_unknown = false;
	return r;
}

/* Bigger files take bigger steps, so the barriers get rarer. */
static uint64_t slack(uint64_t end)
{
	uint64_t s = end / 8;

	return s < MIN_SLACK ? MIN_SLACK : s > MAX_SLACK ? MAX_SLACK : s;
}

int vhd_grow(struct xd_image *image, uint64_t end, struct xd_error *err)
{
	static const uint8_t zero[sizeof(struct vhd_footer)];
	struct vhd *v = vhd_of(image);
	uint64_t old, next;
	int r;

	if ((r = clear_tail(image, err)))
		return r;
	if (end <= v->footer_at)
		return 0;
	if (v->fixed_store)
		return xd_fail(err, XD_E_LIMIT, v->footer_at, "the block device is full");
	old = v->footer_at;
	next = xd_align_up(end + slack(end), VHD_ALIGN);
	/* The gap between the two reads as zero, by the store's promise for writes past its end. */
	if ((r = write_footer(image, next, err)) || (r = vhd_barrier(image, err)) ||
	    (r = xd_io_write(&image->io, zero, sizeof(zero), old, err))) {
		v->tail_unknown = true; /* a footer may lie in the space of blocks to come */
		return r;
	}
	v->footer_at = next;
	return 0;
}

uint64_t vhd_place(const struct vhd *v, uint64_t from)
{
	return xd_align_up(from + v->bitmap_size, VHD_ALIGN) - v->bitmap_size;
}

/* A dynamic disk's new block is marked filled at once: it reads as zero. Readers that do not look at bitmaps agree then. */
static int mark_filled(struct xd_image *image, uint32_t block, uint64_t at, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint8_t ones[4096];
	int r = 0;

	memset(ones, 0xff, sizeof(ones));
	for (uint32_t n, done = 0; !r && done < v->bitmap_size; done += n) {
		n = xd_min(sizeof(ones), v->bitmap_size - done);
		r = xd_io_write(&image->io, ones, n, at + done, err);
	}
	if (!r)
		vhd_set_full(v, block, true);
	return r;
}

int vhd_alloc(struct xd_image *image, uint32_t block, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t at = vhd_place(v, v->data_end), end = at + vhd_block_bytes(v);
	struct vhd_bitmap *fresh;
	int r;

	if (at / VHD_SECTOR >= VHD_NO_BLOCK)
		return xd_fail(err, XD_E_LIMIT, at,
			       "the file would pass the 2 TiB that the table can address");
	if ((end > v->footer_at || v->tail_unknown) && (r = vhd_grow(image, end, err)))
		return r;
	if (image->type == XD_TYPE_DIFF)
		r = vhd_bitmap_get(image, block, true, &fresh, err);
	else
		r = mark_filled(image, block, at, err);
	if (r)
		return r;
	vhd_set_entry(v, block, at / VHD_SECTOR);
	v->data_end = end;
	return 0;
}

int vhd_header_write(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	vhd_header_seal(&v->header);
	/* Everything that changes here, sum included, is in the first sector. */
	r = xd_io_write(&image->io, &v->header, VHD_SECTOR, vhd_get64(v->footer.data_offset), err);
	if (!r)
		r = xd_io_flush(&image->io, err);
	if (!r)
		v->header_due = false;
	return r;
}

/*
 * Everything that was written so far becomes stable before the bits and entries that make it visible are written: so a cut
 * leaves each sector old or new, and no entry names a block whose bitmap is not there.
 */
int vhd_flush_locked(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	/* What goes into the table counts only when the file's header names it. */
	if (v->header_due && (r = vhd_header_write(image, err)))
		return r;
	if (atomic_load(&v->dirty)) {
		if ((r = vhd_barrier(image, err)) || (r = vhd_bitmaps_write(image, err)) ||
		    (r = vhd_table_write(image, err)))
			return r;
		atomic_store(&v->dirty, false);
	}
	return xd_io_flush(&image->io, err);
}
