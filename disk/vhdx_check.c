/* SPDX-License-Identifier: MIT */
/* Looking at everything that can be wrong, and mending what can be mended without guessing at data. */
#include <stdlib.h>

#include "disk/vhdx.h"

struct audit {
	struct vhdx *v;
	struct xd_checker *checker;
	bool kept_places; /* the second walk: of places that blocks without data keep */
	bool unmended;    /* errors of the BAT are left */
};

static int begin_repair(struct audit *a, struct xd_error *err)
{
	return vhdx_begin(a->v, false, err);
}

/* Reports; where it can be mended and is to be, puts `entry` in the BAT before that. */
static int found_entry(struct audit *a, enum xd_severity severity, uint64_t index, bool mendable,
		       uint64_t entry, const char *what, const char *text, struct xd_error *err)
{
	enum xd_mend mend = mendable ? XD_MEND_CAN : XD_MEND_NO;

	if (mendable && a->checker->repair) {
		int ret = begin_repair(a, err);

		if (!ret)
			ret = vhdx_bat_replace(a->v, index, entry, &(struct vhdx_extent){0}, err);
		if (ret)
			return ret;
		mend = XD_MEND_DONE;
	}
	if (severity == XD_ERROR && mend != XD_MEND_DONE)
		a->unmended = true;
	xd_found(a->checker, severity, mend, what, a->v->bat.offset + index * 8,
		 "BAT entry %llu %s", (unsigned long long)index, text);
	return 0;
}

/* --- the header section --------------------------------------------------------------------------------------------------- */

static int check_headers(struct audit *a, struct xd_error *err)
{
	static const uint64_t offset[2] = {VHDX_HEADER_OFFSET_1, VHDX_HEADER_OFFSET_2};
	struct vhdx *v = a->v;

	for (int slot = 0; slot < 2; slot++) {
		enum xd_mend mend = XD_MEND_CAN;

		if (a->v->header_found[slot])
			continue;
		if (a->checker->repair) {
			int ret = begin_repair(a, err); /* writes both */

			if (ret)
				return ret;
			v->header_found[slot] = true;
			mend = XD_MEND_DONE;
		}
		xd_found(a->checker, XD_WARNING, mend, "header-checksum", offset[slot],
			 "header %d is damaged, the other one is good", slot + 1);
	}
	return 0;
}

static int mend_regions(struct audit *a, struct xd_error *err)
{
	uint8_t *table = malloc(VHDX_REGION_TABLE_SIZE);
	int ret = table ? begin_repair(a, err) : XD_E_NOMEM;

	if (!table)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the region table");
	if (!ret)
		ret = vhdx_region_read(a->v, table, err);
	if (!ret)
		ret = vhdx_region_stage(a->v, table, err);
	if (!ret)
		ret = vhdx_commit(a->v, err);
	free(table);
	return ret;
}

static int check_regions(struct audit *a, struct xd_error *err)
{
	struct vhdx *v = a->v;
	enum xd_mend mend = XD_MEND_CAN;
	bool second = v->region_good[0];
	int ret;

	if (!v->regions_differ && v->region_good[0] && v->region_good[1])
		return 0;
	if (a->checker->repair) {
		ret = mend_regions(a, err);
		if (ret)
			return ret;
		mend = XD_MEND_DONE;
	}
	xd_found(a->checker, XD_WARNING, mend, "region-table",
		 second ? VHDX_REGION_TABLE_2 : VHDX_REGION_TABLE_1,
		 "region table %d is damaged or differs from the other", second ? 2 : 1);
	return 0;
}

static void check_log(struct audit *a)
{
	bool mended = a->v->image->flags & XD_OPEN_WRITE;

	if (a->v->replayed)
		xd_found(a->checker, XD_WARNING, mended ? XD_MEND_DONE : XD_MEND_CAN, "log-dirty",
			 a->v->log.offset,
			 "the log was not empty: the image was not closed, its log %s",
			 mended ? "has been replayed" : "is replayed at every open");
}

/* --- the BAT -------------------------------------------------------------------------------------------------------------- */

static bool in_file(const struct vhdx *v, uint64_t offset, uint64_t length)
{
	return offset >= VHDX_HEADER_SECTION && offset <= v->file_end &&
	       length <= v->file_end - offset;
}

/* Gives the block a place of its own, with what it reads as now: no more writes to two blocks at once. */
static int mend_overlap(struct audit *a, uint64_t index, uint64_t entry, uint64_t length,
			struct xd_error *err)
{
	struct vhdx *v = a->v;
	uint8_t *piece = malloc(VHDX_MIB);
	uint64_t to = 0;
	int ret = piece ? begin_repair(a, err)
			: xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory to move a block");

	/* Behind everything: the map does not have all blocks yet. */
	v->space.end = v->space.hint = xd_align_up(v->file_end, VHDX_MIB) / VHDX_MIB;
	if (!ret)
		ret = vhdx_space_take(v, length, &to, err);
	if (!ret)
		vhdx_page_forget(v, to, length);
	for (uint64_t at = 0; at < length && !ret; at += VHDX_MIB) {
		ret = xd_io_read(v->io, piece, VHDX_MIB, vhdx_bat_offset(entry) + at, err);
		if (!ret)
			ret = xd_io_write(v->io, piece, VHDX_MIB, to + at, err);
	}
	if (!ret)
		ret = vhdx_bat_replace(v, index, to | vhdx_bat_state(entry),
				       &(struct vhdx_extent){0}, err);
	free(piece);
	return ret;
}

static int claim(struct audit *a, uint64_t index, uint64_t entry, uint64_t length,
		 struct xd_error *err)
{
	enum xd_mend mend = XD_MEND_CAN;

	if (!vhdx_space_mark(&a->v->space, vhdx_bat_offset(entry), length))
		return 0;
	if (a->checker->repair) {
		int ret = mend_overlap(a, index, entry, length, err);

		if (ret)
			return ret;
		mend = XD_MEND_DONE;
	} else {
		a->unmended = true;
	}
	xd_found(a->checker, XD_ERROR, mend, "bat-overlap", a->v->bat.offset + index * 8,
		 "BAT entry %llu names space at %llu that something else holds; one of the two has "
		 "lost data",
		 (unsigned long long)index, (unsigned long long)vhdx_bat_offset(entry));
	return 0;
}

static int check_bitmap(struct audit *a, uint64_t index, uint64_t entry, struct xd_error *err)
{
	struct vhdx *v = a->v;
	uint32_t state = vhdx_bat_state(entry);

	if (!v->has_parent)
		return entry ? found_entry(a, XD_WARNING, index, true, 0, "bitmap-unneeded",
					   "is of a sector bitmap, which this disk has no use for",
					   err)
			     : 0;
	if (state != VHDX_SB_NOT_PRESENT && state != VHDX_SB_PRESENT)
		return found_entry(a, XD_ERROR, index, false, 0, "bitmap-state",
				   "has a state that no sector bitmap has", err);
	if (state == VHDX_SB_NOT_PRESENT)
		return 0;
	if (!in_file(v, vhdx_bat_offset(entry), VHDX_MIB))
		return found_entry(a, XD_ERROR, index, false, 0, "bitmap-past-end",
				   "names a sector bitmap outside of the file", err);
	return claim(a, index, entry, VHDX_MIB, err);
}

/* Does the chunk of a partly present block have its bitmap? */
static int check_has_bitmap(struct audit *a, uint64_t index, uint64_t block, struct xd_error *err)
{
	uint64_t entry;
	int ret = vhdx_bat_get(a->v, vhdx_bat_bitmap_index(a->v, block >> a->v->chunk_shift),
			       &entry, err);

	if (ret || vhdx_bat_state(entry) == VHDX_SB_PRESENT)
		return ret;
	return found_entry(a, XD_ERROR, index, false, 0, "bitmap-missing",
			   "is of a block that is partly present, and there is no sector bitmap",
			   err);
}

static int check_data_block(struct audit *a, uint64_t index, uint64_t entry, struct xd_error *err)
{
	struct vhdx *v = a->v;
	bool partial = vhdx_bat_state(entry) == VHDX_BLOCK_PARTIALLY_PRESENT;
	int ret;

	a->checker->report->blocks_allocated++;
	if (partial && !v->has_parent)
		return found_entry(a, XD_ERROR, index, false, 0, "bat-state",
				   "is of a block that is partly present, and there is no parent",
				   err);
	if (!in_file(v, vhdx_bat_offset(entry), v->block_size))
		return found_entry(a, XD_ERROR, index, false, 0, "bat-past-end",
				   "names a block outside of the file", err);
	ret = claim(a, index, entry, v->block_size, err);
	if (!ret && partial)
		ret = check_has_bitmap(a, index, vhdx_bat_block(v, index), err);
	return ret;
}

/* A place that a block without data keeps: worth nothing, so it goes where it is in the way. */
static int check_kept_place(struct audit *a, uint64_t index, uint64_t entry, struct xd_error *err)
{
	struct vhdx *v = a->v;
	uint64_t offset = vhdx_bat_offset(entry);

	if (!offset)
		return 0;
	if (in_file(v, offset, v->block_size) &&
	    !vhdx_space_overlaps(&v->space, offset, v->block_size)) {
		vhdx_space_mark(&v->space, offset, v->block_size);
		return 0;
	}
	return found_entry(a, XD_WARNING, index, true, vhdx_bat_state(entry), "bat-kept-place",
			   "keeps a place, for a block without data, that it can not have", err);
}

static int check_entry(struct vhdx *v, uint64_t index, uint64_t entry, void *ctx,
		       struct xd_error *err)
{
	struct audit *a = ctx;
	uint32_t state = vhdx_bat_state(entry);

	if (a->kept_places)
		return vhdx_bat_is_bitmap(v, index) || vhdx_bat_has_data(entry)
			   ? 0
			   : check_kept_place(a, index, entry, err);
	if (entry & VHDX_BAT_RESERVED_MASK && (!vhdx_bat_is_bitmap(v, index) || v->has_parent)) {
		int ret;

		entry &= ~VHDX_BAT_RESERVED_MASK;
		ret = found_entry(a, XD_WARNING, index, true, entry, "bat-reserved",
				  "has bits set that are reserved", err);
		if (ret)
			return ret;
	}
	if (vhdx_bat_is_bitmap(v, index))
		return check_bitmap(a, index, entry, err);
	if (vhdx_bat_has_data(entry))
		return check_data_block(a, index, entry, err);
	if (state == VHDX_BLOCK_UNMAPPED_OLD)
		return found_entry(a, XD_NOTE, index, true,
				   vhdx_bat_offset(entry) | VHDX_BLOCK_UNMAPPED, "bat-old-unmapped",
				   "says unmapped with the number that drafts of the format had",
				   err);
	if (state > VHDX_BLOCK_UNMAPPED)
		return found_entry(a, XD_ERROR, index, false, 0, "bat-state",
				   "has a state that does not exist", err);
	return 0;
}

static int check_bat(struct audit *a, struct xd_error *err)
{
	struct vhdx *v = a->v;
	int ret = vhdx_space_start(v, err);

	if (!ret)
		ret = vhdx_bat_walk(v, check_entry, a, err);
	if (!ret && v->began)
		ret = vhdx_commit(v, err);
	if (ret)
		return ret;
	a->kept_places = true;
	ret = vhdx_bat_walk(v, check_entry, a, err);
	if (!ret && v->began)
		ret = vhdx_commit(v, err);
	v->damaged = a->unmended;
	return ret;
}

static int check_tail(struct audit *a, struct xd_error *err)
{
	struct vhdx *v = a->v;
	uint64_t end = v->space.end * VHDX_MIB;
	enum xd_mend mend = XD_MEND_CAN;

	/* Where the BAT is wrong, what it does not name may be somebody's data. */
	if (end >= v->file_end || v->damaged)
		return 0;
	a->checker->report->unused_bytes = v->file_end - end;
	if (a->checker->repair) {
		int ret = begin_repair(a, err);

		if (!ret)
			ret = vhdx_log_close(v, err);
		if (!ret)
			ret = vhdx_cut_tail(v, err);
		if (ret)
			return ret;
		mend = XD_MEND_DONE;
	}
	xd_found(a->checker, XD_NOTE, mend, "unused-tail", end,
		 "%llu bytes at the end of the file are nobody's",
		 (unsigned long long)a->checker->report->unused_bytes);
	return 0;
}

int vhdx_check(struct xd_image *image, struct xd_checker *checker, struct xd_error *err)
{
	struct audit a = {.v = image->state, .checker = checker};
	int ret = a.v->began ? vhdx_commit(a.v, err) : 0;

	checker->report->blocks = a.v->blocks;
	check_log(&a);
	if (ret || (ret = check_headers(&a, err)) || (ret = check_regions(&a, err)) ||
	    (ret = check_bat(&a, err)))
		return ret;
	return check_tail(&a, err);
}
