/* SPDX-License-Identifier: MIT */
/*
 * Changing the disk's size: one transaction of the size item and, where the BAT outgrows its region, of both region tables. The
 * image is quiet, so the cache holds nothing dirty but what is put there here.
 *
 * A parent that was longer than its child must not show where the child grows: what hides it is there before the size is, or is in
 * that same transaction.
 */
#include <stdlib.h>

#include "disk/vhdx.h"

static const struct vhdx_guid guid_bat = VHDX_REGION_BAT, guid_size = VHDX_META_DISK_SIZE;

struct resize {
	struct vhdx *v;
	uint64_t size, blocks, entries, old_entries;
	struct vhdx_extent bat; /* where it will be */
};

static int copy_range(struct vhdx *v, uint64_t from, uint64_t to, uint64_t length,
		      struct xd_error *err)
{
	uint8_t *piece = malloc(VHDX_MIB);
	int ret = piece ? 0 : xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory to copy");

	while (length && !ret) {
		uint64_t part = xd_min(length, VHDX_MIB);

		ret = xd_io_read(v->io, piece, part, from, err);
		if (!ret)
			ret = xd_io_write(v->io, piece, part, to, err);
		from += part;
		to += part;
		length -= part;
	}
	free(piece);
	return ret;
}

/* New space with the old entries in it. */
static int move_bat(struct resize *r, struct xd_error *err)
{
	struct vhdx *v = r->v;
	int ret;

	r->bat.length = xd_align_up(r->entries * 8, VHDX_MIB);
	ret = vhdx_space_take(v, r->bat.length, &r->bat.offset, err);
	if (ret)
		return ret;
	vhdx_page_forget(v, r->bat.offset, r->bat.length);
	return copy_range(v, v->bat.offset, r->bat.offset, r->old_entries * 8, err);
}

/*
 * Entries [from, to) become zero. Nothing looks at them while the disk is smaller, so only a page that they share with others goes
 * through the log.
 */
static int clear_range(struct resize *r, uint64_t from, uint64_t to, struct xd_error *err)
{
	uint64_t at = r->bat.offset + from * 8, end = r->bat.offset + to * 8;

	while (at < end) {
		uint64_t in_page = at % VHDX_PAGE, part = xd_min(VHDX_PAGE - in_page, end - at);
		struct vhdx_page *page;
		int ret;

		if (!in_page && part == VHDX_PAGE) {
			part = (end - at) / VHDX_PAGE * VHDX_PAGE;
			vhdx_page_forget(r->v, at, part);
			ret = xd_io_zero(r->v->io, at, part, err);
		} else {
			ret = vhdx_page_get(r->v, at - in_page, &page, err);
			if (!ret && !xd_is_zero(page->byte + in_page, part)) {
				memset(page->byte + in_page, 0, part);
				vhdx_page_dirty(r->v, page);
			}
		}
		if (ret)
			return ret;
		at += part;
	}
	return 0;
}

/* All entries behind those of the first `blocks` blocks; a chunk that is cut keeps its bitmap. */
static int clear_entries(struct resize *r, uint64_t blocks, struct xd_error *err)
{
	const struct vhdx *v = r->v;
	uint64_t from = vhdx_bat_index(v, blocks), chunk = blocks >> v->chunk_shift;
	int ret = 0;

	if (v->has_parent && blocks & ((1ull << v->chunk_shift) - 1)) {
		ret = clear_range(r, from, vhdx_bat_bitmap_index(v, chunk), err);
		from = vhdx_bat_bitmap_index(v, chunk) + 1;
	}
	return ret ? ret : clear_range(r, from, r->bat.length / 8, err);
}

/* --- a parent that is longer ------------------------------------------------------------------------------------------------ */

/* Whether a page of the table, from this entry on, has any that counts now: a block's, or the bitmap of the chunk the disk ends in. */
static bool page_counts(const struct vhdx *v, uint64_t first)
{
	uint64_t bitmap = vhdx_bat_bitmap_index(v, (v->blocks - 1) >> v->chunk_shift);

	return first < vhdx_bat_index(v, v->blocks) || bitmap - first < VHDX_PAGE_WORDS;
}

/* Those of a page's entries that are in [from, to) and not bitmaps'. clear_range() has done the same with the page before. */
static int zero_blocks_of_page(struct resize *r, uint64_t first, uint64_t from, uint64_t to,
			       struct xd_error *err)
{
	struct vhdx *v = r->v;
	uint64_t nobodys[VHDX_PAGE_WORDS] = {0}, *word = nobodys, at = r->bat.offset + first * 8;
	bool counts = page_counts(v, first);
	struct vhdx_page *page;
	int ret;

	if (counts) {
		ret = vhdx_page_get(v, at, &page, err);
		if (ret)
			return ret;
		word = page->word;
		vhdx_page_dirty(v, page);
	}
	for (uint64_t i = 0; i < VHDX_PAGE_WORDS; i++)
		if (first + i >= from && first + i < to && !vhdx_bat_is_bitmap(v, first + i))
			word[i] = VHDX_BLOCK_ZERO;
	return counts ? 0 : xd_io_write(v->io, nobodys, sizeof(nobodys), at, err);
}

/* How much of the bigger disk would show a parent that was longer than its child: up to here, from the disk's old end on. */
static uint64_t shown_end(const struct vhdx *v, uint64_t size)
{
	uint64_t end = v->image->parent ? xd_get_size(v->image->parent) : 0;

	return xd_min(xd_align_up(end, 1u << v->sector_shift), size);
}

/* New blocks that the parent would show in are of zeros. What a parent has no more of is zero anyway: whole blocks will do. */
static int hide_in_new_blocks(struct resize *r, struct xd_error *err)
{
	struct vhdx *v = r->v;
	uint64_t blocks = (shown_end(v, r->size) + v->block_size - 1) >> v->block_shift;
	uint64_t from = vhdx_bat_index(v, v->blocks), to;
	int ret = 0;

	if (blocks <= v->blocks)
		return 0;
	to = vhdx_bat_index(v, blocks - 1) + 1;
	for (uint64_t first = from - from % VHDX_PAGE_WORDS; first < to && !ret;
	     first += VHDX_PAGE_WORDS)
		ret = zero_blocks_of_page(r, first, from, to, err);
	return ret;
}

/* The block that the disk ends in: zeros behind the end, which are nobody's as long as the disk ends there. */
static int hide_in_last_block(struct vhdx *v, uint64_t size, struct xd_error *err)
{
	uint64_t in_block = v->disk_size & (v->block_size - 1), end = shown_end(v, size);

	if (!in_block || end <= v->disk_size)
		return 0;
	return vhdx_write_block(v, v->blocks - 1, in_block,
				xd_min(v->block_size - in_block, end - v->disk_size), NULL, err);
}

/* --- the transaction -------------------------------------------------------------------------------------------------------- */

/* A fixed disk's new blocks, in pages past the cache where they are nobody's yet. */
static int fill_fixed(struct resize *r, struct xd_error *err)
{
	struct vhdx *v = r->v;
	uint64_t ratio = 1ull << v->chunk_shift, shared;
	int ret = 0;

	/* as clear_range() has it */
	shared = xd_align_up(r->bat.offset + vhdx_bat_index(v, v->blocks) * 8, VHDX_PAGE);
	for (uint64_t index = r->old_entries; index < r->entries && !ret; index++) {
		uint64_t at = r->bat.offset + index * 8, offset, entry;
		struct vhdx_page *page;

		if (index % (ratio + 1) == ratio)
			continue;
		ret = vhdx_space_take(v, v->block_size, &offset, err);
		entry = offset | VHDX_BLOCK_FULLY_PRESENT;
		if (!ret && at >= shared) {
			ret = xd_io_write(v->io, &entry, 8, at, err);
		} else if (!ret && !(ret = vhdx_page_get(v, at - at % VHDX_PAGE, &page, err))) {
			page->word[at % VHDX_PAGE / 8] = entry;
			vhdx_page_dirty(v, page);
		}
	}
	return ret;
}

/* What lies between the old end and the end of its block was nobody's; now it is to read as zero. */
static int zero_old_end(struct vhdx *v, struct xd_error *err)
{
	uint64_t in_block = v->disk_size & (v->block_size - 1), block = v->blocks - 1, entry;
	int ret;

	if (!in_block)
		return 0;
	ret = vhdx_bat_get(v, vhdx_bat_index(v, block), &entry, err);
	if (!ret)
		ret = vhdx_bat_validate(v, block, entry, err);
	if (ret || !vhdx_bat_has_data(entry))
		return ret;
	return xd_io_zero(v->io, vhdx_bat_offset(entry) + in_block, v->block_size - in_block, err);
}

static int stage_regions(struct resize *r, struct xd_error *err)
{
	uint8_t *table = malloc(VHDX_REGION_TABLE_SIZE);
	struct vhdx_region_header *header = (void *)table;
	struct vhdx_region_entry *entry = (void *)(header + 1);
	int ret;

	if (!table)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the region table");
	ret = vhdx_region_read(r->v, table, err);
	for (uint32_t i = 0; i < header->entry_count && !ret; i++)
		if (vhdx_guid_equal(&entry[i].guid, &guid_bat)) {
			entry[i].file_offset = r->bat.offset;
			entry[i].length = r->bat.length;
		}
	if (!ret)
		ret = vhdx_region_stage(r->v, table, err);
	free(table);
	return ret;
}

static int stage(struct resize *r, struct xd_error *err)
{
	struct vhdx *v = r->v;
	bool move = r->entries * 8 > v->bat.length;
	int ret = 0;

	if (r->size > v->disk_size)
		ret = zero_old_end(v, err);
	if (!ret && move)
		ret = move_bat(r, err);
	if (!ret && r->size > v->disk_size)
		ret = clear_entries(r, v->blocks, err);
	if (!ret && r->size > v->disk_size && v->fixed)
		ret = fill_fixed(r, err);
	if (!ret && r->size > v->disk_size && v->has_parent)
		ret = hide_in_new_blocks(r, err);
	if (!ret)
		ret = vhdx_meta_stage(v, &guid_size, &r->size, sizeof(r->size), err);
	if (!ret && move)
		ret = stage_regions(r, err);
	if (!ret && move)
		ret = vhdx_space_give(v, v->bat.offset, v->bat.length, err);
	if (!ret && v->cache.dirty_count > VHDX_ENTRY_PAGES)
		ret =
		    xd_fail(err, XD_E_LIMIT, XD_NO_OFFSET, "more changes than one log entry takes");
	return ret;
}

/* Blocks past the new end, and bitmaps of chunks past it, are free after the commit. */
static int give_cut_off(struct vhdx *v, uint64_t index, uint64_t entry, void *ctx,
			struct xd_error *err)
{
	const struct resize *r = ctx;

	if (vhdx_bat_is_bitmap(v, index)) {
		if (index < r->entries || !v->has_parent ||
		    vhdx_bat_state(entry) != VHDX_SB_PRESENT)
			return 0;
		return vhdx_space_give(v, vhdx_bat_offset(entry), VHDX_MIB, err);
	}
	if (vhdx_bat_block(v, index) < r->blocks || !vhdx_bat_has_data(entry))
		return 0;
	return vhdx_space_give(v, vhdx_bat_offset(entry), v->block_size, err);
}

static void adopt(struct resize *r)
{
	struct vhdx *v = r->v;

	for (size_t i = 0; i < v->region_count; i++)
		if (v->regions[i].offset == v->bat.offset)
			v->regions[i] = r->bat;
	v->bat = r->bat;
	v->disk_size = v->image->virtual_size = r->size;
	v->blocks = r->blocks;
}

static int check_size(const struct vhdx *v, uint64_t size, struct xd_error *err)
{
	if (size > v->disk_size && v->has_parent && !v->image->parent)
		return xd_fail(err, XD_E_PARENT, XD_NO_OFFSET,
			       "how much of the parent would show in the bigger disk is not "
			       "known: the parent is not open");
	if (size > VHDX_MAX_DISK)
		return xd_fail(err, XD_E_LIMIT, XD_NO_OFFSET, "VHDX ends at 64 TiB");
	if (!size || size % (1u << v->sector_shift))
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "%llu bytes are no whole number of %u-byte sectors",
			       (unsigned long long)size, 1u << v->sector_shift);
	return 0;
}

int vhdx_resize(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	struct vhdx *v = image->state;
	struct resize r = {.v = v, .size = size, .bat = v->bat};
	uint64_t old_size = v->disk_size;
	int ret = check_size(v, size, err);

	if (ret || size == old_size)
		return ret;
	if ((ret = vhdx_begin(v, true, err)) || (ret = hide_in_last_block(v, size, err)) ||
	    (ret = vhdx_commit(v, err)))
		return ret;
	r.blocks = (size + v->block_size - 1) >> v->block_shift;
	r.entries = vhdx_bat_entries(r.blocks, v->chunk_shift, v->has_parent);
	r.old_entries = vhdx_bat_entries(v->blocks, v->chunk_shift, v->has_parent);
	if (size < old_size)
		ret = vhdx_bat_walk(v, give_cut_off, &r, err);
	if (!ret)
		ret = stage(&r, err);
	if (!ret)
		ret = vhdx_commit(v, err);
	if (ret) {
		/* What is half staged must not be committed by somebody's flush. */
		v->poisoned = true;
		return ret;
	}
	adopt(&r);
	if (size > old_size)
		return 0;
	ret = clear_entries(&r, r.blocks, err);
	return ret ? ret : vhdx_commit(v, err);
}
