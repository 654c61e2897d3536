/* SPDX-License-Identifier: MIT */
/* Where the bytes are, and writing them. */
#include <stdlib.h>

#include "disk/vhdx.h"

#define MAP_BLOCKS 512 /* looked at in one call, so that the lock is not held for long */

/* The kind of a whole block. XD_KIND_DATA with VHDX_BLOCK_PARTIALLY_PRESENT: the bitmap decides. */
static enum xd_kind block_kind(const struct vhdx *v, uint64_t entry)
{
	switch (vhdx_bat_state(entry)) {
	case VHDX_BLOCK_FULLY_PRESENT:
	case VHDX_BLOCK_PARTIALLY_PRESENT: return XD_KIND_DATA;
	case VHDX_BLOCK_NOT_PRESENT: return v->has_parent ? XD_KIND_PARENT : XD_KIND_HOLE;
	/* Undefined and unmapped blocks may read as anything that was theirs; zero is always that. */
	default: return XD_KIND_ZERO;
	}
}

static int block_entry(struct vhdx *v, uint64_t block, uint64_t *entry, struct xd_error *err)
{
	int ret = vhdx_bat_get(v, vhdx_bat_index(v, block), entry, err);

	return ret ? ret : vhdx_bat_validate(v, block, *entry, err);
}

static int map_partial(struct vhdx *v, uint64_t offset, struct xd_run *run, struct xd_error *err)
{
	uint64_t sectors = run->length >> v->sector_shift, found;
	uint64_t skew = offset & ((1u << v->sector_shift) - 1);
	bool set;
	int ret;

	/* 512-byte requests to 4096-byte sectors may start and end within one. */
	if (skew || run->length & ((1u << v->sector_shift) - 1))
		sectors = (skew + run->length + (1u << v->sector_shift) - 1) >> v->sector_shift;
	ret = vhdx_bitmap_run(v, offset >> v->sector_shift, sectors, &set, &found, err);
	if (ret)
		return ret;
	run->length = xd_min(run->length, (found << v->sector_shift) - skew);
	if (!set)
		run->kind = XD_KIND_PARENT;
	return 0;
}

/* Adds the blocks behind the first that go on in the same way. */
static int map_more(struct vhdx *v, uint64_t block, uint64_t first, uint64_t wanted,
		    struct xd_run *run, struct xd_error *err)
{
	for (uint64_t n = 1; run->length < wanted && n < MAP_BLOCKS; n++) {
		uint64_t entry;
		int ret = block_entry(v, block + n, &entry, err);

		/* What is wrong behind the first block is a later call's error. */
		if (ret || block_kind(v, entry) != run->kind)
			break;
		if (run->kind == XD_KIND_DATA &&
		    (vhdx_bat_state(entry) != VHDX_BLOCK_FULLY_PRESENT ||
		     vhdx_bat_offset(entry) != first + n * v->block_size))
			break;
		run->length += xd_min(v->block_size, wanted - run->length);
	}
	return 0;
}

static int map_locked(struct vhdx *v, uint64_t offset, uint64_t length, struct xd_run *run,
		      struct xd_error *err)
{
	uint64_t block = offset >> v->block_shift, in_block = offset & (v->block_size - 1), entry;
	int ret = block_entry(v, block, &entry, err);

	if (ret)
		return ret;
	run->length = xd_min(length, v->block_size - in_block);
	run->kind = block_kind(v, entry);
	if (run->kind == XD_KIND_DATA)
		run->file_offset = vhdx_bat_offset(entry) + in_block;
	if (vhdx_bat_state(entry) == VHDX_BLOCK_PARTIALLY_PRESENT)
		return map_partial(v, offset, run, err);
	return map_more(v, block, vhdx_bat_offset(entry), length, run, err);
}

int vhdx_map(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_run *run,
	     struct xd_error *err)
{
	struct vhdx *v = image->state;
	int ret;

	pthread_mutex_lock(&v->lock);
	ret = map_locked(v, offset, length, run, err);
	pthread_mutex_unlock(&v->lock);
	if (!ret && run->kind == XD_KIND_DATA && v->data_began)
		run->flags |= XD_RUN_IN_PLACE;
	return ret;
}

/* --- blocks that are being made ------------------------------------------------------------------------------------------- */

static struct vhdx_pending *find_pending(struct vhdx *v, uint64_t block)
{
	struct vhdx_pending *p = v->pending;

	while (p && (p->block != block || p->given_up))
		p = p->next;
	return p;
}

void vhdx_give_up_pending(struct vhdx *v, uint64_t block)
{
	struct vhdx_pending *p = find_pending(v, block);

	if (p)
		p->given_up = true;
}

static int join_pending(struct vhdx *v, uint64_t block, uint64_t entry, struct vhdx_pending **out,
			struct xd_error *err)
{
	struct vhdx_pending *p = find_pending(v, block);
	uint64_t kept = vhdx_bat_offset(entry);
	int ret;

	if (p) {
		p->writers++;
		*out = p;
		return 0;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for a new block");
	*p = (struct vhdx_pending){.next = v->pending, .block = block, .writers = 1};
	/* vhdx_space_load() has marked such a place as this block's. */
	if (kept >= VHDX_HEADER_SECTION && kept < v->file_end &&
	    v->block_size <= v->file_end - kept) {
		p->anchored = true;
		p->offset = kept;
		ret = xd_io_zero(v->io, kept, v->block_size, err);
	} else {
		ret = vhdx_space_take(v, v->block_size, &p->offset, err);
	}
	if (ret) {
		free(p);
		return ret;
	}
	v->pending = *out = p;
	return 0;
}

static void leave_pending(struct vhdx *v, struct vhdx_pending *p)
{
	struct vhdx_pending **at = &v->pending;

	if (--p->writers)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (!p->published && !p->anchored)
		vhdx_space_drop(v, p->offset, v->block_size);
	free(p);
}

/* A chunk's bitmap, made where it is missing. */
static int need_bitmap(struct vhdx *v, uint64_t block, struct xd_error *err)
{
	uint64_t index = vhdx_bat_bitmap_index(v, block >> v->chunk_shift), entry, offset;
	int ret = vhdx_bat_get(v, index, &entry, err);

	if (ret || vhdx_bat_state(entry) == VHDX_SB_PRESENT)
		return ret;
	ret = vhdx_space_take(v, VHDX_MIB, &offset, err);
	if (ret)
		return ret;
	vhdx_page_forget(v, offset, VHDX_MIB);
	return vhdx_bat_set(v, index, offset | VHDX_SB_PRESENT, err);
}

static int set_sectors(struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length,
		       struct xd_error *err)
{
	uint64_t from = (block << v->block_shift) + in_block;

	return vhdx_bitmap_set(v, from >> v->sector_shift, length >> v->sector_shift, true, err);
}

static bool covers_block(const struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length)
{
	uint64_t start = block << v->block_shift;

	return !in_block && length == xd_min(v->block_size, v->disk_size - start);
}

/* The data is in p's space: now BAT and bitmap may say so. */
static int publish(struct vhdx *v, struct vhdx_pending *p, uint64_t in_block, uint64_t length,
		   struct xd_error *err)
{
	uint64_t block = p->block, index = vhdx_bat_index(v, block), entry, sectors;
	bool dropped;
	int ret = vhdx_reserve(v, VHDX_MAX_STEP, &dropped, err);

	if (ret || p->given_up || (ret = vhdx_bat_get(v, index, &entry, err)))
		return ret;
	if (vhdx_bat_state(entry) == VHDX_BLOCK_PARTIALLY_PRESENT)
		return set_sectors(v, block, in_block, length, err);
	if (vhdx_bat_state(entry) == VHDX_BLOCK_FULLY_PRESENT)
		return 0;
	if (block_kind(v, entry) == XD_KIND_PARENT && !covers_block(v, block, in_block, length)) {
		sectors = v->block_size >> v->sector_shift;
		if ((ret = need_bitmap(v, block, err)) ||
		    (ret = vhdx_bitmap_set(v, block * sectors, sectors, false, err)) ||
		    (ret = set_sectors(v, block, in_block, length, err)))
			return ret;
		ret = vhdx_bat_set(v, index, p->offset | VHDX_BLOCK_PARTIALLY_PRESENT, err);
	} else {
		ret = vhdx_bat_set(v, index, p->offset | VHDX_BLOCK_FULLY_PRESENT, err);
	}
	p->published = !ret;
	return ret;
}

/* Called and left with the lock held; dropped while the data moves. */
static int write_new(struct vhdx *v, uint64_t block, uint64_t entry, uint64_t in_block,
		     uint64_t length, const struct xd_slice *slice, struct xd_error *err)
{
	struct vhdx_pending *p = NULL;
	int ret = join_pending(v, block, entry, &p, err);

	if (ret)
		return ret;
	if (slice) { /* new space reads as zero already */
		pthread_mutex_unlock(&v->lock);
		ret = xd_io_write_slice(v->io, slice, p->offset + in_block, err);
		pthread_mutex_lock(&v->lock);
	}
	if (!ret)
		ret = publish(v, p, in_block, length, err);
	leave_pending(v, p);
	return ret;
}

/* --- blocks that are there ------------------------------------------------------------------------------------------------ */

static int sectors_set(struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length,
		       bool *all, struct xd_error *err)
{
	uint64_t from = (block << v->block_shift) + in_block, run;
	bool set;
	int ret =
	    vhdx_bitmap_run(v, from >> v->sector_shift, length >> v->sector_shift, &set, &run, err);

	*all = !ret && set && run == length >> v->sector_shift;
	return ret;
}

static int write_place(struct vhdx *v, uint64_t at, uint64_t length, const struct xd_slice *slice,
		       struct xd_error *err)
{
	return slice ? xd_io_write_slice(v->io, slice, at, err)
		     : xd_io_zero(v->io, at, length, err);
}

/* Called and left with the lock held; dropped while the data moves. */
static int write_partial(struct vhdx *v, uint64_t block, uint64_t entry, uint64_t in_block,
			 uint64_t length, const struct xd_slice *slice, struct xd_error *err)
{
	bool all, dropped;
	int ret = sectors_set(v, block, in_block, length, &all, err);

	if (ret)
		return ret;
	pthread_mutex_unlock(&v->lock);
	ret = write_place(v, vhdx_bat_offset(entry) + in_block, length, slice, err);
	pthread_mutex_lock(&v->lock);
	if (ret || all)
		return ret;
	ret = vhdx_reserve(v, VHDX_MAX_STEP, &dropped, err);
	return ret ? ret : set_sectors(v, block, in_block, length, err);
}

int vhdx_write_block(struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length,
		     const struct xd_slice *slice, struct xd_error *err)
{
	unsigned int epoch;
	uint64_t entry;
	bool present;
	int ret;

	pthread_mutex_lock(&v->lock);
	epoch = xd_user_enter(v->image);
	ret = block_entry(v, block, &entry, err);
	present = !ret && vhdx_bat_state(entry) == VHDX_BLOCK_FULLY_PRESENT;
	if (!ret && vhdx_bat_state(entry) == VHDX_BLOCK_PARTIALLY_PRESENT)
		ret = write_partial(v, block, entry, in_block, length, slice, err);
	else if (!ret && !present && (slice || block_kind(v, entry) == XD_KIND_PARENT))
		ret = write_new(v, block, entry, in_block, length, slice, err);
	pthread_mutex_unlock(&v->lock);
	/* The usual case has nothing to record afterwards. */
	if (present)
		ret = write_place(v, vhdx_bat_offset(entry) + in_block, length, slice, err);
	xd_user_leave(v->image, epoch);
	return ret;
}

int vhdx_writev(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		struct xd_error *err)
{
	struct vhdx *v = image->state;
	int ret = vhdx_check_sectors(v, offset, slice->length, err);

	if (!ret)
		ret = vhdx_begin(v, true, err);
	for (size_t at = 0; at < slice->length && !ret;) {
		uint64_t in_block = (offset + at) & (v->block_size - 1);
		size_t part = xd_min(slice->length - at, v->block_size - in_block);
		struct xd_slice piece = xd_slice_part(slice, at, part);

		ret = vhdx_write_block(v, (offset + at) >> v->block_shift, in_block, part, &piece,
				       err);
		at += part;
	}
	return ret;
}
