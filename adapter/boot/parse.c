/* SPDX-License-Identifier: MIT */
#include "adapter/boot/parse.h"

#include "abi/x86/multiboot.h"
#include "abi/x86/multiboot2.h"
#include "core/options.h"
#include "core/string.h"

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

bool boot_read(const struct boot_parser *p, uint64_t ma, void *to, size_t length)
{
	if (ma < p->start || ma - p->start > p->size || length > p->size - (ma - p->start))
		return false;
	memcpy(to, p->bytes + (ma - p->start), length);
	return true;
}

static const char *skip_name(const char *s)
{
	while (*s && *s != ' ')
		s++;
	while (*s == ' ')
		s++;
	return s;
}

const char *boot_string(struct boot_parser *p, uint64_t ma, uint64_t max, const char **to)
{
	char *copy = p->strings + p->strings_used;
	size_t room = BOOT_STRINGS_SIZE - p->strings_used;
	size_t length = 0;

	*to = "";
	if (!ma)
		return NULL;
	if (room > BOOT_CMDLINE_MAX)
		room = BOOT_CMDLINE_MAX;
	do {
		if (length == room)
			return "a command line from the boot loader is too long";
		if (length == max || !boot_read(p, ma + length, copy + length, 1))
			return "a command line from the boot loader has no end";
	} while (copy[length++]);
	p->strings_used += length;
	/* Where the loader puts none, whoever wrote its menu may have. */
	*to = p->names ? skip_name(copy) : options_after_name(copy);
	return NULL;
}

const char *boot_add_module(struct boot_parser *p, uint64_t start, uint64_t end,
			    const char *cmdline)
{
	struct bootinfo *out = p->out;

	if (out->nr_modules == BOOT_MODULES_MAX)
		return "the boot loader brought too many modules";
	if (end < start)
		return "a module from the boot loader ends before it begins";
	out->modules[out->nr_modules++] =
	    (struct boot_module){.ma = start, .size = end - start, .cmdline = cmdline};
	return NULL;
}

const char *boot_add_range(struct boot_parser *p, uint64_t start, uint64_t size, uint32_t type)
{
	struct bootinfo *out = p->out;
	struct boot_range *last = out->nr_ranges ? &out->ranges[out->nr_ranges - 1] : NULL;

	if (!size)
		return NULL;
	if (start + size < start)
		return "the boot loader's memory map has a range without end";
	if (last && last->type == type && last->start + last->size == start) {
		last->size += size;
		return NULL;
	}
	if (out->nr_ranges == BOOT_MEMORY_MAX)
		return "the boot loader's memory map has too many ranges";
	out->ranges[out->nr_ranges++] =
	    (struct boot_range){.start = start, .size = size, .type = type};
	return NULL;
}

const char *boot_parse(struct boot_parser *p, uint32_t magic, uint32_t info)
{
	const char *error;

	p->out->loader = "";
	p->out->cmdline = "";
	switch (magic) {
	case MULTIBOOT_LOADER_MAGIC: error = boot_parse_multiboot(p, info); break;
	case MULTIBOOT2_LOADER_MAGIC: error = boot_parse_multiboot2(p, info); break;
	case XEN_HVM_START_MAGIC_VALUE: error = boot_parse_pvh(p, info); break;
	default: error = "the boot loader speaks neither multiboot nor PVH";
	}
	if (!error && !p->out->nr_ranges)
		error = "the boot loader gave no memory map";
	return error;
}
