/* SPDX-License-Identifier: MIT */
#include "adapter/hv/ipi.h"

#include "abi/x86/apic.h"
#include "adapter/hv/discover.h"
#include "adapter/hv/hypercall.h"
#include "adapter/hv/vp.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"

static bool by_hypercall(cpumask_t vps, uint32_t vector)
{
	struct hv_cluster_ipi_ex *in;
	uint64_t mask;
	unsigned banks;

	if (!hv_has(HV_F_IPI))
		return false;
	if (hv_index_mask(vps, &mask))
		return hv_call_fast(HV_CALL_CLUSTER_IPI, vector, mask) == HV_STATUS_SUCCESS;
	if (!hv_has(HV_F_EX_MASKS))
		return false;

	in = hv_input_page();
	in->vector = vector;
	in->target_vtl = 0;
	in->set_format = HV_VP_SET_SPARSE;
	banks = hv_index_set(vps, &in->valid_banks, in->bank);
	return banks && hv_call(HV_CALL_CLUSTER_IPI_EX, banks) == HV_STATUS_SUCCESS;
}

void hv_send_ipi(cpumask_t vps, enum irq_vector vector)
{
	vps.bits &= hv_started().bits;
	/* KVM takes an empty mask for all VPs. */
	if (!vps.bits || by_hypercall(vps, vector))
		return;
	for (uint64_t rest = vps.bits; rest; rest &= rest - 1)
		apic_send(vps_apic_id((unsigned)__builtin_ctzll(rest)), APIC_ICR_FIXED | vector);
}

void kick(cpumask_t vps)
{
	hv_send_ipi(vps, VECTOR_KICK);
}

/* TLFS HvCallNotifyLongSpinWait, which is worth its while once somebody has spun for that long. */
void vp_spin_hint(void)
{
	if (hv_has(HV_F_SPIN_WAIT))
		hv_call_fast(HV_CALL_SPIN_WAIT, hv_spin_threshold(), 0);
	else
		cpu_relax();
}
