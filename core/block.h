/* SPDX-License-Identifier: MIT */
/*
 * A block request as back ends hand it down and disks complete it: between blkback (Xen side) and whatever stores the data
 * (StorVSC in the adapter). Neither side's wire formats appear here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_SECTOR       512 /* the unit of all sector numbers, whatever the disk's own sector size */
#define BLOCK_SEGMENTS_MAX 64

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD };

enum block_status { BLOCK_OK, BLOCK_ERROR, BLOCK_UNSUPPORTED };

/* Part of one guest page. */
struct block_segment {
	uint64_t mfn;
	uint16_t offset, len; /* bytes; multiples of BLOCK_SECTOR */
};

/*
 * Checked: within the disk, aligned to its sectors, the segments add up to nr_sectors. FLUSH has neither sectors nor segments
 * and covers every write that was completed before it was submitted; DISCARD has sectors and no segments.
 */
struct block_request {
	enum block_op op;
	uint64_t sector, nr_sectors;
	unsigned nr_segments;
	struct block_segment segment[BLOCK_SEGMENTS_MAX];
	/* For the disk, while the request is its. */
	void *disk_private;
	struct block_request *link;
};

struct block_disk;

struct block_disk_ops {
	/* Takes the request, and later, or from within, calls block_complete() on it exactly once. On any processor. */
	void (*submit)(struct block_disk *disk, struct block_request *request);
	/* A batch has ended: tell the host now. May be NULL. */
	void (*commit)(struct block_disk *disk);
};

/* The submitter fills in `complete` before the first request. */
struct block_disk {
	const struct block_disk_ops *ops;
	uint64_t nr_sectors;
	uint32_t sector_size;          /* logical, bytes: 512 to 4096 */
	uint32_t physical_sector_size; /* bytes */
	bool read_only, cdrom, discard, removable;
	uint32_t discard_granularity, discard_alignment; /* bytes */
	void (*complete)(struct block_request *request, enum block_status status);
};

static inline void block_complete(struct block_disk *disk, struct block_request *request,
				  enum block_status status)
{
	disk->complete(request, status);
}
