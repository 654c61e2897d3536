/* SPDX-License-Identifier: MIT */
/* Page tables: the adapter's own, and a look at the guest's. */
#ifndef XENOLITH_X86_PAGING_H
#define XENOLITH_X86_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "adapter/x86/guest_access.h"
#include "adapter/x86/mem.h"

#define PTE_P    (1ull << 0)
#define PTE_W    (1ull << 1)
#define PTE_U    (1ull << 2)
#define PTE_PWT  (1ull << 3)
#define PTE_PCD  (1ull << 4)
#define PTE_A    (1ull << 5)
#define PTE_D    (1ull << 6)
#define PTE_PS   (1ull << 7)
#define PTE_G    (1ull << 8)
#define PTE_NX   (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull

#define MAP_DATA   (PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_NX)
#define MAP_RODATA (PTE_P | PTE_A | PTE_G | PTE_NX)
#define MAP_CODE   (PTE_P | PTE_A | PTE_G)
#define MAP_DEVICE (MAP_DATA | PTE_PCD | PTE_PWT)

/* One page in the adapter's slots; `ma` page-aligned. Tables are made as needed. No flush: the old mapping, if any, was absent. */
void map_page(uint64_t va, uint64_t ma, uint64_t flags);

/* Builds the adapter's final tables over `max_ma` bytes of machine memory and switches to them. */
void paging_init(uint64_t max_ma);

/* Puts the adapter's slots into an L4 of the guest. */
void paging_install(uint64_t *l4);

/* The adapter's own L4, for VPs that have no guest's yet. */
uint64_t paging_root(void);

static inline unsigned table_slot(uint64_t va, unsigned level)
{
	return va >> (12 + 9 * (level - 1)) & 511;
}

/* From a table of `level` to the one below it; addresses in the direct map. False where there is none. */
static inline bool walk_down(uint64_t *table, uint64_t va, unsigned level, uint64_t base,
			     uint64_t address)
{
	uint64_t e;

	GUEST_LOAD(e, (uint64_t *)*table + table_slot(va, level), absent);
	*table = (e & address) + base;
	return e & PTE_P;
absent:
	return false;
}

/*
 * The L1 entry that maps `va` under the L4 at machine address `cr3`, or NULL where a level is absent. A PV guest has no large pages.
 * A table may lie outside of RAM, where the direct map has nothing: then the load faults, and so may one of the entry itself.
 */
static inline uint64_t *walk_l1(uint64_t cr3, uint64_t va)
{
	uint64_t base = DIRECT_VIRT, address = PTE_ADDR;
	uint64_t table = cr3 + base;

	/* In registers once, not as 64-bit immediates at each level. */
	asm("" : "+r"(base), "+r"(address));
	if (walk_down(&table, va, 4, base, address) && walk_down(&table, va, 3, base, address) &&
	    walk_down(&table, va, 2, base, address))
		return (uint64_t *)table + table_slot(va, 1);
	return NULL;
}

#endif
