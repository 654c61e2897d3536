/* SPDX-License-Identifier: MIT */
/* The kit itself works: console, traps that are caught, facts, and what a guest learns first. */
#include "tests/guest/pv/kit/pv.h"

#include <xen/version.h>

#define M2P ((const uint64_t *)0xffff800000000000)

static uint8_t page[PAGE_SIZE] PAGE_ALIGNED;

void test_main(void)
{
	long version = hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0);

	fact("major version: %ld", version >> 16);
	check(memcmp(start_info->magic, "xen-", 4) == 0);
	check(start_info->nr_pages >= 16384);
	check(shared_info->vcpu_info[0].evtchn_upcall_mask);
	check_equal(M2P[va_to_mfn(page)], ((uint64_t)page - VIRT_BASE) / PAGE_SIZE);
	TRY("ud2");
	fact_caught("ud2", NULL);
	TRY("nop");
	fact_caught("nop", NULL);
	TRY("movl $1, 0x10");
	fact_caught("store to 0x10", NULL);
}
