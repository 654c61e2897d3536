/* SPDX-License-Identifier: MIT */
/*
 * Making the file smaller: blocks that hold nothing are given up, blocks at the end of the file move into gaps further down, the
 * tail is cut off. No guest could see a difference, so the data write GUID stays and children stay valid. Each step is complete
 * at any commit; the image is quiet meanwhile.
 */
#include <stdlib.h>

#include "disk/vhdx.h"

struct compact {
	struct vhdx *v;
	const struct xd_progress *progress;
	uint64_t done, total;
	uint64_t goal;  /* bytes: where the file should end */
	uint8_t *piece; /* VHDX_MIB */
};

static int tick(struct compact *c, struct xd_error *err)
{
	c->done++;
	if (c->progress && c->progress->fn && c->progress->fn(c->progress->ctx, c->done, c->total))
		return xd_fail(err, XD_E_CANCELLED, XD_NO_OFFSET, "stopped");
	return 0;
}

/* --- giving up ------------------------------------------------------------------------------------------------------------ */

static int block_is_zero(struct compact *c, uint64_t offset, bool *zero, struct xd_error *err)
{
	uint64_t end = offset + c->v->block_size;

	*zero = true;
	while (offset < end && *zero) {
		uint64_t part = xd_min(end - offset, VHDX_MIB);
		bool hole;
		int ret;

		xd_io_extent(c->v->io, offset, &part, &hole);
		if (!hole) {
			ret = xd_io_read(c->v->io, c->piece, part, offset, err);
			if (ret)
				return ret;
			*zero = xd_is_zero(c->piece, part);
		}
		offset += part;
	}
	return 0;
}

static int block_is_unused(struct compact *c, uint64_t block, bool *unused, struct xd_error *err)
{
	uint64_t sectors = c->v->block_size >> c->v->sector_shift, run;
	bool set;
	int ret = vhdx_bitmap_run(c->v, block * sectors, sectors, &set, &run, err);

	*unused = !ret && !set && run == sectors;
	return ret;
}

/* The state a block with data can do without its data in, or its own. */
static int idle_state(struct compact *c, uint64_t block, uint64_t entry, uint32_t *state,
		      struct xd_error *err)
{
	bool idle;
	int ret;

	*state = vhdx_bat_state(entry);
	if (*state == VHDX_BLOCK_PARTIALLY_PRESENT) {
		ret = block_is_unused(c, block, &idle, err);
		if (!ret && idle)
			*state = VHDX_BLOCK_NOT_PRESENT;
	} else {
		ret = block_is_zero(c, vhdx_bat_offset(entry), &idle, err);
		if (!ret && idle)
			*state = VHDX_BLOCK_ZERO;
	}
	return ret;
}

static int give_up(struct compact *c, uint64_t index, struct xd_error *err)
{
	struct vhdx *v = c->v;
	uint64_t block = vhdx_bat_block(v, index), entry;
	uint32_t state;
	int ret = vhdx_bat_get(v, index, &entry, err);

	if (ret || (ret = vhdx_bat_validate(v, block, entry, err)))
		return ret;
	if (!vhdx_bat_has_data(entry)) {
		/* A place kept by a block without data. */
		uint64_t kept = vhdx_bat_offset(entry);
		struct vhdx_extent old = {kept, 0};

		if (!kept)
			return 0;
		if (kept >= VHDX_HEADER_SECTION && kept < v->file_end &&
		    v->block_size <= v->file_end - kept)
			old.length = v->block_size;
		return vhdx_bat_replace(v, index, vhdx_bat_state(entry), &old, err);
	}
	ret = idle_state(c, block, entry, &state, err);
	if (ret || state == vhdx_bat_state(entry))
		return ret;
	return vhdx_bat_replace(v, index, state,
				&(struct vhdx_extent){vhdx_bat_offset(entry), v->block_size}, err);
}

/* --- moving --------------------------------------------------------------------------------------------------------------- */

static int copy(struct compact *c, uint64_t from, uint64_t to, uint64_t length,
		struct xd_error *err)
{
	int ret = xd_io_zero(c->v->io, to, length, err);

	while (length && !ret) {
		uint64_t part = xd_min(length, VHDX_MIB);
		bool hole;

		xd_io_extent(c->v->io, from, &part, &hole);
		if (!hole) {
			ret = xd_io_read(c->v->io, c->piece, part, from, err);
			if (!ret)
				ret = xd_io_write(c->v->io, c->piece, part, to, err);
		}
		from += part;
		to += part;
		length -= part;
	}
	return ret;
}

static int move_down(struct compact *c, uint64_t index, struct xd_error *err)
{
	struct vhdx *v = c->v;
	bool bitmap = vhdx_bat_is_bitmap(v, index);
	uint64_t length = bitmap ? VHDX_MIB : v->block_size, entry, from, to;
	int ret = vhdx_bat_get(v, index, &entry, err);

	from = vhdx_bat_offset(entry);
	if (ret || (bitmap ? vhdx_bat_state(entry) != VHDX_SB_PRESENT : !vhdx_bat_has_data(entry)))
		return ret;
	if (from + length <= c->goal || !vhdx_space_take_below(&v->space, length, from, &to))
		return 0;
	/* A bitmap's own pages may be dirty: bring the file up to date before it is copied. */
	if (bitmap && (ret = vhdx_commit(v, err)))
		return ret;
	vhdx_page_forget(v, to, length);
	if ((ret = copy(c, from, to, length, err)))
		return ret;
	if (bitmap)
		vhdx_page_forget(v, from, length);
	return vhdx_bat_replace(v, index, to | vhdx_bat_state(entry),
				&(struct vhdx_extent){from, length}, err);
}

static uint64_t used_bytes(const struct vhdx_space *space)
{
	uint64_t mibs = 0;

	for (uint64_t i = 0; i < (space->end + 63) / 64; i++)
		mibs += __builtin_popcountll(space->used[i]);
	return mibs * VHDX_MIB;
}

static int each_entry(struct compact *c, int (*step)(struct compact *, uint64_t, struct xd_error *),
		      bool bitmaps, struct xd_error *err)
{
	struct vhdx *v = c->v;
	uint64_t entries = vhdx_bat_entries(v->blocks, v->chunk_shift, v->has_parent);
	int ret = 0;

	for (uint64_t index = 0; index < entries && !ret; index++) {
		if (bitmaps || !vhdx_bat_is_bitmap(v, index))
			ret = step(c, index, err);
		if (!ret)
			ret = tick(c, err);
	}
	return ret;
}

static int compact(struct compact *c, struct xd_error *err)
{
	struct vhdx *v = c->v;
	int ret = each_entry(c, give_up, false, err);

	if (!ret)
		ret = vhdx_commit(v, err);
	if (ret)
		return ret;
	vhdx_space_trim(&v->space);
	c->goal = used_bytes(&v->space);
	ret = each_entry(c, move_down, v->has_parent, err);
	return ret ? ret : vhdx_log_close(v, err);
}

int vhdx_compact(struct xd_image *image, const struct xd_progress *progress, struct xd_error *err)
{
	struct vhdx *v = image->state;
	struct compact c = {.v = v, .progress = progress};
	int ret;

	if (v->fixed)
		return 0;
	if (v->damaged)
		return xd_fail(err, XD_E_CORRUPT, XD_NO_OFFSET,
			       "the image is damaged: repair it before compacting it");
	c.total = 2 * vhdx_bat_entries(v->blocks, v->chunk_shift, v->has_parent);
	c.piece = malloc(VHDX_MIB);
	if (!c.piece)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory to move blocks");
	ret = vhdx_begin(v, false, err);
	if (!ret)
		ret = compact(&c, err);
	if (!ret)
		ret = vhdx_cut_tail(v, err);
	free(c.piece);
	return ret;
}
