/* SPDX-License-Identifier: MIT */
/*
 * Machine memory: the direct map, the adapter's page allocator and its own mappings.
 */
#ifndef XENOLITH_X86_MEM_H
#define XENOLITH_X86_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "adapter/x86/layout.h"

typedef struct {
	uint64_t n;
} mfn_t;

static inline mfn_t mfn(uint64_t n)
{
	return (mfn_t){n};
}

static inline void *ma_to_va(uint64_t ma)
{
	return (void *)(DIRECT_VIRT + ma);
}

/* Only for addresses in the direct map, which is where page_alloc's memory lies. */
static inline uint64_t va_to_ma(const void *va)
{
	return (uint64_t)va - DIRECT_VIRT;
}

static inline void *mfn_to_va(mfn_t m)
{
	return ma_to_va(m.n << PAGE_SHIFT);
}

/*
 * Zeroed, page-aligned, machine-contiguous memory in the direct map; never freed. Before the guest is built it
 * comes from all of memory, afterwards from a reserve of RESERVE_PAGES. Never returns NULL: panics when it runs out.
 */
void *page_alloc(size_t pages);

/*
 * Memory of devices, which come and go while the guest runs: zeroed, page-aligned, machine-contiguous, in the direct map. NULL where there is no
 * run of so many pages. Any VP.
 */
void *device_pages(size_t pages);
/* All that one device_pages() returned, or NULL. */
void device_pages_free(void *memory, size_t pages);
/* Boot: how many pages there are for devices of a partition with so many VPs, and taking them out of page_alloc's. */
size_t device_memory_pages(unsigned nr_vps);
void device_memory_init(unsigned nr_vps);

/* Maps `size` bytes of memory-mapped I/O at machine address `ma`, uncached; lives for ever. */
void *map_mmio(uint64_t ma, size_t size);

/* The machine address of anything the adapter can address: image, direct map, windows. */
uint64_t virt_to_ma(const void *va);

#endif
