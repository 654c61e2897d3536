/* SPDX-License-Identifier: MIT */
#include "adapter/boot/parse.h"

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

#define VERSION_WITH_MEMMAP 1

static const char *parse_modules(struct boot_parser *p, const struct hvm_start_info *si)
{
	const char *error = NULL;

	for (uint32_t i = 0; i < si->nr_modules && !error; i++) {
		struct hvm_modlist_entry m;
		const char *cmdline;

		if (!boot_read(p, si->modlist_paddr + i * (uint64_t)sizeof(m), &m, sizeof(m)))
			return "the PVH module list lies outside memory";
		if (m.paddr + m.size < m.paddr)
			return "a PVH module has no end";
		error = boot_string(p, m.cmdline_paddr, UINT64_MAX, &cmdline);
		if (!error)
			error = boot_add_module(p, m.paddr, m.paddr + m.size, cmdline);
	}
	return error;
}

/* XEN_HVM_MEMMAP_TYPE_* are E820's numbers. */
static const char *parse_memmap(struct boot_parser *p, const struct hvm_start_info *si)
{
	const char *error = NULL;

	for (uint32_t i = 0; i < si->memmap_entries && !error; i++) {
		struct hvm_memmap_table_entry e;

		if (!boot_read(p, si->memmap_paddr + i * (uint64_t)sizeof(e), &e, sizeof(e)))
			return "the PVH memory map lies outside memory";
		error = boot_add_range(p, e.addr, e.size, e.type);
	}
	return error;
}

const char *boot_parse_pvh(struct boot_parser *p, uint32_t info)
{
	struct hvm_start_info si;
	const char *error;

	p->out->loader = "PVH";
	p->names = false;
	if (!boot_read(p, info, &si, sizeof(si)) || si.magic != XEN_HVM_START_MAGIC_VALUE)
		return "the PVH start information is not where the boot loader says";
	if (si.version < VERSION_WITH_MEMMAP)
		return "the boot loader's PVH version 0 has no memory map";
	p->out->rsdp = si.rsdp_paddr;
	error = boot_string(p, si.cmdline_paddr, UINT64_MAX, &p->out->cmdline);
	if (!error)
		error = parse_modules(p, &si);
	return error ? error : parse_memmap(p, &si);
}
