/* SPDX-License-Identifier: MIT */
/* Linux's 64-bit boot protocol: Documentation/x86/boot.rst, "64-bit Boot Protocol". */
#include "host/boot_layout.h"

#include "host/say.h"

#include <asm/bootparam.h>
#include <stddef.h>
#include <string.h>

#define HEADER_OFFSET    offsetof(struct boot_params, hdr)
#define HEADER_MAGIC     0x53726448u /* "HdrS" */
#define PROTOCOL_2_12    0x020cu     /* xloadflags */
#define SECTOR           512u
#define ENTRY_64         0x200u /* of startup_64, from the start of the protected-mode code */
#define LOADER_UNDEFINED 0xffu

#define PAGE_PRESENT_WRITE 0x3ull
#define PAGE_LARGE         0x80ull
#define ENTRIES            512u

/* Identity mapping of the low 4 GiB, in 2 MiB pages. */
static void build_page_tables(const struct gmem *memory)
{
	uint64_t *l4 = gmem_at(memory, gpa(LAYOUT_PAGE_TABLES), 6 * GMEM_PAGE_SIZE);
	uint64_t *l3 = l4 + ENTRIES, *l2 = l3 + ENTRIES;

	memset(l4, 0, 6 * GMEM_PAGE_SIZE);
	l4[0] = (LAYOUT_PAGE_TABLES + GMEM_PAGE_SIZE) | PAGE_PRESENT_WRITE;
	for (unsigned i = 0; i < 4; i++) {
		l3[i] = (LAYOUT_PAGE_TABLES + (2 + i) * GMEM_PAGE_SIZE) | PAGE_PRESENT_WRITE;
	}
	for (uint64_t i = 0; i < 4 * ENTRIES; i++) {
		l2[i] = i << 21 | PAGE_LARGE | PAGE_PRESENT_WRITE;
	}
}

/* Flat code (64-bit) at 0x10 and data at 0x18, as the protocol wants them. */
static void build_gdt(const struct gmem *memory)
{
	static const uint64_t gdt[] = {0, 0, 0x00af9b000000ffffull, 0x00cf93000000ffffull};

	gmem_write(memory, gpa(LAYOUT_GDT), gdt, sizeof(gdt));
}

/* The header is as long as the byte at 0x201 says, counted from 0x202. */
static bool read_header(const struct image *image, struct setup_header *header)
{
	const uint8_t *start = image_at(image, HEADER_OFFSET, sizeof(*header));
	const uint8_t *jump = image_at(image, 0x200, 2);
	uint64_t length;

	if (!start || !jump) {
		return false;
	}
	length = 0x202u + jump[1] - HEADER_OFFSET;
	memset(header, 0, sizeof(*header));
	memcpy(header, start, length < sizeof(*header) ? length : sizeof(*header));
	return header->boot_flag == 0xaa55 && header->header == HEADER_MAGIC;
}

static int load_kernel(struct boot_space *space, const struct image *image,
		       const struct setup_header *header)
{
	uint64_t code = ((header->setup_sects ? header->setup_sects : 4) + 1ull) * SECTOR;
	const void *from = code < image->size ? image->data + code : NULL;
	uint64_t size = from ? image->size - code : 0;

	if (!from) {
		return say_error("%s: ends before the kernel's code", image->name);
	}
	if (!gmem_at(space->memory, gpa(header->pref_address), header->init_size) ||
	    size > header->init_size || header->pref_address < LAYOUT_HIGH_START) {
		return say_error("%s: needs %u MiB from %#llx: give the guest more with --memory",
				 image->name, header->init_size >> 20,
				 (unsigned long long)header->pref_address);
	}
	gmem_write(space->memory, gpa(header->pref_address), from, size);
	space->image_end = header->pref_address + header->init_size;
	return 0;
}

static int load_initrd(struct boot_space *space, const char *name, struct boot_params *params)
{
	struct image image;
	uint64_t limit = params->hdr.initrd_addr_max + 1ull;
	uint64_t at;

	if (image_open(&image, name) < 0) {
		return -1;
	}
	if (space->top > limit) {
		space->top = limit & ~(uint64_t)(GMEM_PAGE_SIZE - 1);
	}
	at = boot_place_module(space, &image);
	params->hdr.ramdisk_image = (uint32_t)at;
	params->hdr.ramdisk_size = (uint32_t)image.size;
	image_close(&image);
	return at ? 0
		  : say_error("%s: no room in the guest's memory: give it more with --memory",
			      name);
}

static void add_map(const struct gmem *memory, struct boot_params *params)
{
	struct map_entry map[MAP_MAX];

	params->e820_entries = (uint8_t)boot_memory_map(memory, map);
	for (unsigned i = 0; i < params->e820_entries; i++) {
		params->e820_table[i] = (struct boot_e820_entry){
		    .addr = map[i].start, .size = map[i].size, .type = map[i].type};
	}
}

int boot_load_linux(struct boot_space *space, const struct image *image,
		    const struct boot_files *files, struct gpa rsdp, struct boot_entry *entry)
{
	struct boot_params params = {.acpi_rsdp_addr = rsdp.value};
	uint64_t command_line;

	if (!read_header(image, &params.hdr)) {
		return say_error("%s: neither an ELF file nor a Linux bzImage", image->name);
	}
	if (params.hdr.version < PROTOCOL_2_12 || !(params.hdr.xloadflags & XLF_KERNEL_64)) {
		return say_error("%s: this kernel has no 64-bit entry (boot protocol %u.%02u)",
				 image->name, params.hdr.version >> 8, params.hdr.version & 0xff);
	}
	if (strlen(files->command_line) > params.hdr.cmdline_size) {
		return say_error("%s takes a command line of at most %u bytes", image->name,
				 params.hdr.cmdline_size);
	}
	if (load_kernel(space, image, &params.hdr) < 0 ||
	    (files->initrd && load_initrd(space, files->initrd, &params) < 0)) {
		return -1;
	}
	command_line = boot_place_string(space, files->command_line);
	params.hdr.type_of_loader = LOADER_UNDEFINED;
	params.hdr.cmd_line_ptr = (uint32_t)command_line;
	add_map(space->memory, &params);
	gmem_write(space->memory, gpa(LAYOUT_ZERO_PAGE), &params, sizeof(params));
	build_page_tables(space->memory);
	build_gdt(space->memory);
	*entry = (struct boot_entry){.mode = BOOT_LONG,
				     .address = params.hdr.pref_address + ENTRY_64,
				     .argument = LAYOUT_ZERO_PAGE};
	return 0;
}
