/* SPDX-License-Identifier: MIT */
/*
 * The memory map that firmware hands over: unsorted, overlapping and unaligned as firmware writes it, and made into
 * one that can be relied on. Source of the types: ACPI specification 6.4, table 15.6 "Address Range Types".
 *
 * Addresses and sizes are in bytes. The caller owns every map; nothing is kept.
 */
#ifndef CORE_E820_H
#define CORE_E820_H

#include <stdbool.h>
#include <stdint.h>

#define E820_INPUT_MAX 128                  /* ranges that e820_normalise takes */
#define E820_MAX       (2 * E820_INPUT_MAX) /* ranges in a map: overlaps split them */
#define E820_PAGE      4096ull
/* No processor has more physical address bits (Intel SDM volume 3, 4.1.4): nothing usable lies above. */
#define E820_ADDRESS_END (1ull << 52)

enum {
	E820_USABLE = 1,
	E820_RESERVED = 2,
	E820_ACPI = 3, /* tables; memory again once they are read */
	E820_NVS = 4,
	E820_UNUSABLE = 5, /* with errors */
};

struct e820_range {
	uint64_t start, size;
	uint32_t type;
};

/*
 * Sorted, disjoint, page-aligned, none empty, no two neighbours of one type that touch, all below E820_ADDRESS_END.
 * What no range covers is not memory.
 */
struct e820_map {
	unsigned int count;
	struct e820_range range[E820_MAX];
};

/*
 * Where ranges overlap, the less usable type holds: unusable, reserved and unknown types, NVS, ACPI, usable. Usable
 * ranges shrink to whole pages, the others grow. False: more than E820_INPUT_MAX ranges.
 */
bool e820_normalise(struct e820_map *map, const struct e820_range *in, unsigned int count);

/*
 * Makes what is usable in [start, start + size) a range of the given type (not E820_USABLE), grown to whole pages; other
 * types stay. False: the map has no room for the pieces and is as it was.
 */
bool e820_reserve(struct e820_map *map, uint64_t start, uint64_t size, uint32_t type);

/* The sum of all usable ranges. */
uint64_t e820_usable(const struct e820_map *map);

/* Takes usable memory away, the highest first, until at most `bytes` (a multiple of a page) are left. */
void e820_limit(struct e820_map *map, uint64_t bytes);

/*
 * Iterates over usable ranges in ascending order: *i starts at 0 and is the iterator's own. NULL: no more.
 *   for (unsigned int i = 0; (r = e820_next_usable(map, &i)) != NULL;)
 */
const struct e820_range *e820_next_usable(const struct e820_map *map, unsigned int *i);

/*
 * The highest usable span of `size` bytes (grown to whole pages) below `max`, so that what has to lie at a low address
 * finds it free. UINT64_MAX: there is none.
 */
uint64_t e820_find(const struct e820_map *map, uint64_t size, uint64_t max);

/* The largest usable span below `max`; its size is 0 where there is none. */
struct e820_range e820_largest(const struct e820_map *map, uint64_t max);

#endif
