/* SPDX-License-Identifier: MIT */
#include "adapter/boot/parse.h"

#include "abi/x86/multiboot2.h"
#include "core/string.h"

#define EFI_PAGE_SHIFT  12
#define EFI_PAGES_MAX   (UINT64_MAX >> EFI_PAGE_SHIFT)
#define RSDP_SIZE_ACPI1 20

enum { E820_RAM = 1, E820_RESERVED, E820_ACPI, E820_NVS, E820_UNUSABLE };

/* A tag that has been found to lie whole within the information. */
struct tag {
	uint32_t type, size;
	uint64_t ma;
};

static const char *parse_module(struct boot_parser *p, const struct tag *tag)
{
	struct multiboot2_module m;
	const char *cmdline, *error;

	if (tag->size < sizeof(m) || !boot_read(p, tag->ma, &m, sizeof(m)))
		return "a multiboot2 module is malformed";
	error = boot_string(p, tag->ma + sizeof(m), tag->size - sizeof(m), &cmdline);
	return error ? error : boot_add_module(p, m.start, m.end, cmdline);
}

static const char *parse_mmap(struct boot_parser *p, const struct tag *tag)
{
	struct multiboot2_mmap map;
	struct multiboot2_mmap_entry e;
	const char *error = NULL;

	if (tag->size < sizeof(map) || !boot_read(p, tag->ma, &map, sizeof(map)) ||
	    map.entry_size < sizeof(e))
		return "the multiboot2 memory map is malformed";
	for (uint64_t at = sizeof(map); at + sizeof(e) <= tag->size && !error;
	     at += map.entry_size) {
		if (!boot_read(p, tag->ma + at, &e, sizeof(e)))
			return "the multiboot2 memory map lies outside memory";
		error = boot_add_range(p, e.addr, e.length, e.type);
	}
	return error;
}

/* The boot services are over when a multiboot2 kernel runs that did not ask to keep them: theirs is free memory. */
static uint32_t e820_from_efi(uint32_t type)
{
	switch (type) {
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
	case EFI_BOOT_SERVICES_CODE:
	case EFI_BOOT_SERVICES_DATA:
	case EFI_CONVENTIONAL: return E820_RAM;
	case EFI_UNUSABLE: return E820_UNUSABLE;
	case EFI_ACPI_RECLAIM: return E820_ACPI;
	case EFI_ACPI_NVS: return E820_NVS;
	default: return E820_RESERVED;
	}
}

static const char *parse_efi_mmap(struct boot_parser *p, const struct tag *tag)
{
	struct multiboot2_efi_mmap map;
	struct efi_memory_descriptor d;
	const char *error = NULL;

	if (tag->size < sizeof(map) || !boot_read(p, tag->ma, &map, sizeof(map)) ||
	    map.descriptor_size < sizeof(d))
		return "the EFI memory map is malformed";
	for (uint64_t at = sizeof(map); at + sizeof(d) <= tag->size && !error;
	     at += map.descriptor_size) {
		if (!boot_read(p, tag->ma + at, &d, sizeof(d)))
			return "the EFI memory map lies outside memory";
		if (d.number_of_pages > EFI_PAGES_MAX)
			return "the EFI memory map has a range without end";
		error = boot_add_range(p, d.physical_start, d.number_of_pages << EFI_PAGE_SHIFT,
				       e820_from_efi(d.type));
	}
	return error;
}

/* A newer RSDP replaces an older one, in whichever order they come. */
static const char *parse_rsdp(struct boot_parser *p, const struct tag *tag)
{
	uint32_t size = tag->size - sizeof(struct multiboot2_tag);

	if (size > RSDP_SIZE_MAX)
		size = RSDP_SIZE_MAX;
	if (size < RSDP_SIZE_ACPI1)
		return "the ACPI root pointer from the boot loader is cut short";
	if (p->has_rsdp && tag->type == MULTIBOOT2_TAG_ACPI_OLD)
		return NULL;
	if (!boot_read(p, tag->ma + sizeof(struct multiboot2_tag), p->rsdp, size))
		return "the ACPI root pointer lies outside memory";
	p->has_rsdp = true;
	return NULL;
}

/* GRUB gives both memory maps; its own is the one that knows what GRUB holds, so EFI's is only for want of it. */
static const char *parse_tag(struct boot_parser *p, const struct tag *tag, struct tag *efi_mmap)
{
	switch (tag->type) {
	case MULTIBOOT2_TAG_COMMAND_LINE:
		return boot_string(p, tag->ma + sizeof(struct multiboot2_tag),
				   tag->size - sizeof(struct multiboot2_tag), &p->out->cmdline);
	case MULTIBOOT2_TAG_MODULE: return parse_module(p, tag);
	case MULTIBOOT2_TAG_MEMORY_MAP: return parse_mmap(p, tag);
	case MULTIBOOT2_TAG_EFI_MEMORY_MAP: *efi_mmap = *tag; return NULL;
	case MULTIBOOT2_TAG_ACPI_OLD:
	case MULTIBOOT2_TAG_ACPI_NEW: return parse_rsdp(p, tag);
	default: return NULL;
	}
}

const char *boot_parse_multiboot2(struct boot_parser *p, uint32_t info)
{
	struct multiboot2_info head;
	struct tag efi_mmap = {0};
	const char *error = NULL;
	uint64_t at = sizeof(head);

	p->out->loader = "multiboot2";
	p->names =
	    false; /* GRUB 2 is the only loader of this protocol that matters, and gives none */
	if (!boot_read(p, info, &head, sizeof(head)))
		return "the multiboot2 information lies outside memory";
	while (!error) {
		struct multiboot2_tag tag;

		if (at + sizeof(tag) > head.total_size ||
		    !boot_read(p, info + at, &tag, sizeof(tag)))
			return "the multiboot2 information has no end";
		if (tag.type == MULTIBOOT2_TAG_END)
			break;
		if (tag.size < sizeof(tag) || tag.size > head.total_size - at)
			return "the multiboot2 information is malformed";
		error = parse_tag(p, &(struct tag){tag.type, tag.size, info + at}, &efi_mmap);
		at += ((uint64_t)tag.size + MULTIBOOT2_TAG_ALIGN - 1) &
		      -(uint64_t)MULTIBOOT2_TAG_ALIGN;
	}
	if (!error && !p->out->nr_ranges && efi_mmap.size)
		error = parse_efi_mmap(p, &efi_mmap);
	return error;
}
