/* SPDX-License-Identifier: MIT */
/* The kit itself works: console, traps that are caught, facts, and what a guest learns first. */
#include "tests/guest/pv/kit/pv.h"

#include <xen/version.h>

#define M2P ((const uint64_t *)0xffff800000000000)

static uint8_t page[PAGE_SIZE] PAGE_ALIGNED;

/* As on Xen, registers that pass no argument come back as they were: GRUB keeps a pointer in r8 from one hypercall to the next. */
static void other_registers_are_kept(void)
{
	register uint64_t r8 asm("r8") = 0x8888, r9 asm("r9") = 0x9999, r10 asm("r10") = 0xaaaa;
	uint64_t result = __HYPERVISOR_xen_version, command = XENVER_version, argument = 0;

	asm volatile(HYPERCALL_INSN
		     : "+a"(result), "+D"(command), "+S"(argument), "+r"(r8), "+r"(r9), "+r"(r10)
#ifndef PV_INLINE
		     : [entry] "r"(hypercall_page + __HYPERVISOR_xen_version * 32)
#else
		     :
#endif
		     : "rcx", "rdx", "r11", "memory");
	/* At once: what follows may use the registers. */
	const uint64_t kept[] = {r8, r9, r10};

	check_equal(kept[0], 0x8888);
	check_equal(kept[1], 0x9999);
	check_equal(kept[2], 0xaaaa);
}

void test_main(void)
{
	long version = hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0);

	fact("major version: %ld", version >> 16);
	check(memcmp(start_info->magic, "xen-", 4) == 0);
	check(start_info->nr_pages >= 16384);
	check(shared_info->vcpu_info[0].evtchn_upcall_mask);
	check_equal(M2P[va_to_mfn(page)], ((uint64_t)page - VIRT_BASE) / PAGE_SIZE);
	other_registers_are_kept();
	TRY("ud2");
	fact_caught("ud2", NULL);
	TRY("nop");
	fact_caught("nop", NULL);
	TRY("movl $1, 0x10");
	fact_caught("store to 0x10", NULL);
}
