/* SPDX-License-Identifier: MIT */
/*
 * Synthetic MSRs and what is in them. Numbers: TLFS 6.0b, Appendix "Synthetic MSRs"; each register's layout: the
 * section named beside it. Timer and SynIC registers: abi/hv/synic.h.
 */
#ifndef XENOLITH_ABI_HV_MSR_H
#define XENOLITH_ABI_HV_MSR_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define HV_MSR_GUEST_OS_ID     0x40000000u
#define HV_MSR_HYPERCALL       0x40000001u
#define HV_MSR_VP_INDEX        0x40000002u
#define HV_MSR_RESET           0x40000003u
#define HV_MSR_VP_RUNTIME      0x40000010u /* 100 ns units */
#define HV_MSR_TIME_REF_COUNT  0x40000020u /* 100 ns units since the partition was created */
#define HV_MSR_REFERENCE_TSC   0x40000021u
#define HV_MSR_TSC_FREQUENCY   0x40000022u /* Hz */
#define HV_MSR_APIC_FREQUENCY  0x40000023u /* Hz of the APIC timer before its divider */
#define HV_MSR_EOI             0x40000070u
#define HV_MSR_ICR             0x40000071u
#define HV_MSR_TPR             0x40000072u
#define HV_MSR_VP_ASSIST_PAGE  0x40000073u
#define HV_MSR_GUEST_IDLE      0x400000f0u
#define HV_MSR_CRASH_P0        0x40000100u /* P0 to P4 */
#define HV_MSR_CRASH_CTL       0x40000105u
#define HV_MSR_REENLIGHTENMENT 0x40000106u
#define HV_MSR_TSC_EMULATION   0x40000107u
#define HV_MSR_TSC_EMULATED    0x40000108u
#define HV_MSR_TSC_INVARIANT   0x40000118u

/* "Guest OS Identity MSR": an open source OS sets bit 63, its type (1 to 0x7f) in 62:56, a version below. */
#define HV_GUEST_OS_OPEN_SOURCE (1ull << 63)
#define HV_GUEST_OS_TYPE_SHIFT  56
#define HV_GUEST_OS_TYPE_MAX    0x7full

/*
 * Hypercall, reference TSC, VP assist, SIMP and SIEFP registers share a form: bits 63:12 the page's GPA, bit 0 enable.
 * The rest is to be preserved ("Establishing the Hypercall Interface").
 */
#define HV_PAGE_MSR_ENABLE      (1ull << 0)
#define HV_PAGE_MSR_GPA         (~0xfffull)
#define HV_HYPERCALL_MSR_LOCKED (1ull << 1)

#define HV_RESET_MSR_RESET (1ull << 0)

/* With it CPUID says that the TSC is invariant, as the hypervisor keeps it wherever the partition moves. */
#define HV_TSC_INVARIANT_EXPOSE (1ull << 0)

/* "Partition Crash Enlightenment": with MESSAGE, P3 is the GPA and P4 the length of a text in one page. */
#define HV_CRASH_NOTIFY      (1ull << 63)
#define HV_CRASH_MESSAGE     (1ull << 62)
#define HV_CRASH_PARAMS      5
#define HV_CRASH_MESSAGE_MAX 4096

/* "Reference TSC page": time in 100 ns = ((tsc * scale) >> 64) + offset, while sequence is the same before and after. */
struct hv_tsc_page {
	uint32_t sequence;
	uint32_t reserved;
	uint64_t scale;
	int64_t offset;
	uint64_t reserved2[509];
};
_Static_assert(sizeof(struct hv_tsc_page) == 4096, "one page");
_Static_assert(offsetof(struct hv_tsc_page, scale) == 8, "TLFS layout");
_Static_assert(offsetof(struct hv_tsc_page, offset) == 16, "TLFS layout");

/* Sequence 0: read HV_MSR_TIME_REF_COUNT instead. Early versions of the specification said ~0. */
#define HV_TSC_SEQUENCE_INVALID     0u
#define HV_TSC_SEQUENCE_INVALID_OLD 0xffffffffu

#define HV_REFERENCE_HZ 10000000u

/* "VP Assist Page": one a VP. Only the first field is of use to a guest without virtualisation of its own. */
struct hv_vp_assist {
	uint32_t
	    apic_assist; /* bit 0: no EOI is required for the interrupt in service; cleared by the guest */
	uint32_t reserved;
	uint8_t vtl_and_nested[4088];
};
_Static_assert(sizeof(struct hv_vp_assist) == 4096, "one page");

#define HV_ASSIST_NO_EOI (1u << 0)

#endif
