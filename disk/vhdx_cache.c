/* SPDX-License-Identifier: MIT */
/* A bounded cache of 4 KiB pages of BAT, sector bitmaps and tables. Everything here is under vhdx.lock. */
#include <stdlib.h>

#include "disk/vhdx.h"

#define BUCKETS 2048u
#define NOWHERE (UINT64_MAX - (VHDX_PAGE - 1))

static struct vhdx_page **bucket(const struct vhdx_cache *cache, uint64_t offset)
{
	/* Neighbouring pages of a BAT go to neighbouring buckets; bitmaps are 256 pages each. */
	uint64_t number = offset / VHDX_PAGE;

	return &cache->buckets[(number ^ number >> 12) % BUCKETS];
}

int vhdx_cache_init(struct vhdx_cache *cache)
{
	cache->buckets = calloc(BUCKETS, sizeof(*cache->buckets));
	return cache->buckets ? 0 : XD_E_NOMEM;
}

void vhdx_cache_free(struct vhdx_cache *cache)
{
	for (uint32_t i = 0; i < cache->count; i++)
		free(cache->pages[i]);
	free(cache->buckets);
	free(cache->pages);
	memset(cache, 0, sizeof(*cache));
}

static void unlink_page(struct vhdx_cache *cache, struct vhdx_page *page)
{
	struct vhdx_page **at = bucket(cache, page->offset);

	while (*at != page)
		at = &(*at)->next;
	*at = page->next;
	if (cache->last == page)
		cache->last = NULL;
}

static void link_page(struct vhdx_cache *cache, struct vhdx_page *page, uint64_t offset)
{
	struct vhdx_page **at = bucket(cache, offset);

	page->offset = offset;
	page->flags = 0;
	page->next = *at;
	*at = page;
}

/* The page stays in the array under an offset that nobody asks for, and goes when the hand comes by. */
static void forget(struct vhdx_cache *cache, struct vhdx_page *page)
{
	unlink_page(cache, page);
	link_page(cache, page, NOWHERE);
}

void vhdx_page_forget(struct vhdx *v, uint64_t offset, uint64_t length)
{
	for (uint32_t i = 0; i < v->cache.count; i++)
		if (v->cache.pages[i]->offset - offset < length)
			forget(&v->cache, v->cache.pages[i]);
}

/* A page whose memory may be taken: a clock hand's choice among those that the file has too. */
static struct vhdx_page *evict(struct vhdx_cache *cache)
{
	for (;;) {
		struct vhdx_page *page = cache->pages[cache->hand];

		cache->hand = (cache->hand + 1) % VHDX_MAX_PAGES;
		if (page->flags & (VHDX_PAGE_DIRTY | VHDX_PAGE_BUSY))
			continue; /* at most 2 * VHDX_MAX_DIRTY of them */
		if (page->flags & VHDX_PAGE_USED) {
			page->flags &= ~VHDX_PAGE_USED;
			continue;
		}
		unlink_page(cache, page);
		return page;
	}
}

static struct vhdx_page *new_page(struct vhdx_cache *cache)
{
	struct vhdx_page *page;

	if (cache->count == VHDX_MAX_PAGES)
		return evict(cache);
	if (cache->count == cache->room) {
		uint32_t room = cache->room ? 2 * cache->room : 64;
		void *pages = realloc(cache->pages, room * sizeof(*cache->pages));

		if (!pages)
			return NULL;
		cache->pages = pages;
		cache->room = room;
	}
	page = malloc(sizeof(*page));
	if (page)
		cache->pages[cache->count++] = page;
	return page;
}

static int load_page(struct vhdx *v, uint64_t offset, struct vhdx_page **out, struct xd_error *err)
{
	struct vhdx_page *page = new_page(&v->cache);
	int ret;

	if (!page)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for a page of the BAT");
	link_page(&v->cache, page, offset);
	ret = xd_io_read(v->io, page->byte, VHDX_PAGE, offset, err);
	if (ret)
		forget(&v->cache, page);
	else
		*out = page;
	return ret;
}

int vhdx_page_get(struct vhdx *v, uint64_t offset, struct vhdx_page **out, struct xd_error *err)
{
	struct vhdx_page *page = v->cache.last;
	int ret;

	if (!page || page->offset != offset) {
		for (page = *bucket(&v->cache, offset); page; page = page->next)
			if (page->offset == offset)
				break;
		if (!page && (ret = load_page(v, offset, &page, err)))
			return ret;
		v->cache.last = page;
	}
	page->flags |= VHDX_PAGE_USED;
	*out = page;
	return 0;
}

void vhdx_page_dirty(struct vhdx *v, struct vhdx_page *page)
{
	if (page->flags & VHDX_PAGE_DIRTY)
		return;
	page->flags |= VHDX_PAGE_DIRTY;
	v->cache.dirty[v->cache.dirty_count++] = page;
	v->cache.dirty_bat += vhdx_in_bat(v, page->offset);
}
