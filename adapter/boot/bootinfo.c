/* SPDX-License-Identifier: MIT */
#include "adapter/boot/bootinfo.h"

#include "adapter/boot/parse.h"
#include "adapter/x86/layout.h"
#include "adapter/x86/log.h"
#include "adapter/x86/traps.h"

#define EARLY_MAPPED 0x100000000 /* entry.S */

static struct bootinfo bootinfo;
static struct boot_parser parser;

_Noreturn void boot_entry(uint32_t magic, uint32_t info)
{
	const char *error;

	idt_load_early();
	/* The direct map, because address 0 is no object to C. */
	parser.bytes = (const uint8_t *)DIRECT_VIRT;
	parser.size = EARLY_MAPPED;
	parser.out = &bootinfo;
	error = boot_parse(&parser, magic, info);
	if (error)
		refuse("%s", error);
	if (parser.has_rsdp)
		bootinfo.rsdp = (uint64_t)parser.rsdp - IMAGE_VIRT + IMAGE_PHYS;
	adapter_main(&bootinfo);
}
