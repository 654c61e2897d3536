/* SPDX-License-Identifier: MIT */
/* The BAT (§2.5) and the sector bitmaps (§2.4.2), through the page cache. Everything here is under vhdx.lock. */
#include <stdlib.h>

#include "disk/vhdx.h"

#define WALK_BYTES (64u << 10)

uint64_t vhdx_bat_entries(uint64_t blocks, uint32_t chunk_shift, bool has_parent)
{
	uint64_t ratio = 1ull << chunk_shift;

	/* A child has whole chunks, each with its bitmap; others end with their last block. */
	if (has_parent)
		return (blocks + ratio - 1) / ratio * (ratio + 1);
	return blocks ? blocks + (blocks - 1) / ratio : 0;
}

int vhdx_bat_get(struct vhdx *v, uint64_t index, uint64_t *entry, struct xd_error *err)
{
	struct vhdx_page *page;
	uint64_t at = index * 8;
	int ret = vhdx_page_get(v, v->bat.offset + at - at % VHDX_PAGE, &page, err);

	if (ret)
		return ret;
	*entry = page->word[index % VHDX_PAGE_WORDS];
	return 0;
}

int vhdx_bat_set(struct vhdx *v, uint64_t index, uint64_t entry, struct xd_error *err)
{
	struct vhdx_page *page;
	uint64_t at = index * 8;
	int ret = vhdx_page_get(v, v->bat.offset + at - at % VHDX_PAGE, &page, err);

	if (ret)
		return ret;
	if (page->word[index % VHDX_PAGE_WORDS] != entry) {
		page->word[index % VHDX_PAGE_WORDS] = entry;
		vhdx_page_dirty(v, page);
	}
	return 0;
}

int vhdx_bat_replace(struct vhdx *v, uint64_t index, uint64_t entry, const struct vhdx_extent *old,
		     struct xd_error *err)
{
	bool dropped;
	int ret;

	pthread_mutex_lock(&v->lock);
	ret = vhdx_reserve(v, 1, &dropped, err);
	if (!ret)
		ret = vhdx_bat_set(v, index, entry, err);
	if (!ret && old->length)
		ret = vhdx_space_give(v, old->offset, old->length, err);
	pthread_mutex_unlock(&v->lock);
	return ret;
}

int vhdx_bat_validate(const struct vhdx *v, uint64_t block, uint64_t entry, struct xd_error *err)
{
	uint64_t at = v->bat.offset + vhdx_bat_index(v, block) * 8, offset = vhdx_bat_offset(entry);

	switch (vhdx_bat_state(entry)) {
	case VHDX_BLOCK_NOT_PRESENT:
	case VHDX_BLOCK_UNDEFINED:
	case VHDX_BLOCK_ZERO:
	case VHDX_BLOCK_UNMAPPED:
	case VHDX_BLOCK_UNMAPPED_OLD: return 0;
	case VHDX_BLOCK_PARTIALLY_PRESENT:
		if (!v->has_parent)
			return xd_fail(err, XD_E_CORRUPT, at,
				       "block %llu is partly present, and there is no parent",
				       (unsigned long long)block);
		break;
	case VHDX_BLOCK_FULLY_PRESENT: break;
	default:
		return xd_fail(err, XD_E_CORRUPT, at,
			       "block %llu is in a state that does not exist: %u",
			       (unsigned long long)block, vhdx_bat_state(entry));
	}
	if (offset < VHDX_HEADER_SECTION)
		return xd_fail(err, XD_E_CORRUPT, at, "block %llu lies in the header section",
			       (unsigned long long)block);
	if (offset > v->file_end || v->block_size > v->file_end - offset)
		return xd_fail(err, XD_E_CORRUPT, at,
			       "block %llu lies at %llu, past the end of the file",
			       (unsigned long long)block, (unsigned long long)offset);
	return 0;
}

/* The page with a sector's bit, and which bit of it. */
static int bitmap_page(struct vhdx *v, uint64_t sector, struct vhdx_page **page, uint32_t *bit,
		       struct xd_error *err)
{
	uint64_t chunk = sector / VHDX_SECTORS_PER_CHUNK,
		 in_chunk = sector % VHDX_SECTORS_PER_CHUNK;
	uint64_t index = vhdx_bat_bitmap_index(v, chunk), entry, offset;
	int ret = vhdx_bat_get(v, index, &entry, err);

	if (ret)
		return ret;
	offset = vhdx_bat_offset(entry);
	if (vhdx_bat_state(entry) != VHDX_SB_PRESENT || offset < VHDX_HEADER_SECTION ||
	    offset > v->file_end || VHDX_MIB > v->file_end - offset)
		return xd_fail(err, XD_E_CORRUPT, v->bat.offset + index * 8,
			       "the sector bitmap of chunk %llu is missing or outside of the file",
			       (unsigned long long)chunk);
	*bit = in_chunk % (VHDX_PAGE * 8);
	return vhdx_page_get(v, offset + in_chunk / (VHDX_PAGE * 8) * VHDX_PAGE, page, err);
}

/* Equal bits from `bit` on, in the page, at most `most`. */
static uint64_t equal_bits(const struct vhdx_page *page, uint32_t bit, uint64_t most, bool *set)
{
	uint64_t run = 0, flip;

	*set = page->word[bit / 64] >> bit % 64 & 1;
	flip = *set ? ~0ull : 0;
	while (run < most && bit < VHDX_PAGE * 8) {
		uint64_t other = (page->word[bit / 64] ^ flip) >> bit % 64;
		uint32_t here = other ? (uint32_t)__builtin_ctzll(other) : 64 - bit % 64;

		run += here;
		bit += here;
		if (other)
			break;
	}
	return xd_min(run, most);
}

int vhdx_bitmap_run(struct vhdx *v, uint64_t sector, uint64_t count, bool *set, uint64_t *run,
		    struct xd_error *err)
{
	*run = 0;
	while (*run < count) {
		struct vhdx_page *page;
		uint64_t here, most;
		uint32_t bit;
		bool value;
		int ret = bitmap_page(v, sector + *run, &page, &bit, err);

		if (ret)
			return ret;
		most = xd_min(count - *run, VHDX_PAGE * 8 - bit);
		here = equal_bits(page, bit, most, &value);
		if (*run && value != *set)
			break;
		*set = value;
		*run += here;
		if (here < most)
			break;
	}
	return 0;
}

static void change_bits(struct vhdx *v, struct vhdx_page *page, uint32_t bit, uint32_t count,
			bool set)
{
	bool changed = false;

	while (count) {
		uint32_t here = xd_min(count, 64 - bit % 64);
		uint64_t mask = (here == 64 ? ~0ull : (1ull << here) - 1) << bit % 64;
		uint64_t *word = &page->word[bit / 64], now = set ? *word | mask : *word & ~mask;

		changed |= now != *word;
		*word = now;
		bit += here;
		count -= here;
	}
	if (changed)
		vhdx_page_dirty(v, page);
}

int vhdx_bitmap_set(struct vhdx *v, uint64_t sector, uint64_t count, bool set, struct xd_error *err)
{
	while (count) {
		struct vhdx_page *page;
		uint32_t bit, here;
		int ret = bitmap_page(v, sector, &page, &bit, err);

		if (ret)
			return ret;
		here = xd_min(count, VHDX_PAGE * 8 - bit);
		change_bits(v, page, bit, here, set);
		sector += here;
		count -= here;
	}
	return 0;
}

/* A large disk that holds little is mostly zeros: they are passed over a page at a time. */
static int walk_piece(struct vhdx *v, uint64_t index, const uint64_t *piece, uint64_t count,
		      vhdx_bat_fn fn, void *ctx, struct xd_error *err)
{
	int ret = 0;

	for (uint64_t i = 0; i < count && !ret; i++) {
		if (i % VHDX_PAGE_WORDS == 0 &&
		    xd_is_zero(piece + i, xd_min(VHDX_PAGE_WORDS, count - i) * 8))
			i += VHDX_PAGE_WORDS - 1;
		else if (piece[i])
			ret = fn(v, index + i, piece[i], ctx, err);
	}
	return ret;
}

int vhdx_bat_walk(struct vhdx *v, vhdx_bat_fn fn, void *ctx, struct xd_error *err)
{
	uint64_t entries = vhdx_bat_entries(v->blocks, v->chunk_shift, v->has_parent);
	uint64_t *piece = malloc(xd_min(WALK_BYTES, entries * 8)), index = 0;
	int ret = 0;

	if (!piece)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory to look at the BAT");
	while (!ret && index < entries) {
		uint64_t here = xd_min(entries - index, WALK_BYTES / 8);

		ret = xd_io_read(v->io, piece, here * 8, v->bat.offset + index * 8, err);
		if (!ret)
			ret = walk_piece(v, index, piece, here, fn, ctx, err);
		index += here;
	}
	free(piece);
	return ret;
}
