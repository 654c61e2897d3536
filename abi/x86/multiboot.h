/* SPDX-License-Identifier: MIT */
/* Multiboot Specification 0.6.96. Usable from assembly. */
#ifndef ABI_X86_MULTIBOOT_H
#define ABI_X86_MULTIBOOT_H

/* 3.1.1 "The layout of Multiboot header": in the first 8 KiB of the file, 4-byte aligned. */
#define MULTIBOOT_HEADER_MAGIC       0x1badb002
#define MULTIBOOT_HEADER_ALIGN       4
#define MULTIBOOT_HEADER_PAGE_ALIGN  0x1
#define MULTIBOOT_HEADER_MEMORY_INFO 0x2

/* 3.2 "Machine state": eax at entry. */
#define MULTIBOOT_LOADER_MAGIC 0x2badb002

/* 3.3 "Boot information format": which fields are valid. */
#define MULTIBOOT_INFO_MEMORY      0x001
#define MULTIBOOT_INFO_CMDLINE     0x004
#define MULTIBOOT_INFO_MODULES     0x008
#define MULTIBOOT_INFO_MEMORY_MAP  0x040
#define MULTIBOOT_INFO_LOADER_NAME 0x200

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/* All addresses are physical. The specification's fields behind boot_loader_name are not used. */
struct multiboot_info {
	uint32_t flags;
	uint32_t mem_lower, mem_upper; /* KiB from 0 and from 1 MiB */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr; /* bytes; entries are not of one size */
	uint32_t drives_length, drives_addr;
	uint32_t config_table;
	uint32_t boot_loader_name;
};
_Static_assert(sizeof(struct multiboot_info) == 68, "3.3");
_Static_assert(offsetof(struct multiboot_info, cmdline) == 16, "3.3");
_Static_assert(offsetof(struct multiboot_info, mods_count) == 20, "3.3");
_Static_assert(offsetof(struct multiboot_info, mmap_length) == 44, "3.3");
_Static_assert(offsetof(struct multiboot_info, boot_loader_name) == 64, "3.3");

struct multiboot_module {
	uint32_t start, end; /* end is exclusive */
	uint32_t string;
	uint32_t reserved;
};
_Static_assert(sizeof(struct multiboot_module) == 16, "3.3");

/* `size` counts what follows it, so the next entry is at size + 4. Types are those of E820. */
struct multiboot_mmap_entry {
	uint32_t size;
	uint64_t addr, length;
	uint32_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct multiboot_mmap_entry) == 24, "3.3");
_Static_assert(offsetof(struct multiboot_mmap_entry, type) == 20, "3.3");
#endif

#endif
