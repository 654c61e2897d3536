/* SPDX-License-Identifier: MIT */
#include "adapter/boot/parse.h"

#include "abi/x86/multiboot.h"
#include "core/string.h"

#define KIB              1024ull
#define MIB              0x100000ull
#define RANGE_RAM        1u
#define LOADER_NAME_ROOM 8

/*
 * The specification leaves open what a command line begins with. QEMU and GRUB Legacy put the file's name first,
 * GRUB 2 does not, and says "GRUB 2.06".
 */
static bool loader_puts_names(const struct boot_parser *p, const struct multiboot_info *mbi)
{
	char name[LOADER_NAME_ROOM];

	if (!(mbi->flags & MULTIBOOT_INFO_LOADER_NAME) ||
	    !boot_read(p, mbi->boot_loader_name, name, sizeof(name)))
		return true;
	return memcmp(name, "GRUB ", 5) || name[5] == '0';
}

static const char *parse_modules(struct boot_parser *p, const struct multiboot_info *mbi)
{
	const char *error = NULL;

	for (uint32_t i = 0; i < mbi->mods_count && !error; i++) {
		struct multiboot_module m;
		const char *cmdline;

		if (!boot_read(p, mbi->mods_addr + i * (uint64_t)sizeof(m), &m, sizeof(m)))
			return "the multiboot module list lies outside memory";
		error = boot_string(p, m.string, UINT64_MAX, &cmdline);
		if (!error)
			error = boot_add_module(p, m.start, m.end, cmdline);
	}
	return error;
}

static const char *parse_mmap(struct boot_parser *p, const struct multiboot_info *mbi)
{
	uint64_t end = mbi->mmap_addr + (uint64_t)mbi->mmap_length;
	const char *error = NULL;

	for (uint64_t at = mbi->mmap_addr; at < end && !error;) {
		struct multiboot_mmap_entry e;

		if (!boot_read(p, at, &e, sizeof(e)))
			return "the multiboot memory map lies outside memory";
		if (e.size < sizeof(e) - sizeof(e.size))
			return "the multiboot memory map is malformed";
		error = boot_add_range(p, e.addr, e.length, e.type);
		at += sizeof(e.size) + (uint64_t)e.size;
	}
	return error;
}

/* What 1980s firmware says: memory below 640 KiB, and from 1 MiB to the first hole. */
static const char *parse_meminfo(struct boot_parser *p, const struct multiboot_info *mbi)
{
	const char *error = boot_add_range(p, 0, mbi->mem_lower * KIB, RANGE_RAM);

	return error ? error : boot_add_range(p, MIB, mbi->mem_upper * KIB, RANGE_RAM);
}

const char *boot_parse_multiboot(struct boot_parser *p, uint32_t info)
{
	struct multiboot_info mbi;
	const char *error = NULL;

	p->out->loader = "multiboot";
	if (!boot_read(p, info, &mbi, sizeof(mbi)))
		return "the multiboot information lies outside memory";
	p->names = loader_puts_names(p, &mbi);
	if (mbi.flags & MULTIBOOT_INFO_CMDLINE)
		error = boot_string(p, mbi.cmdline, UINT64_MAX, &p->out->cmdline);
	if (!error && (mbi.flags & MULTIBOOT_INFO_MODULES))
		error = parse_modules(p, &mbi);
	if (!error && (mbi.flags & MULTIBOOT_INFO_MEMORY_MAP))
		error = parse_mmap(p, &mbi);
	else if (!error && (mbi.flags & MULTIBOOT_INFO_MEMORY))
		error = parse_meminfo(p, &mbi);
	return error;
}
