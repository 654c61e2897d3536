/* SPDX-License-Identifier: MIT */
/*
 * Where the guest finds things at its start, as xen/xen.h ("Start-of-day memory layout for 64-bit guests") has it:
 *
 *      kernel | initrd, unless it may lie anywhere | mfn_list | start_info | xenstore | console | page tables | stack
 *
 * in this order from VIRT_BASE on, the end of the mapping rounded up to 4 MiB.
 */
#ifndef XENOLITH_BOOT_LAYOUT_H
#define XENOLITH_BOOT_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/kimage.h"

/* All are the guest's frame numbers (pfns), or counts of pages; all but the initrd lie in [first, end). */
struct layout {
	uint64_t first,
	    end; /* where the kernel begins; where the initial mapping, which begins at 0, ends */
	uint64_t initrd,
	    initrd_pages; /* a kernel that takes it anywhere gets it outside: then `initrd` is not set */
	uint64_t p2m, p2m_pages;
	uint64_t start_info, xenstore, console;
	uint64_t tables, nr_tables;
	uint64_t stack;
};

/* False where it does not fit the guest's `nr_pages`; `at` says what it takes all the same. */
bool layout_make(struct layout *at, const struct kimage *kernel, uint64_t nr_pages,
		 uint64_t initrd_pages);

#endif
