/* SPDX-License-Identifier: MIT */
/*
 * Runs of pages out of one fixed region: first fit on a bitmap, which takes the region's first page or pages. For the rings, buffers and queues of
 * devices, which come and go while the guest runs. Any processor may call.
 */
#pragma once

#include "core/lock.h"

#include <stddef.h>
#include <stdint.h>

#define PAGEPOOL_PAGE 4096u

struct pagepool {
	struct lock lock;
	uint8_t *base;
	uint64_t *used; /* bit n: page n is given out */
	size_t pages, free;
};

/* The region is page-aligned, of at least two pages, and belongs to the pool from here on. */
void pagepool_init(struct pagepool *pool, void *region, size_t pages);
/* Zeroed, contiguous, page-aligned; `pages` ≥ 1. NULL where no run is long enough. */
void *pagepool_take(struct pagepool *pool, size_t pages);
/* Gives back all that one pagepool_take() returned; NULL is nothing. */
void pagepool_give(struct pagepool *pool, void *run, size_t pages);
