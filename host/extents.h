/* SPDX-License-Identifier: MIT */
/*
 * Where a disk's bytes lie in its file, or its parent's, as far as the image library has told: what a ring may read, and in its own
 * file overwrite, without asking anybody. A whole disk is one extent (raw, fixed VHD), or a bounded memory of regions that
 * grows by use and is forgotten as a whole when the library may move something. What is a parent's is forgotten where the
 * library writes, as from then on it is the disk's own.
 */
#ifndef HOST_EXTENTS_H
#define HOST_EXTENTS_H

#include "disk/xdisk.h"

#include <stdbool.h>
#include <stdint.h>

#define EXTENT_PAGE_SHIFT   12u
#define EXTENT_REGION_SHIFT 20u /* at most; no larger than the image's blocks */
#define EXTENT_PAGES        (1u << (EXTENT_REGION_SHIFT - EXTENT_PAGE_SHIFT))
#define EXTENT_SLOTS        4096u

/* A region of the disk: its pages lie one after the other in the file, those that are `present`. */
struct extent {
	uint64_t region;      /* its number + 1; 0: none */
	uint64_t file_offset; /* of its first byte */
	int fd;               /* the file's */
	bool parents;         /* not the disk's own: to read only */
	uint64_t present[EXTENT_PAGES / 64];
};

struct extents {
	int fd; /* -1: nothing is known, ever */
	bool read_only;
	bool whole; /* the disk is in the file as it is, from `base` on */
	uint64_t base;
	uint64_t size; /* of the disk */
	unsigned shift;
	bool child;
	unsigned generation;       /* counts extents_forget() */
	unsigned child_generation; /* counts extents_written() */
	struct extent *slot;
};

/* Looks at the image, which is open. Without memory nothing is known. */
void extents_init(struct extents *extents, struct xd_image *image, bool read_only);
void extents_destroy(struct extents *extents);

struct extent_place {
	int fd;
	uint64_t offset;
};

/* Where to read or overwrite the range; false where that is not known, or it is not in one piece. */
bool extents_find(const struct extents *extents, uint64_t offset, uint64_t length, bool overwrite,
		  struct extent_place *place);
/* From any thread, which may block: asks the library about the region of `offset`. */
void extents_look(const struct extents *extents, struct xd_image *image, uint64_t offset,
		  struct extent *found);
/* What extents_keep() wants to know of the time before extents_look(). */
struct extents_age {
	unsigned generation, child_generation;
};
struct extents_age extents_now(const struct extents *extents);
/* Keeps what was found, unless something was forgotten since `age`. */
void extents_keep(struct extents *extents, const struct extent *found, struct extents_age age);
void extents_forget(struct extents *extents);
/* The library has written the range. */
void extents_written(struct extents *extents, uint64_t offset, uint64_t length);

#endif
