/* SPDX-License-Identifier: MIT */
/*
 * Mapping and writing. A block that is there and full needs no lock: entries only go from absent to present while I/O runs, and a
 * block's full mark only from clear to set.
 */
#include <stdlib.h>

#include "disk/vhd.h"

static enum xd_kind absent(const struct xd_image *image)
{
	return image->type == XD_TYPE_DIFF ? XD_KIND_PARENT : XD_KIND_HOLE;
}

/* Absent blocks in a row are one run. */
static uint64_t absent_run(const struct vhd *v, uint32_t block, uint64_t in_block, uint64_t length)
{
	uint64_t end = v->block_size - in_block;

	while (end < length && vhd_entry(v, ++block) == VHD_NO_BLOCK)
		end += v->block_size;
	return xd_min(end, length);
}

/* Cuts *length to the sectors that have the first one's bit, and says which bit. */
static int bitmap_run(struct xd_image *image, uint32_t block, uint64_t in_block, uint64_t *length,
		      bool *set, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	struct vhd_bitmap *bitmap;
	uint32_t n, sectors = (*length + VHD_SECTOR - 1) / VHD_SECTOR;
	int r;

	pthread_mutex_lock(&v->lock);
	r = vhd_bitmap_get(image, block, false, &bitmap, err);
	if (!r) {
		n = vhd_bitmap_run(vhd_bitmap_bits(bitmap), in_block / VHD_SECTOR, sectors, set);
		*length = xd_min(*length, (uint64_t)n * VHD_SECTOR);
		if (*set && n == v->block_size / VHD_SECTOR) {
			vhd_set_full(v, block, true);
			vhd_cache_drop(v, block);
		}
	}
	pthread_mutex_unlock(&v->lock);
	return r;
}

static void data_run(struct xd_image *image, uint64_t file_offset, uint64_t length,
		     struct xd_run *run)
{
	run->kind = XD_KIND_DATA;
	run->file_offset = file_offset;
	run->length = length;
	run->flags = image->flags & XD_OPEN_WRITE ? XD_RUN_IN_PLACE : 0;
}

int vhd_map(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_run *run,
	    struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint32_t block = offset >> v->block_shift, entry;
	uint64_t in_block = offset & (v->block_size - 1);
	bool set = true;
	int r = 0;

	if (image->type == XD_TYPE_FIXED) {
		data_run(image, offset, length, run);
		return 0;
	}
	entry = vhd_entry(v, block);
	if (entry == VHD_NO_BLOCK) {
		run->kind = absent(image);
		run->length = absent_run(v, block, in_block, length);
		return 0;
	}
	length = xd_min(length, v->block_size - in_block);
	if (!vhd_is_full(v, block))
		r = bitmap_run(image, block, in_block, &length, &set, err);
	if (r)
		return r;
	data_run(image, vhd_block_at(entry) + v->bitmap_size + in_block, length, run);
	if (!set) {
		run->kind = image->type == XD_TYPE_DIFF ? XD_KIND_PARENT : XD_KIND_ZERO;
		run->flags = 0;
	}
	return 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

/* Finds or makes the block; *at is where its data begins. */
static int have_block(struct xd_image *image, uint32_t block, uint64_t *at, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r = 0;

	if (vhd_entry(v, block) == VHD_NO_BLOCK) {
		pthread_mutex_lock(&v->lock);
		if (vhd_entry(v, block) == VHD_NO_BLOCK)
			r = vhd_alloc(image, block, err);
		pthread_mutex_unlock(&v->lock);
	}
	*at = vhd_block_at(vhd_entry(v, block)) + v->bitmap_size;
	return r;
}

/* The data is written: from the next flush on the bitmap may say so. */
static int mark_present(struct xd_image *image, uint32_t block, uint64_t in_block, uint64_t length,
			struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	struct vhd_bitmap *bitmap;
	int r;

	if (vhd_is_full(v, block))
		return 0;
	pthread_mutex_lock(&v->lock);
	r = vhd_bitmap_get(image, block, false, &bitmap, err);
	if (!r)
		vhd_bitmap_set(v, bitmap, in_block / VHD_SECTOR,
			       (length + VHD_SECTOR - 1) / VHD_SECTOR);
	pthread_mutex_unlock(&v->lock);
	return r;
}

static int write_block(struct xd_image *image, const struct xd_slice *part, uint64_t offset,
		       struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint32_t block = offset >> v->block_shift;
	uint64_t in_block = offset & (v->block_size - 1), at;
	int r;

	if ((r = have_block(image, block, &at, err)) ||
	    (r = xd_io_write_slice(&image->io, part, at + in_block, err)))
		return r;
	return mark_present(image, block, in_block, part->length, err);
}

int vhd_writev(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
	       struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r = 0;

	if (image->type == XD_TYPE_FIXED)
		return xd_io_write_slice(&image->io, slice, offset, err);
	for (uint64_t at = 0, n; !r && at < slice->length; at += n) {
		struct xd_slice part;

		n = xd_min(slice->length - at,
			   v->block_size - ((offset + at) & (v->block_size - 1)));
		part = xd_slice_part(slice, at, n);
		r = write_block(image, &part, offset + at, err);
	}
	return r;
}

/* --- zeroing ------------------------------------------------------------------------------------------------------------ */

static int zero_block(struct xd_image *image, uint64_t offset, uint64_t length,
		      struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint32_t block = offset >> v->block_shift;
	uint64_t in_block = offset & (v->block_size - 1), at;
	int r;

	if (image->type == XD_TYPE_DYNAMIC && vhd_entry(v, block) == VHD_NO_BLOCK)
		return 0;
	if ((r = have_block(image, block, &at, err)) ||
	    (r = xd_io_zero(&image->io, at + in_block, length, err)))
		return r;
	return mark_present(image, block, in_block, length, err);
}

int vhd_zero(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r = 0;

	if (image->type == XD_TYPE_FIXED)
		return xd_io_zero(&image->io, offset, length, err);
	for (uint64_t n; !r && length; offset += n, length -= n) {
		n = xd_min(length, v->block_size - (offset & (v->block_size - 1)));
		r = zero_block(image, offset, n, err);
	}
	return r;
}

/* Only what this layer stores can be given back; a child's other sectors stay as they are. */
static int each_stored(struct xd_image *image, uint64_t offset, uint64_t length,
		       int (*fn)(const struct xd_io *io, uint64_t offset, uint64_t length,
				 struct xd_error *err),
		       struct xd_error *err)
{
	int r = 0;

	while (!r && length) {
		struct xd_run run = {.offset = offset, .length = length};

		r = vhd_map(image, offset, length, &run, err);
		if (!r && run.kind == XD_KIND_DATA)
			r = fn(&image->io, run.file_offset, run.length, err);
		offset += run.length;
		length -= run.length;
	}
	return r;
}

int vhd_discard(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	return each_stored(image, offset, length, xd_io_discard, err);
}

int vhd_clear(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	return each_stored(image, offset, length, xd_io_zero, err);
}

int vhd_flush(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	if (image->type == XD_TYPE_FIXED || !atomic_load(&v->dirty))
		return xd_io_flush(&image->io, err);
	pthread_mutex_lock(&v->lock);
	r = vhd_flush_locked(image, err);
	pthread_mutex_unlock(&v->lock);
	return r;
}
