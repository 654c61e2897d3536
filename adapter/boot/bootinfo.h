/* SPDX-License-Identifier: MIT */
/* What a boot loader told us, in one form whatever its protocol was: multiboot 1, multiboot 2 or PVH. */
#ifndef XENOLITH_BOOT_BOOTINFO_H
#define XENOLITH_BOOT_BOOTINFO_H

#include <stdint.h>

#define BOOT_MODULES_MAX 8
#define BOOT_MEMORY_MAX  128
#define BOOT_CMDLINE_MAX 4096

/*
 * A module stays where the loader put it until the guest is built. Its command line is without the file's name, never
 * NULL, and lives as long as the bootinfo.
 */
struct boot_module {
	uint64_t ma;   /* machine address */
	uint64_t size; /* bytes */
	const char *cmdline;
};

/* E820 types, as firmware numbers them (ACPI specification, "Address Range Types"). */
struct boot_range {
	uint64_t start, size;
	uint32_t type;
};

struct bootinfo {
	const char *loader;  /* "multiboot", "multiboot2", "PVH", for the log */
	const char *cmdline; /* the adapter's own options, without the image's name */
	uint64_t rsdp;       /* machine address, perhaps of a copy in the image; 0: not told */
	unsigned nr_modules;
	unsigned nr_ranges;
	struct boot_module modules[BOOT_MODULES_MAX];
	struct boot_range ranges[BOOT_MEMORY_MAX];
};

/*
 * Called by entry.S in 64-bit mode on the boot stack, interrupts off, with the early page tables: machine memory
 * 0 to 4 GiB at its own address and at DIRECT_VIRT, the image at IMAGE_VIRT. `magic` and `info` are eax and ebx as the
 * loader left them. Parses and copies out everything, then calls adapter_main. Does not return.
 */
_Noreturn void boot_entry(uint32_t magic, uint32_t info);

_Noreturn void adapter_main(const struct bootinfo *boot);

#endif
