/* SPDX-License-Identifier: MIT */
#include "adapter/x86/mem.h"
#include "core/pagepool.h"

/* Rings, buffers and queues of four disks and two network adapters; each VP has queues of its own. */
#define FIXED_PAGES  1024
#define PER_VP_PAGES 48

static struct pagepool pool;

size_t device_memory_pages(unsigned nr_vps)
{
	return FIXED_PAGES + nr_vps * PER_VP_PAGES;
}

void device_memory_init(unsigned nr_vps)
{
	size_t pages = device_memory_pages(nr_vps);

	pagepool_init(&pool, page_alloc(pages), pages);
}

void *device_pages(size_t pages)
{
	return pagepool_take(&pool, pages);
}

void device_pages_free(void *memory, size_t pages)
{
	pagepool_give(&pool, memory, pages);
}
