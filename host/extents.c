/* SPDX-License-Identifier: MIT */
#include "host/extents.h"

#include <stdlib.h>
#include <string.h>

#define RUNS 32u

/*
 * Stored in the image's own file, at a place that stays its place until it is discarded (xd_map()), or in a parent's, which nobody
 * writes to.
 */
static bool usable(const struct extents *extents, const struct xd_run *run)
{
	return run->kind == XD_KIND_DATA &&
	       (run->depth > 0 ? xd_get_fd(run->layer) >= 0
			       : extents->read_only || (run->flags & XD_RUN_IN_PLACE));
}

static bool is_whole(struct extents *extents, struct xd_image *image)
{
	struct xd_run run;
	size_t count = 1;

	if (xd_map(image, 0, extents->size, 0, &run, &count, NULL) < 0 || count != 1 ||
	    run.length < extents->size || !usable(extents, &run)) {
		return false;
	}
	extents->base = run.file_offset;
	return true;
}

static unsigned log2_of(uint32_t size)
{
	return 31u - (unsigned)__builtin_clz(size);
}

void extents_init(struct extents *extents, struct xd_image *image, bool read_only)
{
	const struct xd_io *io = xd_get_io(image);
	struct xd_info info;

	xd_get_info(image, &info);
	*extents = (struct extents){.fd = io->ops->fd ? io->ops->fd(io->ctx) : -1,
				    .read_only = read_only,
				    .child = info.type == XD_TYPE_DIFF,
				    .size = info.virtual_size};
	if (extents->fd < 0) {
		return;
	}
	/* In a fixed image nothing ever moves. A dynamic one that happens to lie in one piece may be trimmed. */
	extents->whole =
	    info.type == XD_TYPE_FIXED && info.block_size == 0 && is_whole(extents, image);
	if (extents->whole) {
		return;
	}
	extents->shift = EXTENT_REGION_SHIFT;
	if (info.block_size && info.block_size < 1u << EXTENT_REGION_SHIFT) {
		extents->shift = log2_of(info.block_size);
	}
	extents->slot = calloc(EXTENT_SLOTS, sizeof(*extents->slot));
	if (!extents->slot || extents->shift < EXTENT_PAGE_SHIFT) {
		extents->fd = -1;
	}
}

void extents_destroy(struct extents *extents)
{
	free(extents->slot);
	extents->slot = NULL;
	extents->fd = -1;
}

static struct extent *slot_of(const struct extents *extents, uint64_t region)
{
	return &extents->slot[region % EXTENT_SLOTS];
}

static bool all_present(const struct extent *extent, uint64_t first, uint64_t last)
{
	for (uint64_t page = first; page <= last; page++) {
		if (!(extent->present[page / 64] >> (page % 64) & 1)) {
			return false;
		}
	}
	return true;
}

/* The part of [offset, end) in the first region. Returns its length, 0 where it is not known. */
static uint64_t find_part(const struct extents *extents, uint64_t offset, uint64_t end,
			  bool overwrite, struct extent_place *place)
{
	uint64_t region = offset >> extents->shift, start = region << extents->shift;
	uint64_t next = start + (1ull << extents->shift);
	const struct extent *extent = slot_of(extents, region);

	end = end < next ? end : next;
	if (extent->region != region + 1 || (overwrite && extent->parents) ||
	    !all_present(extent, (offset - start) >> EXTENT_PAGE_SHIFT,
			 (end - 1 - start) >> EXTENT_PAGE_SHIFT)) {
		return 0;
	}
	*place = (struct extent_place){extent->fd, extent->file_offset + (offset - start)};
	return end - offset;
}

bool extents_find(const struct extents *extents, uint64_t offset, uint64_t length, bool overwrite,
		  struct extent_place *place)
{
	uint64_t end = offset + length, part;
	struct extent_place at;

	if (extents->fd < 0) {
		return false;
	}
	if (extents->whole) {
		*place = (struct extent_place){extents->fd, extents->base + offset};
		return true;
	}
	part = find_part(extents, offset, end, overwrite, place);
	for (uint64_t done = part; part && done < length; done += part) {
		part = find_part(extents, offset + done, end, overwrite, &at);
		if (part && (at.fd != place->fd || at.offset != place->offset + done)) {
			return false;
		}
	}
	return part;
}

/* Marks the pages that lie in the run from end to end. */
static void add_run(struct extent *extent, uint64_t start, const struct xd_run *run)
{
	uint64_t page = 1u << EXTENT_PAGE_SHIFT, from = run->offset - start;
	uint64_t first = (from + page - 1) >> EXTENT_PAGE_SHIFT;
	uint64_t end = (from + run->length) >> EXTENT_PAGE_SHIFT;

	if (run->file_offset < from) {
		return;
	}
	if (!extent->region) {
		extent->region = 1;
		extent->file_offset = run->file_offset - from;
		extent->fd = xd_get_fd(run->layer);
		extent->parents = run->depth > 0;
	}
	if (extent->fd != xd_get_fd(run->layer)) {
		return;
	}
	for (; extent->file_offset == run->file_offset - from && first < end; first++) {
		extent->present[first / 64] |= 1ull << (first % 64);
	}
}

void extents_look(const struct extents *extents, struct xd_image *image, uint64_t offset,
		  struct extent *found)
{
	uint64_t region = offset >> extents->shift, start = region << extents->shift;
	uint64_t length = 1ull << extents->shift;
	struct xd_run run[RUNS];
	size_t count = RUNS;

	memset(found, 0, sizeof(*found));
	if (length > extents->size - start) {
		length = extents->size - start;
	}
	if (xd_map(image, start, length, 0, run, &count, NULL) < 0) {
		return;
	}
	/* A region is remembered in one file: the one that was asked for. */
	for (size_t i = 0; i < count; i++) {
		if (run[i].offset <= offset && offset < run[i].offset + run[i].length &&
		    usable(extents, &run[i])) {
			add_run(found, start, &run[i]);
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (usable(extents, &run[i])) {
			add_run(found, start, &run[i]);
		}
	}
	if (found->region) {
		found->region = region + 1;
	}
}

struct extents_age extents_now(const struct extents *extents)
{
	return (struct extents_age){extents->generation, extents->child_generation};
}

void extents_keep(struct extents *extents, const struct extent *found, struct extents_age age)
{
	if (found->region && age.generation == extents->generation &&
	    (!found->parents || age.child_generation == extents->child_generation)) {
		*slot_of(extents, found->region - 1) = *found;
	}
}

void extents_forget(struct extents *extents)
{
	if (extents->slot) {
		extents->generation++;
		memset(extents->slot, 0, EXTENT_SLOTS * sizeof(*extents->slot));
	}
}

void extents_written(struct extents *extents, uint64_t offset, uint64_t length)
{
	if (!extents->child || !extents->slot) {
		return;
	}
	extents->child_generation++;
	for (uint64_t region = offset >> extents->shift;
	     region <= (offset + length - 1) >> extents->shift; region++) {
		struct extent *extent = slot_of(extents, region);

		if (extent->region == region + 1 && extent->parents) {
			extent->region = 0;
		}
	}
}
