/* SPDX-License-Identifier: MIT */
/*
 * Zeroing and discarding. A whole block gives its space back: ZERO promises zeros, UNMAPPED leaves the content open (§2.5.1.1),
 * and neither lets a parent's data through. The space is used again only after the commit that says so, and after the last write
 * that may still be on its way there: as with any disk, a discard and a write or a read of one range at the same time leave that
 * range, and only it, undefined.
 */
#include "disk/vhdx.h"

int vhdx_check_sectors(const struct vhdx *v, uint64_t offset, uint64_t length, struct xd_error *err)
{
	uint64_t mask = (1u << v->sector_shift) - 1;

	if (!((offset | length) & mask))
		return 0;
	return xd_fail(err, XD_E_RANGE, XD_NO_OFFSET,
		       "%llu bytes at %llu: not whole sectors of this disk, which are %u bytes",
		       (unsigned long long)length, (unsigned long long)offset,
		       1u << v->sector_shift);
}

/* With a parent, NOT_PRESENT is not zero. */
static bool needs_state(const struct vhdx *v, uint64_t entry, uint32_t state)
{
	if (vhdx_bat_has_data(entry))
		return true;
	return state == VHDX_BLOCK_ZERO && vhdx_bat_state(entry) != VHDX_BLOCK_ZERO &&
	       (v->has_parent || vhdx_bat_state(entry) != VHDX_BLOCK_NOT_PRESENT);
}

static int give_block(struct vhdx *v, uint64_t block, uint32_t state, struct xd_error *err)
{
	uint64_t index = vhdx_bat_index(v, block), entry;
	bool dropped;
	int ret;

	pthread_mutex_lock(&v->lock);
	ret = vhdx_reserve(v, 1, &dropped, err);
	if (!ret)
		ret = vhdx_bat_get(v, index, &entry, err);
	if (!ret)
		ret = vhdx_bat_validate(v, block, entry, err);
	if (!ret && needs_state(v, entry, state)) {
		/* A place kept by a block without data stays kept. */
		uint64_t kept = vhdx_bat_has_data(entry) ? 0 : vhdx_bat_offset(entry);

		ret = vhdx_bat_set(v, index, kept | state, err);
		if (!ret && vhdx_bat_has_data(entry))
			vhdx_give_up_pending(v, block);
		if (!ret && vhdx_bat_has_data(entry))
			ret = vhdx_space_give(v, vhdx_bat_offset(entry), v->block_size, err);
	}
	pthread_mutex_unlock(&v->lock);
	return ret;
}

/* A hole in data that stays; nothing where the store cannot make one, or where the parent shows through. */
static int punch_part(struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length,
		      struct xd_error *err)
{
	unsigned int epoch;
	uint64_t entry;
	int ret;

	pthread_mutex_lock(&v->lock);
	epoch = xd_user_enter(v->image);
	ret = vhdx_bat_get(v, vhdx_bat_index(v, block), &entry, err);
	if (!ret)
		ret = vhdx_bat_validate(v, block, entry, err);
	pthread_mutex_unlock(&v->lock);
	if (!ret && vhdx_bat_state(entry) == VHDX_BLOCK_FULLY_PRESENT)
		ret = xd_io_discard(v->io, vhdx_bat_offset(entry) + in_block, length, err);
	xd_user_leave(v->image, epoch);
	return ret;
}

typedef int (*piece_fn)(struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length,
			bool whole, struct xd_error *err);

static int for_each_piece(struct vhdx *v, uint64_t offset, uint64_t length, piece_fn fn,
			  struct xd_error *err)
{
	int ret = vhdx_check_sectors(v, offset, length, err);

	if (!ret)
		ret = vhdx_begin(v, true, err);
	while (length && !ret) {
		uint64_t block = offset >> v->block_shift, in_block = offset & (v->block_size - 1);
		uint64_t part = xd_min(length, v->block_size - in_block);
		bool whole = !in_block && (part == v->block_size || offset + part == v->disk_size);

		ret = fn(v, block, in_block, part, whole, err);
		offset += part;
		length -= part;
	}
	return ret;
}

static int zero_piece(struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length,
		      bool whole, struct xd_error *err)
{
	if (whole && !v->fixed)
		return give_block(v, block, VHDX_BLOCK_ZERO, err);
	return vhdx_write_block(v, block, in_block, length, NULL, err);
}

static int discard_piece(struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length,
			 bool whole, struct xd_error *err)
{
	if (whole)
		return give_block(v, block, VHDX_BLOCK_UNMAPPED, err);
	return punch_part(v, block, in_block, length, err);
}

int vhdx_zero(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	return for_each_piece(image->state, offset, length, zero_piece, err);
}

int vhdx_discard(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	struct vhdx *v = image->state;
	uint64_t mask = (1u << v->sector_shift) - 1, end = (offset + length) & ~mask;

	/* Only whole sectors, and nothing at all of a disk whose space is to stay set aside. */
	offset = (offset + mask) & ~mask;
	if (v->fixed || offset >= end)
		return 0;
	return for_each_piece(v, offset, end - offset, discard_piece, err);
}
