/* SPDX-License-Identifier: MIT */
#include "adapter/hv/vp.h"

#include "adapter/hv/clock.h"
#include "adapter/hv/discover.h"
#include "adapter/hv/hv.h"
#include "adapter/hv/hypercall.h"
#include "adapter/hv/synic.h"
#include "adapter/hv/timer.h"
#include "adapter/hv/tlb.h"
#include "adapter/hv/vmbus.h"
#include "adapter/hv/vpset.h"
#include "adapter/seam/control.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/acpi.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"

static struct hv_vp table[MAX_VPS];
static unsigned count = 1;
static uint64_t started; /* bit n: VP n */

struct hv_vp *hv_vp(unsigned n)
{
	return &table[n];
}

/* All stacks of a VP lie in its window. The boot stack, which lies elsewhere, is the boot VP's. */
unsigned vps_self(void)
{
	uint64_t sp = (uint64_t)__builtin_frame_address(0);
	uint64_t n = (sp - VP_WINDOW_VIRT) / VP_WINDOW_SIZE;

	return n < MAX_VPS ? (unsigned)n : 0;
}

struct hv_vp *hv_vp_self(void)
{
	return &table[vps_self()];
}

unsigned vps_count(void)
{
	return count;
}

bool vp_about_to_wait(void)
{
	if (!hv_channel_speak_and_look())
		return false;
	xen_control_interrupt_done();
	return true;
}

uint32_t vps_apic_id(unsigned vp)
{
	return table[vp].apic_id;
}

cpumask_t hv_started(void)
{
	return (cpumask_t){__atomic_load_n(&started, __ATOMIC_ACQUIRE)};
}

bool hv_index_mask(cpumask_t vps, uint64_t *mask)
{
	*mask = 0;
	for (uint64_t rest = vps.bits; rest; rest &= rest - 1) {
		uint32_t index = table[__builtin_ctzll(rest)].index;

		if (index >= 64)
			return false;
		*mask |= 1ull << index;
	}
	return true;
}

unsigned hv_index_set(cpumask_t vps, uint64_t *valid_banks, uint64_t *banks)
{
	uint32_t indices[MAX_VPS];
	unsigned n = 0;

	for (uint64_t rest = vps.bits; rest; rest &= rest - 1)
		indices[n++] = table[__builtin_ctzll(rest)].index;
	return hv_vpset(indices, n, valid_banks, banks);
}

/* The boot VP first, then the others as the firmware lists them. */
static void fill_table(void)
{
	uint32_t self = apic_id();

	table[0].apic_id = self;
	for (unsigned i = 0; i < acpi_cpu_count(); i++) {
		uint32_t id = acpi_cpu_apic_id(i);

		if (id == self)
			continue;
		if (count == MAX_VPS) {
			log_warning("only %u of %u processors are used", MAX_VPS, acpi_cpu_count());
			break;
		}
		table[count++].apic_id = id;
	}
}

/* The page stays; bits 11:1 of the register are the hypervisor's and are kept. */
static void *enable_page(uint32_t msr)
{
	void *page = page_alloc(1);

	wrmsr(msr, va_to_ma(page) | (rdmsr(msr) & ~(HV_PAGE_MSR_GPA | HV_PAGE_MSR_ENABLE)) |
		       HV_PAGE_MSR_ENABLE);
	return page;
}

static void synic_init(struct hv_vp *vp)
{
	for (unsigned i = 0; i < HV_SINT_COUNT; i++) {
		uint64_t sint = rdmsr(HV_MSR_SINT(i));

		if (!(sint & HV_SINT_MASKED))
			wrmsr(HV_MSR_SINT(i), sint | HV_SINT_MASKED);
	}
	vp->messages = enable_page(HV_MSR_SIMP);
	vp->events = enable_page(HV_MSR_SIEFP);
	wrmsr(HV_MSR_SCONTROL, rdmsr(HV_MSR_SCONTROL) | HV_SCONTROL_ENABLE);
}

void hv_boot_init(void)
{
	apic_boot_init(hv_has(HV_F_X2APIC));
	apic_vp_init();
	table[0].input = page_alloc(1);
	hv_hypercall_init();
	fill_table();
	hv_clock_init();
	hv_timer_init();
	hv_tlb_init();
	hv_synic_init();
	hv_log_features();
}

void hv_vp_init(unsigned n)
{
	struct hv_vp *vp = &table[n];

	if (n) {
		apic_vp_init();
		vp->input = page_alloc(1);
	}
	vp->index = hv_has(HV_F_VP_INDEX) ? (uint32_t)rdmsr(HV_MSR_VP_INDEX) : n;
	if (hv_has(HV_F_ASSIST_PAGE))
		vp->assist = enable_page(HV_MSR_VP_ASSIST_PAGE);
	if (hv_has(HV_F_SYNIC))
		synic_init(vp);
	if (hv_has(HV_F_VMBUS))
		hv_synic_vp_init();
	hv_timer_vp_init(vp);
	__atomic_fetch_or(&started, 1ull << n, __ATOMIC_RELEASE);
}

/*
 * With bit 0 of the assist page set the hypervisor has ended the interrupt already, or will not look for the write.
 * One instruction tests and clears it, so that no interrupt comes between (TLFS, "EOI Assist"); a lock prefix is not
 * needed, because the hypervisor touches the word only while this VP does not run.
 */
void apic_eoi(void)
{
	struct hv_vp_assist *assist = hv_vp_self()->assist;
	bool spared = false;

	if (assist)
		asm volatile("btrl $0, %0"
			     : "+m"(assist->apic_assist), "=@ccc"(spared)
			     :
			     : "memory");
	if (!spared)
		apic_eoi_write();
}
