/* SPDX-License-Identifier: MIT */
/* Which parts of the file are used: a bit for each MiB, made at a writable open, never stored. Under vhdx.lock. */
#include <stdlib.h>

#include "disk/vhdx.h"

#define GROW_AHEAD (64ull * VHDX_MIB)

static bool get(const struct vhdx_space *space, uint64_t mib)
{
	return space->used[mib / 64] >> mib % 64 & 1;
}

static int make_room(struct vhdx_space *space, uint64_t mibs)
{
	uint64_t bits = space->bits ? space->bits : 4096, *used;

	if (mibs <= space->bits)
		return 0;
	while (bits < mibs)
		bits *= 2;
	used = realloc(space->used, bits / 8);
	if (!used)
		return XD_E_NOMEM;
	memset(used + space->bits / 64, 0, (bits - space->bits) / 8);
	space->used = used;
	space->bits = bits;
	return 0;
}

void vhdx_space_free(struct vhdx_space *space)
{
	free(space->used);
	free(space->freed);
	memset(space, 0, sizeof(*space));
}

bool vhdx_space_mark(struct vhdx_space *space, uint64_t offset, uint64_t length)
{
	uint64_t from = offset / VHDX_MIB, to = from + length / VHDX_MIB;
	bool taken = false;

	for (uint64_t mib = from; mib < to; mib++) {
		taken |= get(space, mib);
		space->used[mib / 64] |= 1ull << mib % 64;
	}
	if (to > space->end)
		space->end = to;
	return taken;
}

bool vhdx_space_overlaps(const struct vhdx_space *space, uint64_t offset, uint64_t length)
{
	for (uint64_t mib = offset / VHDX_MIB; mib < (offset + length) / VHDX_MIB; mib++)
		if (get(space, mib))
			return true;
	return false;
}

static void clear(struct vhdx_space *space, uint64_t offset, uint64_t length)
{
	uint64_t from = offset / VHDX_MIB, to = from + length / VHDX_MIB;

	for (uint64_t mib = from; mib < to; mib++)
		space->used[mib / 64] &= ~(1ull << mib % 64);
	if (from < space->hint)
		space->hint = from;
}

void vhdx_space_trim(struct vhdx_space *space)
{
	while (space->end && !get(space, space->end - 1))
		space->end--;
	space->hint = xd_min(space->hint, space->end);
}

/* --- loading --- */

static int claim(struct vhdx *v, uint64_t index, uint64_t offset, uint64_t length,
		 struct xd_error *err)
{
	if (make_room(&v->space, (offset + length) / VHDX_MIB))
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the map of the file");
	if (!vhdx_space_mark(&v->space, offset, length))
		return 0;
	return xd_fail(err, XD_E_CORRUPT, v->bat.offset + index * 8,
		       "BAT entry %llu claims space at %llu that something else holds",
		       (unsigned long long)index, (unsigned long long)offset);
}

static int load_entry(struct vhdx *v, uint64_t index, uint64_t entry, void *ctx,
		      struct xd_error *err)
{
	uint64_t offset = vhdx_bat_offset(entry);
	bool bitmap = vhdx_bat_is_bitmap(v, index);
	int ret = 0;

	(void)ctx;
	if (bitmap && vhdx_bat_state(entry) == VHDX_SB_PRESENT && v->has_parent) {
		if (offset < VHDX_HEADER_SECTION || offset > v->file_end ||
		    VHDX_MIB > v->file_end - offset)
			ret = xd_fail(err, XD_E_CORRUPT, v->bat.offset + index * 8,
				      "a sector bitmap lies outside of the file");
		else
			ret = claim(v, index, offset, VHDX_MIB, err);
	} else if (!bitmap) {
		ret = vhdx_bat_validate(v, vhdx_bat_block(v, index), entry, err);
		/* A place that a block kept when it was trimmed stays its own while it lies in the file. */
		if (!ret && offset >= VHDX_HEADER_SECTION && offset < v->file_end &&
		    v->block_size <= v->file_end - offset)
			ret = claim(v, index, offset, v->block_size, err);
	}
	if (ret == XD_E_CORRUPT && v->image->flags & XD_OPEN_LENIENT) {
		v->damaged = true;
		ret = 0;
	}
	return ret;
}

int vhdx_space_start(struct vhdx *v, struct xd_error *err)
{
	uint64_t end = xd_min(v->file_end, VHDX_MAX_FILE);

	vhdx_space_free(&v->space);
	if (make_room(&v->space, end / VHDX_MIB + 1))
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the map of the file");
	vhdx_space_mark(&v->space, 0, VHDX_HEADER_SECTION);
	for (size_t i = 0; i < v->region_count; i++)
		vhdx_space_mark(&v->space, v->regions[i].offset, v->regions[i].length);
	return 0;
}

int vhdx_space_load(struct vhdx *v, struct xd_error *err)
{
	int ret = vhdx_space_start(v, err);

	return ret ? ret : vhdx_bat_walk(v, load_entry, NULL, err);
}

/* --- taking and giving --- */

/* The first of `want` free MiB in a row from `from` on, below `below`; `below` where there are none. */
static uint64_t find_free(const struct vhdx_space *space, uint64_t from, uint64_t want,
			  uint64_t below)
{
	uint64_t run = 0;

	for (uint64_t mib = from; mib < below; mib++) {
		if (mib % 64 == 0 && space->used[mib / 64] == ~0ull) {
			mib += 63;
			run = 0;
		} else if (get(space, mib)) {
			run = 0;
		} else if (++run == want) {
			return mib - want + 1;
		}
	}
	return below;
}

bool vhdx_space_take_below(struct vhdx_space *space, uint64_t length, uint64_t below,
			   uint64_t *offset)
{
	uint64_t limit = xd_min(below / VHDX_MIB, space->end);
	uint64_t at = find_free(space, 0, length / VHDX_MIB, limit);

	if (at == limit)
		return false;
	*offset = at * VHDX_MIB;
	vhdx_space_mark(space, *offset, length);
	return true;
}

/* The file grows a little ahead, so that not every block costs a change of its length; closing takes back what is left. */
static int grow(struct vhdx *v, uint64_t end, struct xd_error *err)
{
	uint64_t ahead = xd_min(v->file_end / 8, GROW_AHEAD) & ~(uint64_t)(VHDX_MIB - 1);
	int ret;

	if (end <= v->file_end)
		return 0;
	ret = xd_io_truncate(v->io, end + ahead, err);
	if (!ret)
		v->file_end = end + ahead;
	return ret;
}

/* Behind everything that is used. */
static int take_new(struct vhdx *v, uint64_t length, uint64_t *offset, struct xd_error *err)
{
	uint64_t at = v->space.end * VHDX_MIB, end = at + length;
	int ret;

	if (end > VHDX_MAX_FILE - GROW_AHEAD)
		return xd_fail(err, XD_E_LIMIT, at, "the file would be too large");
	if (make_room(&v->space, end / VHDX_MIB))
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the map of the file");
	ret = grow(v, end, err);
	if (!ret && at < v->fresh)
		ret = xd_io_zero(v->io, at, xd_min(length, v->fresh - at), err);
	if (ret)
		return ret;
	if (end > v->fresh)
		v->fresh = end;
	vhdx_space_mark(&v->space, at, length);
	*offset = at;
	return 0;
}

int vhdx_space_take(struct vhdx *v, uint64_t length, uint64_t *offset, struct xd_error *err)
{
	struct vhdx_space *space = &v->space;
	uint64_t want = length / VHDX_MIB, at;
	int ret;

	at = find_free(space, space->hint, want, space->end);
	if (want >= v->block_size / VHDX_MIB)
		space->hint = at; /* nothing of a block's size below */
	if (at == space->end)
		return take_new(v, length, offset, err);
	ret = xd_io_zero(v->io, at * VHDX_MIB, length, err);
	if (ret)
		return ret;
	vhdx_space_mark(space, at * VHDX_MIB, length);
	*offset = at * VHDX_MIB;
	return 0;
}

int vhdx_space_give(struct vhdx *v, uint64_t offset, uint64_t length, struct xd_error *err)
{
	struct vhdx_space *space = &v->space;

	if (space->freed_count == space->freed_room) {
		size_t room = space->freed_room ? 2 * space->freed_room : 64;
		void *freed = realloc(space->freed, room * sizeof(*space->freed));

		if (!freed)
			return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory to free space");
		space->freed = freed;
		space->freed_room = room;
	}
	space->freed[space->freed_count++] = (struct vhdx_extent){offset, length};
	return 0;
}

void vhdx_space_drop(struct vhdx *v, uint64_t offset, uint64_t length)
{
	clear(&v->space, offset, length);
}

static void release(struct vhdx *v, size_t count)
{
	struct vhdx_space *space = &v->space;

	for (size_t i = 0; i < count; i++) {
		/* Gives the host its space back. Only a wish: whoever takes the place zeros it again. */
		if (v->io->ops->punch)
			v->io->ops->punch(v->io->ctx, space->freed[i].offset,
					  space->freed[i].length);
		clear(space, space->freed[i].offset, space->freed[i].length);
	}
	space->freed_count -= count;
	if (count)
		memmove(space->freed, space->freed + count,
			space->freed_count * sizeof(*space->freed));
}

void vhdx_space_release(struct vhdx *v, size_t count)
{
	struct vhdx_space *space = &v->space;
	struct xd_image *image = v->image;
	unsigned int epoch = image->epoch; /* changes here only */
	bool older = atomic_load_explicit(&image->users[!epoch], memory_order_acquire);
	bool newer = atomic_load_explicit(&image->users[epoch], memory_order_acquire);

	if (!older && !newer) {
		release(v, count);
		space->freed_aged = 0;
	} else if (!older) {
		count -= space->freed_aged;
		release(v, space->freed_aged);
		space->freed_aged = count;
		image->epoch = !epoch;
	}
}
