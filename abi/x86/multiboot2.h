/* SPDX-License-Identifier: MIT */
/* Multiboot2 Specification 2.0. Usable from assembly. */
#ifndef ABI_X86_MULTIBOOT2_H
#define ABI_X86_MULTIBOOT2_H

/* 3.1.1 "The layout of Multiboot2 header": in the first 32 KiB of the file, 8-byte aligned. */
#define MULTIBOOT2_HEADER_MAGIC      0xe85250d6
#define MULTIBOOT2_HEADER_ALIGN      8
#define MULTIBOOT2_ARCHITECTURE_I386 0

/* 3.1.3 to 3.1.13: header tags. */
#define MULTIBOOT2_HEADER_TAG_END          0
#define MULTIBOOT2_HEADER_TAG_INFORMATION  1
#define MULTIBOOT2_HEADER_TAG_MODULE_ALIGN 6
#define MULTIBOOT2_HEADER_TAG_OPTIONAL     1 /* a flag */

/* 3.3 "I386 machine state": eax at entry. */
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289

/* 3.6 "Boot information": tags, each 8-byte aligned. */
#define MULTIBOOT2_TAG_END            0
#define MULTIBOOT2_TAG_COMMAND_LINE   1
#define MULTIBOOT2_TAG_LOADER_NAME    2
#define MULTIBOOT2_TAG_MODULE         3
#define MULTIBOOT2_TAG_MEMORY_MAP     6
#define MULTIBOOT2_TAG_ACPI_OLD       14
#define MULTIBOOT2_TAG_ACPI_NEW       15
#define MULTIBOOT2_TAG_EFI_MEMORY_MAP 17
#define MULTIBOOT2_TAG_ALIGN          8

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/* 3.6.1: what begins the information. */
struct multiboot2_info {
	uint32_t total_size; /* bytes, these included */
	uint32_t reserved;
};
_Static_assert(sizeof(struct multiboot2_info) == 8, "3.6.1");

struct multiboot2_tag {
	uint32_t type;
	uint32_t size; /* bytes, these included, the padding to the next tag not */
};
_Static_assert(sizeof(struct multiboot2_tag) == 8, "3.6.2");

/* 3.6.6: the string follows. */
struct multiboot2_module {
	struct multiboot2_tag tag;
	uint32_t start, end; /* end is exclusive */
};
_Static_assert(sizeof(struct multiboot2_module) == 16, "3.6.6");

/* 3.6.8: entries of entry_size bytes follow. */
struct multiboot2_mmap {
	struct multiboot2_tag tag;
	uint32_t entry_size;
	uint32_t entry_version;
};
_Static_assert(sizeof(struct multiboot2_mmap) == 16, "3.6.8");

/* Types are those of E820. */
struct multiboot2_mmap_entry {
	uint64_t addr, length;
	uint32_t type;
	uint32_t reserved;
};
_Static_assert(sizeof(struct multiboot2_mmap_entry) == 24, "3.6.8");
_Static_assert(offsetof(struct multiboot2_mmap_entry, type) == 16, "3.6.8");

/* 3.6.18: the firmware's descriptors follow. */
struct multiboot2_efi_mmap {
	struct multiboot2_tag tag;
	uint32_t descriptor_size;
	uint32_t descriptor_version;
};
_Static_assert(sizeof(struct multiboot2_efi_mmap) == 16, "3.6.18");

/* UEFI 2.10, 7.2 "Memory Allocation Services", EFI_MEMORY_DESCRIPTOR. */
struct efi_memory_descriptor {
	uint32_t type;
	uint32_t pad;
	uint64_t physical_start;
	uint64_t virtual_start;
	uint64_t number_of_pages; /* of 4 KiB */
	uint64_t attribute;
};
_Static_assert(sizeof(struct efi_memory_descriptor) == 40, "UEFI 7.2");
_Static_assert(offsetof(struct efi_memory_descriptor, number_of_pages) == 24, "UEFI 7.2");

/* UEFI 2.10, 7.2, EFI_MEMORY_TYPE. */
enum efi_memory_type {
	EFI_LOADER_CODE = 1,
	EFI_LOADER_DATA = 2,
	EFI_BOOT_SERVICES_CODE = 3,
	EFI_BOOT_SERVICES_DATA = 4,
	EFI_CONVENTIONAL = 7,
	EFI_UNUSABLE = 8,
	EFI_ACPI_RECLAIM = 9,
	EFI_ACPI_NVS = 10,
};
#endif

#endif
