/* SPDX-License-Identifier: MIT */
#include "adapter/hv/tlb.h"

#include <stdbool.h>

#include "adapter/hv/discover.h"
#include "adapter/hv/hypercall.h"
#include "adapter/hv/ipi.h"
#include "adapter/hv/vp.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"

#define ALL_PAGES UINT64_MAX /* in place of an address */

static void flush_local(uint64_t va)
{
	if (va == ALL_PAGES)
		write_cr3(read_cr3());
	else
		invlpg(va);
}

/*
 * By interrupt: one request at a time. Its owner waits until every VP in `pending` has flushed, and whoever waits to
 * become the owner serves meanwhile.
 */
static struct {
	int owned;
	uint64_t va;
	uint64_t pending; /* bit n: VP n has not flushed yet */
} request;

void tlb_serve(void)
{
	uint64_t self = cpumask_of(vps_self()).bits;

	if (!(__atomic_load_n(&request.pending, __ATOMIC_ACQUIRE) & self))
		return;
	flush_local(request.va);
	__atomic_fetch_and(&request.pending, ~self, __ATOMIC_RELEASE);
}

static void call_interrupt(void)
{
	apic_eoi();
	tlb_serve();
}

static void by_interrupt(cpumask_t vps, uint64_t va)
{
	while (__atomic_exchange_n(&request.owned, 1, __ATOMIC_ACQUIRE)) {
		tlb_serve();
		cpu_relax();
	}
	request.va = va;
	__atomic_store_n(&request.pending, vps.bits, __ATOMIC_RELEASE);
	hv_send_ipi(vps, VECTOR_CALL);
	while (__atomic_load_n(&request.pending, __ATOMIC_ACQUIRE))
		cpu_relax();
	__atomic_store_n(&request.owned, 0, __ATOMIC_RELEASE);
}

/* The guest runs one address space of its kernel's under many L4s, so a flush means all of them. */
static uint64_t flags_of(uint64_t va)
{
	return HV_FLUSH_ALL_ADDRESS_SPACES | (va == ALL_PAGES ? HV_FLUSH_NON_GLOBAL_ONLY : 0);
}

static bool call_mask(uint64_t mask, uint64_t va)
{
	struct hv_flush *in = hv_input_page();

	in->address_space = 0;
	in->flags = flags_of(va);
	in->vp_mask = mask;
	if (va == ALL_PAGES)
		return hv_call(HV_CALL_FLUSH_SPACE, 0) == HV_STATUS_SUCCESS;
	in->range[0] = va & ~0xfffull;
	return hv_call_rep(HV_CALL_FLUSH_LIST, 0, 1) == HV_STATUS_SUCCESS;
}

static bool call_set(cpumask_t vps, uint64_t va)
{
	struct hv_flush_ex *in = hv_input_page();
	unsigned banks;

	in->address_space = 0;
	in->flags = flags_of(va);
	in->set_format = HV_VP_SET_SPARSE;
	banks = hv_index_set(vps, &in->valid_banks, in->bank);
	if (!banks)
		return false;
	if (va == ALL_PAGES)
		return hv_call(HV_CALL_FLUSH_SPACE_EX, banks) == HV_STATUS_SUCCESS;
	in->bank[banks] = va & ~0xfffull;
	return hv_call_rep(HV_CALL_FLUSH_LIST_EX, banks, 1) == HV_STATUS_SUCCESS;
}

static bool by_hypercall(cpumask_t vps, uint64_t va)
{
	uint64_t mask;

	if (!hv_has(HV_F_TLB_FLUSH))
		return false;
	if (hv_index_mask(vps, &mask))
		return call_mask(mask, va);
	return hv_has(HV_F_EX_MASKS) && call_set(vps, va);
}

static void flush(cpumask_t vps, uint64_t va)
{
	uint64_t self = cpumask_of(vps_self()).bits;

	if (vps.bits & self)
		flush_local(va);
	/* A VP that has not started has no translations, and would never answer. */
	vps.bits &= hv_started().bits & ~self;
	if (vps.bits && !by_hypercall(vps, va))
		by_interrupt(vps, va);
}

void tlb_flush(cpumask_t vps)
{
	flush(vps, ALL_PAGES);
}

void tlb_flush_page(cpumask_t vps, uint64_t va)
{
	flush(vps, va);
}

void hv_tlb_init(void)
{
	irq_register(VECTOR_CALL, call_interrupt);
}
