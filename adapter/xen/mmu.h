/* SPDX-License-Identifier: MIT */
/* The guest's page tables as the rest of the adapter sees them. */
#ifndef XENOLITH_XEN_MMU_H
#define XENOLITH_XEN_MMU_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The guest's kernel wrote to a page that is mapped read-only. Xen lets it write to its page tables so, by emulation; here the
 * mapping simply becomes writable. False: it is no page table, the fault is the guest's own.
 */
bool mmu_write_fault(uint64_t va);

/* Loads the L4 in machine frame `m` on this VP, adapter's slots included. False when it is not the guest's. */
bool mmu_load_l4(uint64_t m);

/* The machine frame behind a guest's virtual address, in the address space now loaded; false where there is none. */
bool mmu_frame_of(uint64_t va, uint64_t *m);

#endif
