/* SPDX-License-Identifier: MIT */
/* PVH: an ELF image whose note names a 32-bit entry. xen/arch-x86/hvm/start_info.h has the rest. */
#include "host/boot_layout.h"

#include "host/say.h"

#include <elf.h>
#include <string.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/elfnote.h>

#define MAX_SEGMENTS 64u
#define MAX_MODULES  2u

/* Everything of the start information that lies in the guest's memory, at LAYOUT_START_INFO. */
struct pvh_block {
	struct hvm_start_info info;
	struct hvm_modlist_entry module[MAX_MODULES];
	struct hvm_memmap_table_entry map[MAP_MAX];
};

static uint64_t round4(uint64_t value)
{
	return (value + 3) & ~3ull;
}

/* Looks through the notes of one segment for Xen's PHYS32_ENTRY, which is 4 or 8 bytes long. */
static bool find_entry(const struct image *image, uint64_t offset, uint64_t size, uint64_t *entry)
{
	while (size >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr *note = image_at(image, offset, sizeof(*note));
		uint64_t length;
		const uint8_t *name, *value;

		if (!note) {
			return false;
		}
		length = sizeof(*note) + round4(note->n_namesz) + round4(note->n_descsz);
		name = image_at(image, offset + sizeof(*note), length - sizeof(*note));
		if (length > size || !name) {
			return false;
		}
		value = name + round4(note->n_namesz);
		if (note->n_type == XEN_ELFNOTE_PHYS32_ENTRY && note->n_namesz == sizeof("Xen") &&
		    memcmp(name, "Xen", sizeof("Xen")) == 0 &&
		    (note->n_descsz == 4 || note->n_descsz == 8)) {
			*entry = 0;
			memcpy(entry, value, note->n_descsz);
			return true;
		}
		offset += length;
		size -= length;
	}
	return false;
}

static int load_segment(struct boot_space *space, const struct image *image, uint64_t offset,
			uint64_t file_size, uint64_t address, uint64_t memory_size)
{
	const void *from = image_at(image, offset, file_size);
	uint8_t *to = gmem_at(space->memory, gpa(address), memory_size);

	if (!from || file_size > memory_size) {
		return say_error("%s: a segment reaches beyond the file", image->name);
	}
	if (!to || address < LAYOUT_HIGH_START) {
		return say_error(
		    "%s: a segment at %#llx, %llu bytes, is outside of the guest's memory: "
		    "give it more with --memory",
		    image->name, (unsigned long long)address, (unsigned long long)memory_size);
	}
	memcpy(to, from, file_size);
	memset(to + file_size, 0, memory_size - file_size);
	if (address + memory_size > space->image_end) {
		space->image_end = address + memory_size;
	}
	return 0;
}

/* One program header of either class, widened. */
static bool read_segment(const struct image *image, unsigned index, Elf64_Phdr *segment)
{
	const Elf64_Ehdr *elf64 = image_at(image, 0, sizeof(*elf64));
	const Elf32_Ehdr *elf32 = (const void *)elf64;

	if (elf64->e_ident[EI_CLASS] == ELFCLASS64) {
		const Elf64_Phdr *from =
		    elf64->e_phoff < image->size
			? image_at(image, elf64->e_phoff + index * sizeof(*from), sizeof(*from))
			: NULL;

		return from && memcpy(segment, from, sizeof(*from));
	}
	const Elf32_Phdr *from =
	    image_at(image, (uint64_t)elf32->e_phoff + index * sizeof(*from), sizeof(*from));

	if (!from) {
		return false;
	}
	*segment = (Elf64_Phdr){.p_type = from->p_type,
				.p_offset = from->p_offset,
				.p_paddr = from->p_paddr,
				.p_filesz = from->p_filesz,
				.p_memsz = from->p_memsz};
	return true;
}

static int load_elf(struct boot_space *space, const struct image *image, uint64_t *entry)
{
	const Elf64_Ehdr *header = image_at(image, 0, sizeof(*header));
	bool found = false;
	unsigned segments;

	if (!header) {
		return say_error("%s: too short for an ELF file", image->name);
	}
	segments = header->e_ident[EI_CLASS] == ELFCLASS64
		       ? header->e_phnum
		       : ((const Elf32_Ehdr *)(const void *)header)->e_phnum;
	for (unsigned i = 0; i < segments && i < MAX_SEGMENTS; i++) {
		Elf64_Phdr segment;

		if (!read_segment(image, i, &segment)) {
			return say_error("%s: a program header is beyond the file", image->name);
		}
		if (segment.p_type == PT_LOAD && segment.p_memsz &&
		    load_segment(space, image, segment.p_offset, segment.p_filesz, segment.p_paddr,
				 segment.p_memsz) < 0) {
			return -1;
		}
		if (segment.p_type == PT_NOTE && !found) {
			found = find_entry(image, segment.p_offset, segment.p_filesz, entry);
		}
	}
	if (!found) {
		return say_error("%s: an ELF file without PVH entry note", image->name);
	}
	return 0;
}

static int add_module(struct boot_space *space, struct pvh_block *block, const char *name,
		      const char *command_line)
{
	struct hvm_modlist_entry *module = &block->module[block->info.nr_modules];
	struct image image;

	if (image_open(&image, name) < 0) {
		return -1;
	}
	module->size = image.size;
	module->paddr = boot_place_module(space, &image);
	image_close(&image);
	if (!module->paddr) {
		return say_error("%s: no room in the guest's memory: give it more with --memory",
				 name);
	}
	if (command_line) {
		module->cmdline_paddr = boot_place_string(space, command_line);
		if (!module->cmdline_paddr) {
			return say_error("the command lines are too long");
		}
	}
	block->info.nr_modules++;
	return 0;
}

static int add_modules(struct boot_space *space, struct pvh_block *block,
		       const struct boot_files *files)
{
	if (files->adapter && add_module(space, block, files->kernel, files->command_line) < 0) {
		return -1;
	}
	if (files->initrd && add_module(space, block, files->initrd, NULL) < 0) {
		return -1;
	}
	return 0;
}

static void add_map(const struct gmem *memory, struct pvh_block *block)
{
	struct map_entry map[MAP_MAX];

	block->info.memmap_entries = boot_memory_map(memory, map);
	for (unsigned i = 0; i < block->info.memmap_entries; i++) {
		block->map[i] = (struct hvm_memmap_table_entry){
		    .addr = map[i].start, .size = map[i].size, .type = map[i].type};
	}
}

int boot_load_pvh(struct boot_space *space, const struct image *image,
		  const struct boot_files *files, struct gpa rsdp, struct boot_entry *entry)
{
	struct pvh_block block = {
	    .info = {.magic = XEN_HVM_START_MAGIC_VALUE,
		     .version = 1,
		     .modlist_paddr = LAYOUT_START_INFO + offsetof(struct pvh_block, module),
		     .memmap_paddr = LAYOUT_START_INFO + offsetof(struct pvh_block, map),
		     .rsdp_paddr = rsdp.value},
	};

	if (load_elf(space, image, &entry->address) < 0 || add_modules(space, &block, files) < 0) {
		return -1;
	}
	block.info.cmdline_paddr = boot_place_string(
	    space, files->adapter ? files->adapter_command_line : files->command_line);
	if (!block.info.cmdline_paddr) {
		return say_error("the command lines are too long");
	}
	add_map(space->memory, &block);
	gmem_write(space->memory, gpa(LAYOUT_START_INFO), &block, sizeof(block));
	entry->mode = BOOT_PROTECTED;
	entry->argument = LAYOUT_START_INFO;
	return 0;
}
