/* SPDX-License-Identifier: MIT */
#include "core/pagepool.h"

#include "core/string.h"

#include <stdbool.h>

static bool is_used(const struct pagepool *pool, size_t page)
{
	return pool->used[page / 64] >> page % 64 & 1;
}

static void mark(struct pagepool *pool, size_t first, size_t pages, bool used)
{
	for (size_t i = first; i < first + pages; i++) {
		if (used)
			pool->used[i / 64] |= 1ull << i % 64;
		else
			pool->used[i / 64] &= ~(1ull << i % 64);
	}
	pool->free = used ? pool->free - pages : pool->free + pages;
}

void pagepool_init(struct pagepool *pool, void *region, size_t pages)
{
	size_t bitmap = (pages + 63) / 64 * 8;
	size_t own = (bitmap + PAGEPOOL_PAGE - 1) / PAGEPOOL_PAGE;

	lock_init(&pool->lock);
	pool->base = region;
	pool->used = region;
	pool->pages = pages;
	pool->free = pages;
	memset(region, 0, own * PAGEPOOL_PAGE);
	mark(pool, 0, own, true);
}

/* The first page of a free run, or pool->pages. */
static size_t find(const struct pagepool *pool, size_t pages)
{
	size_t run = 0;

	for (size_t i = 0; i < pool->pages; i++) {
		run = is_used(pool, i) ? 0 : run + 1;
		if (run == pages)
			return i + 1 - pages;
	}
	return pool->pages;
}

void *pagepool_take(struct pagepool *pool, size_t pages)
{
	size_t first;

	lock_take(&pool->lock);
	first = find(pool, pages);
	if (first < pool->pages)
		mark(pool, first, pages, true);
	lock_drop(&pool->lock);
	if (first == pool->pages)
		return NULL;
	return memset(pool->base + first * PAGEPOOL_PAGE, 0, pages * PAGEPOOL_PAGE);
}

void pagepool_give(struct pagepool *pool, void *run, size_t pages)
{
	if (!run)
		return;
	lock_take(&pool->lock);
	mark(pool, (size_t)((uint8_t *)run - pool->base) / PAGEPOOL_PAGE, pages, false);
	lock_drop(&pool->lock);
}
