/* SPDX-License-Identifier: MIT */
/* Any bytes at all in machine memory, by any protocol: what comes out is within bounds. First byte: protocol. */
#include <stdlib.h>
#include <string.h>

#include "abi/x86/multiboot.h"
#include "abi/x86/multiboot2.h"
#include "adapter/boot/parse.h"

#include "core/xen_abi.h"
#include <xen/arch-x86/hvm/start_info.h>

#define BASE 0x1000 /* so that small numbers in the input are addresses in it */

static void check_string(const struct boot_parser *p, const char *s)
{
	if (s[0] == '\0')
		return;
	if (s < p->strings || s >= p->strings + sizeof(p->strings) ||
	    !memchr(s, '\0', (size_t)(p->strings + sizeof(p->strings) - s)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t magics[] = {MULTIBOOT_LOADER_MAGIC, MULTIBOOT2_LOADER_MAGIC,
					  XEN_HVM_START_MAGIC_VALUE};
	static struct bootinfo out;
	static struct boot_parser p;

	if (!size)
		return 0;
	memset(&p, 0, offsetof(struct boot_parser, strings));
	p.has_rsdp = false;
	memset(&out, 0, sizeof(out));
	p.bytes = data + 1;
	p.start = BASE;
	p.size = size - 1;
	p.out = &out;
	if (boot_parse(&p, magics[data[0] % 3], BASE))
		return 0;
	check_string(&p, out.cmdline);
	if (out.nr_modules > BOOT_MODULES_MAX || !out.nr_ranges || out.nr_ranges > BOOT_MEMORY_MAX)
		abort();
	for (unsigned i = 0; i < out.nr_modules; i++) {
		check_string(&p, out.modules[i].cmdline);
		if (out.modules[i].ma + out.modules[i].size < out.modules[i].ma)
			abort();
	}
	for (unsigned i = 0; i < out.nr_ranges; i++) {
		if (!out.ranges[i].size ||
		    out.ranges[i].start + out.ranges[i].size < out.ranges[i].start)
			abort();
	}
	return 0;
}
