/* SPDX-License-Identifier: MIT */
/*
 * Machine memory before the guest is built: what there is, what the adapter keeps, what is borrowed until the guest starts.
 *
 *   below 1 MiB    the firmware's; two pages are taken for starting VPs, two more after each that does not start
 *   the image      where it was loaded
 *   the pool       the adapter's own memory for ever (page_alloc)
 *   borrowed       copies of the modules and the unpacked kernel; the guest's memory again once it is built
 *   the rest       the guest's
 */
#ifndef XENOLITH_BOOT_MEMORY_H
#define XENOLITH_BOOT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "adapter/boot/bootinfo.h"
#include "adapter/x86/mem.h"

/*
 * Finds the memory, at most `limit` bytes of it (0: all), beside the `image_bytes` of the image, and sets the pool up for
 * `nr_vps` VPs; page_alloc works from here on. Refuses when there is too little.
 */
void memory_init(const struct bootinfo *boot, uint64_t image_bytes, unsigned nr_vps,
		 uint64_t limit);

/* One past the highest machine address that the direct map must reach: RAM, and 4 GiB for the firmware's tables. */
uint64_t memory_top(void);

/* One past the highest machine frame of RAM. */
uint64_t memory_max_mfn(void);

/* Machine-contiguous memory below 4 GiB, page-aligned, not cleared; outside modules, pool and earlier loans. 0: none so large. */
uint64_t memory_borrow(uint64_t bytes);

/* The largest piece that could be borrowed, without borrowing it. */
uint64_t memory_largest(uint64_t *bytes);

/*
 * The ranges of frames that the guest may have, in ascending order: RAM that is neither image nor pool nor the firmware's.
 * *i starts at 0. False: no more.
 */
bool memory_next_guest_range(unsigned *i, uint64_t *first, uint64_t *end);

/* Bytes of the pool: used, and in all. */
uint64_t memory_pool_used(void);
uint64_t memory_pool_size(void);

#endif
