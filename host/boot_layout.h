/* SPDX-License-Identifier: MIT */
/* Where the boot code of host/ puts things below 1 MiB, and what its files share. Included by host/boot*.c alone. */
#ifndef HOST_BOOT_LAYOUT_H
#define HOST_BOOT_LAYOUT_H

#include "host/boot.h"

#include <stdbool.h>

#define LAYOUT_GDT         0x1000ull
#define LAYOUT_START_INFO  0x2000ull  /* PVH, its memory map and its modules */
#define LAYOUT_ZERO_PAGE   0x3000ull  /* Linux's boot_params */
#define LAYOUT_PAGE_TABLES 0x4000ull  /* six pages: L4, L3 and four L2 */
#define LAYOUT_STRINGS     0x10000ull /* command lines */
#define LAYOUT_STRINGS_END 0x20000ull
#define LAYOUT_LOW_END     0x9fc00ull /* of RAM below the legacy hole */
#define LAYOUT_HIGH_START  0x100000ull

/* A file, mapped privately and read-only. */
struct image {
	const char *name;
	const uint8_t *data;
	uint64_t size;
};

/* Says why a file cannot be read; 0 or -1. */
int image_open(struct image *image, const char *name);
void image_close(struct image *image);
/* The `length` bytes at `offset`, or NULL where the file is shorter. */
const void *image_at(const struct image *image, uint64_t offset, uint64_t length);

/* The memory map, the same for every protocol. `type` is E820's, which is also PVH's. */
struct map_entry {
	uint64_t start;
	uint64_t size;
	uint32_t type;
};
#define MAP_RAM      1u
#define MAP_RESERVED 2u
#define MAP_MAX      5u
unsigned boot_memory_map(const struct gmem *memory, struct map_entry map[MAP_MAX]);

/* Where things go while the guest's memory fills: modules from the top of low RAM down, strings from LAYOUT_STRINGS up. */
struct boot_space {
	const struct gmem *memory;
	uint64_t image_end; /* the kernel's image ends here */
	uint64_t top;       /* modules end here */
	uint64_t strings;
};

/* Copies; 0 where there is no room (address 0 is never used). */
uint64_t boot_place_module(struct boot_space *space, const struct image *module);
uint64_t boot_place_string(struct boot_space *space, const char *string);

int boot_load_pvh(struct boot_space *space, const struct image *image,
		  const struct boot_files *files, struct gpa rsdp, struct boot_entry *entry);
int boot_load_linux(struct boot_space *space, const struct image *image,
		    const struct boot_files *files, struct gpa rsdp, struct boot_entry *entry);

#endif
