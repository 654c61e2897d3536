/* SPDX-License-Identifier: MIT */
/* GDT and LDT: set, use, update, and what is refused. */
#include "tests/guest/pv/kit/pv.h"

#define DATA_RING_3 0x00cff2000000ffffull
#define LDT_SYSTEM  0x0000820000000067ull

static uint64_t gdt[512] PAGE_ALIGNED;
static uint64_t ldt[512] PAGE_ALIGNED;

static long update(const uint64_t *entry, uint64_t value)
{
	return hypercall2(__HYPERVISOR_update_descriptor, va_to_ma(entry), value);
}

static long set_ldt(const void *va, unsigned entries)
{
	struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};

	op.arg1.linear_addr = (uint64_t)va;
	op.arg2.nr_ents = entries;
	return hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

static long read_only(void *page)
{
	return set_l1_entry(page, va_to_ma(page) | PTE_P, UVMF_INVLPG);
}

static void try_selector(const char *name, unsigned selector)
{
	TRY("mov %0, %%fs", : : "r"(selector));
	fact_caught(name, NULL);
	asm volatile("mov %0, %%fs" : : "r"(0));
}

void test_main(void)
{
	unsigned long frames[1];

	gdt[2] = DATA_RING_3;
	ldt[1] = DATA_RING_3;
	check_equal(read_only(gdt), 0);
	check_equal(read_only(ldt), 0);

	frames[0] = va_to_mfn(gdt);
	check_equal(hypercall2(__HYPERVISOR_set_gdt, frames, 512), 0);
	try_selector("GDT entry 2", 2 << 3 | 3);
	try_selector("GDT entry 3, empty", 3 << 3 | 3);
	check_equal(update(&gdt[3], DATA_RING_3), 0);
	try_selector("GDT entry 3, updated", 3 << 3 | 3);
	/* Xen's own flat descriptors stay. */
	try_selector("Xen's user data segment", FLAT_USER_DS64 ? FLAT_USER_DS64 : FLAT_USER_SS64);

	check_equal(set_ldt(ldt, 512), 0);
	try_selector("LDT entry 1", 1 << 3 | 7);
	try_selector("LDT entry 2, empty", 2 << 3 | 7);
	check_equal(update(&ldt[2], DATA_RING_3), 0);
	try_selector("LDT entry 2, updated", 2 << 3 | 7);
	check_equal(set_ldt(NULL, 0), 0);
	try_selector("no LDT", 1 << 3 | 7);

	fact_result("update: an LDT's descriptor", update(&gdt[4], LDT_SYSTEM));
	fact_result("update: unaligned",
		    hypercall2(__HYPERVISOR_update_descriptor, va_to_ma(gdt) + 4, DATA_RING_3));
	fact_result("update: no frame",
		    hypercall2(__HYPERVISOR_update_descriptor, 0x000ffffffffff000ull, DATA_RING_3));
	fact_result("set LDT of 100000 entries", set_ldt(ldt, 100000));
	fact_result("set LDT, unaligned", set_ldt((char *)ldt + 8, 16));
	frames[0] = ~0ul >> 12;
	fact_result("set GDT to no frame", hypercall2(__HYPERVISOR_set_gdt, frames, 512));
	fact_result("set GDT to nothing", hypercall2(__HYPERVISOR_set_gdt, frames, 0));
}
