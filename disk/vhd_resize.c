/* SPDX-License-Identifier: MIT */
/* Resizing, and room for a longer table. */
#include <string.h>

#include "disk/vhd.h"

static int store_size(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	const struct vhd_footer was = v->footer;
	enum vhd_size_rule was_rule = v->size_rule;
	int r;

	vhd_footer_set_size(&v->footer, size);
	/* Where the geometry counted and cannot express the new size, current_size has to. */
	if (vhd_disk_size(&v->footer) != size)
		memcpy(v->footer.creator_app, "win ", 4);
	v->size_rule = vhd_size_rule(&v->footer);
	vhd_footer_seal(&v->footer);
	if (image->type == XD_TYPE_FIXED) {
		r = xd_io_write(&image->io, &v->footer, sizeof(v->footer), v->footer_at, err);
		if (!r)
			r = xd_io_flush(&image->io, err);
	} else {
		r = vhd_footers_write(image, err);
	}
	if (!r) {
		image->virtual_size = size;
		return 0;
	}
	/* Footers to come tell the size that the disk still has. */
	v->footer = was;
	v->size_rule = was_rule;
	return r;
}

/* --- fixed -------------------------------------------------------------------------------------------------------------- */

/*
 * The new footer is there before the old one goes. What a shorter disk loses is zeroed only when it cannot come back. A longer one
 * gets zeros, whatever lay behind the old footer.
 */
static int resize_fixed(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t old = v->footer_at, was = image->virtual_size, end;
	int r = xd_io_size(&image->io, &end, err);

	if (r)
		return r;
	v->footer_at = size;
	if ((r = store_size(image, size, err))) {
		/* What lies there is the old one's place still: the next resize is to clear it. */
		v->footer_at = old;
		return r;
	}
	if ((r = xd_io_truncate(&image->io, size + sizeof(v->footer), err)))
		return r;
	if (size > was && old < size)
		r = xd_io_zero(&image->io, old, xd_min(end, size) - old, err);
	return r ? r : xd_io_flush(&image->io, err);
}

/* --- dynamic and differencing ------------------------------------------------------------------------------------------- */

/*
 * Writes the whole table to a new place behind the data and then has the header name that. The old place is left. Whether a header
 * whose write failed is in the file is not known: both tables say the same, and the next flush names the new one before it changes it.
 */
static int move_table(struct xd_image *image, uint32_t old_blocks, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t at = xd_align_up(v->data_end, VHD_SECTOR), end = at + vhd_table_bytes(v->blocks),
		 batmap = 0;
	uint64_t old_table = v->bat_offset;
	uint32_t sectors = vhd_batmap_sectors(v->blocks);
	int r;

	if (v->batmap_offset) {
		batmap = end;
		end += sizeof(struct vhd_batmap_header) + (uint64_t)sectors * VHD_SECTOR;
	}
	if ((r = vhd_grow(image, end, err))) {
		/* More than the old place has room for: a flush would write over what follows it. */
		v->blocks = old_blocks;
		return r;
	}
	v->bat_offset = at;
	memset(v->bat_dirty, 0xff, vhd_table_bytes(v->blocks) / VHD_SECTOR / 8 + 1);
	r = vhd_table_write(image, err);
	if (!r && batmap)
		r = vhd_batmap_create(&image->io, batmap, sectors, image->virtual_size, NULL, 0,
				      err);
	if (!r)
		r = xd_io_flush(&image->io, err);
	if (r) {
		v->bat_offset = old_table;
		v->blocks = old_blocks;
		v->tail_unknown = true; /* some of it may lie in the space of blocks to come */
		return r;
	}
	v->header.table_offset = vhd_put64(at);
	v->header.max_table_entries = vhd_put32(v->blocks);
	v->room = v->blocks;
	v->batmap_offset = batmap;
	v->batmap_sectors = sectors;
	v->batmap_stale = batmap;
	v->data_end = end;
	v->header_due = true;
	return vhd_header_write(image, err);
}

/* What the last block holds past a disk's new end must not come back should it grow again. */
static int clear_past_end(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t end = xd_min(xd_align_up(size, v->block_size), image->virtual_size);

	return end > size ? vhd_clear(image, size, end - size, err) : 0;
}

static int shrink_table(struct xd_image *image, uint32_t blocks, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);

	for (uint32_t i = blocks; i < v->blocks; i++)
		if (vhd_entry(v, i) != VHD_NO_BLOCK) {
			vhd_cache_drop(v, i);
			vhd_set_full(v, i, false);
			vhd_set_entry(v, i, VHD_NO_BLOCK);
		}
	return vhd_flush_locked(image, err);
}

/*
 * A parent that was longer than its child must not show through where the child grew. Only zeros in blocks of the child's own can hide
 * it. They are there before the footers tell the new size: a cut in between leaves blocks past the disk's end, which the next growth
 * forgets.
 */
static int hide_parent(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	uint64_t from = image->virtual_size, end;
	int r;

	if (image->type != XD_TYPE_DIFF)
		return 0;
	/* A raw parent may end within a sector. */
	end = xd_min(xd_align_up(xd_get_size(image->parent), VHD_SECTOR), size);
	if (end <= from)
		return 0;
	r = vhd_zero(image, from, end - from, err);
	return r ? r : vhd_flush_locked(image, err);
}

static uint32_t blocks_of(const struct vhd *v, uint64_t size)
{
	return (size + v->block_size - 1) >> v->block_shift;
}

/* Growth that failed may have left blocks past the disk's end. They are not to be there when the disk gets that far. */
static int forget_past_end(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint32_t blocks = blocks_of(v, image->virtual_size);
	int r;

	if (v->blocks == blocks)
		return 0;
	/* One footer may tell the size that the disk did not get, and must not while those blocks are gone. */
	if ((r = vhd_footers_write(image, err)) || (r = shrink_table(image, blocks, err)))
		return r;
	return vhd_table_resize(v, blocks, err);
}

static int resize_sparse(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint32_t blocks = blocks_of(v, size), old;
	int r;

	if (blocks > XD_MAX_TABLE_BYTES / 8)
		return xd_fail(err, XD_E_LIMIT, XD_NO_OFFSET,
			       "blocks too small for a disk of this size");
	if (size > image->virtual_size && image->type == XD_TYPE_DIFF && !image->parent)
		return xd_fail(err, XD_E_PARENT, XD_NO_OFFSET,
			       "how much of the parent would show in the bigger disk is not "
			       "known: the parent is not open");
	if ((r = vhd_flush_locked(image, err)) || (r = forget_past_end(image, err)))
		return r;
	if (size < image->virtual_size) {
		/* The footer first: a cut in between leaves blocks that nobody asks for. */
		uint64_t was = image->virtual_size;

		if ((r = store_size(image, size, err)))
			return r;
		image->virtual_size = was;
		r = clear_past_end(image, size, err);
		image->virtual_size = size;
		if (r || (r = shrink_table(image, blocks, err)))
			return r;
		return vhd_table_resize(v, blocks, err);
	}
	old = v->blocks;
	if ((r = vhd_table_resize(v, blocks, err)))
		return r;
	/* What the file's table has there now is nobody's word. */
	for (uint32_t i = old; i < blocks; i++)
		vhd_set_entry(v, i, VHD_NO_BLOCK);
	r = blocks > v->room ? move_table(image, old, err) : vhd_flush_locked(image, err);
	if (r || (r = hide_parent(image, size, err)))
		return r;
	v->batmap_stale = v->batmap_offset != 0; /* its sum depends on the disk's size */
	return store_size(image, size, err);
}

int vhd_resize(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	if (!size || size % VHD_SECTOR)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "the size is no whole number of sectors");
	if (size > VHD_MAX_SIZE)
		return xd_fail(err, XD_E_LIMIT, XD_NO_OFFSET, "VHD holds at most 2040 GiB");
	return image->type == XD_TYPE_FIXED ? resize_fixed(image, size, err)
					    : resize_sparse(image, size, err);
}
