/* SPDX-License-Identifier: MIT */
/*
 * Page tables and frames: updates, pinning, giving memory back and getting it again, and the errors of these. Left out is
 * what Xen refuses because it checks every entry of every page table: the adapter does not, for one partition is one guest.
 */
#include "tests/guest/pv/kit/pv.h"

#include <xen/memory.h>
#include <xen/vcpu.h>

#define M2P      ((const uint64_t *)0xffff800000000000)
#define NO_FRAME 0xfffffful /* beyond any memory of the lab, within a PTE */

static uint8_t page[PAGE_SIZE] PAGE_ALIGNED;
static uint8_t other[PAGE_SIZE] PAGE_ALIGNED;
static uint8_t spare[PAGE_SIZE] PAGE_ALIGNED;
static uint64_t l4[512] PAGE_ALIGNED;

static long mmu_update(uint64_t ptr, uint64_t val, unsigned *done)
{
	struct mmu_update u = {.ptr = ptr, .val = val};

	return hypercall4(__HYPERVISOR_mmu_update, &u, 1, done, DOMID_SELF);
}

static long mmuext(unsigned cmd, uint64_t arg)
{
	struct mmuext_op op = {.cmd = cmd};

	op.arg1.mfn = arg;
	return hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

static void update_va_mapping(void)
{
	page[0] = 1;
	other[0] = 2;
	check_equal(set_l1_entry(page, va_to_ma(other) | PTE_P | PTE_W, UVMF_INVLPG), 0);
	check_equal(*(volatile uint8_t *)page, 2);
	check_equal(set_l1_entry(page, va_to_ma(page) | PTE_P | PTE_W, UVMF_TLB_FLUSH), 0);
	check_equal(*(volatile uint8_t *)page, 1);
	fact_result("update_va_mapping of address 0", set_l1_entry(NULL, 0, 0));
	set_l1_entry(page, va_to_ma(page) | PTE_P | PTE_W, UVMF_INVLPG);
	check_equal(*(volatile uint8_t *)page, 1);
}

static void mmu_updates(void)
{
	uint64_t pte = l1_entry_ma(page);
	unsigned done = 1000;

	check_equal(mmu_update(pte | MMU_NORMAL_PT_UPDATE,
			       va_to_ma(other) | PTE_P | PTE_W | PTE_A | PTE_D, &done),
		    0);
	check_equal(done, 1);
	check_equal(mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)page), 0);
	check_equal(*(volatile uint8_t *)page, 2);
	/* PRESERVE_AD keeps what the processor has set. */
	check_equal(
	    mmu_update(pte | MMU_PT_UPDATE_PRESERVE_AD, va_to_ma(page) | PTE_P | PTE_W, NULL), 0);
	check_equal(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
	check_equal(*(volatile uint8_t *)page, 1);
	check((l1_entry(page) & (PTE_A | PTE_D)) == (PTE_A | PTE_D));

	fact_result("mmu_update of no frame", mmu_update(NO_FRAME << 12, 0, NULL));
	fact_result("M2P update of no frame",
		    mmu_update(NO_FRAME << 12 | MMU_MACHPHYS_UPDATE, 5, NULL));
	check_equal(mmu_update(va_to_ma(other) | MMU_MACHPHYS_UPDATE, 0x1234, NULL), 0);
	check_equal(M2P[va_to_mfn(other)], 0x1234);
	check_equal(mmu_update(va_to_ma(other) | MMU_MACHPHYS_UPDATE,
			       ((uint64_t)other - VIRT_BASE) / PAGE_SIZE, NULL),
		    0);
}

/* Each entry of a list is looked at by itself, wherever the one before it went. */
static void mmu_update_lists(void)
{
	uint64_t mine = va_to_ma(page) | PTE_P | PTE_W, others = va_to_ma(other) | PTE_P | PTE_W;
	uint64_t pte = l1_entry_ma(page), next = l1_entry_ma(other);
	struct mmu_update list[] = {
	    {.ptr = next | MMU_PT_UPDATE_PRESERVE_AD, .val = others},
	    {.ptr = pte | MMU_PT_UPDATE_PRESERVE_AD, .val = mine},
	    {.ptr = pte | MMU_NORMAL_PT_UPDATE, .val = others},
	    {.ptr = next | MMU_PT_UPDATE_PRESERVE_AD, .val = others},
	    {.ptr = NO_FRAME << 12 | MMU_PT_UPDATE_PRESERVE_AD, .val = 0},
	    {.ptr = pte | MMU_NORMAL_PT_UPDATE, .val = mine},
	};
	unsigned done = 1000;

	other[0] = 2;
	check_equal(hypercall4(__HYPERVISOR_mmu_update, list, 6, &done, DOMID_SELF), -XEN_EINVAL);
	check_equal(done, 4);
	check((l1_entry(page) & (PTE_A | PTE_D)) == 0);
	check((l1_entry(other) & (PTE_A | PTE_D)) == (PTE_A | PTE_D));
	check_equal(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
	check_equal(*(volatile uint8_t *)page, 2);
	check_equal(mmu_update(pte, mine, NULL), 0);
	check_equal(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
	check_equal(*(volatile uint8_t *)page, 1);
}

static void pins(void)
{
	check_equal(set_l1_entry(l4, va_to_ma(l4) | PTE_P, UVMF_INVLPG), 0);
	check_equal(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(l4)), 0);
	check_equal(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l4)), 0);
	check_equal(set_l1_entry(l4, va_to_ma(l4) | PTE_P | PTE_W, UVMF_INVLPG), 0);
	fact_result("pin of no frame", mmuext(MMUEXT_PIN_L1_TABLE, NO_FRAME));
	fact_result("new baseptr of no frame", mmuext(MMUEXT_NEW_BASEPTR, NO_FRAME));
	fact_result("mmuext clear page of no frame", mmuext(MMUEXT_CLEAR_PAGE, NO_FRAME));
	spare[7] = 7;
	check_equal(set_l1_entry(spare, 0, UVMF_INVLPG), 0);
	check_equal(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(spare)), 0);
	check_equal(set_l1_entry(spare, va_to_ma(spare) | PTE_P | PTE_W, UVMF_INVLPG), 0);
	check_equal(spare[7], 0);
}

/* A frame goes back to the hypervisor, and another comes. */
static void reservations(void)
{
	uint64_t pfn = ((uint64_t)spare - VIRT_BASE) / PAGE_SIZE;
	xen_pfn_t frame = va_to_mfn(spare);
	struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

	set_xen_guest_handle(r.extent_start, &frame);
	check_equal(set_l1_entry(spare, 0, UVMF_INVLPG), 0);
	check_equal(hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r), 1);
	fact_result("give it back once more",
		    hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r));
	frame = pfn;
	check_equal(hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r), 1);
	check_equal(M2P[frame], pfn);
	check_equal(set_l1_entry(spare, frame << 12 | PTE_P | PTE_W, UVMF_INVLPG), 0);
	spare[1] = 9;
	check_equal(spare[1], 9);
	r.extent_order = 50;
	fact_result("populate order 50",
		    hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r));
}

void test_main(void)
{
	update_va_mapping();
	mmu_updates();
	mmu_update_lists();
	pins();
	reservations();
}
