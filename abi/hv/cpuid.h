/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's CPUID leaves. TLFS 6.0b, "Feature and Interface Discovery" (HV_CPUID_RESULT).
 */
#ifndef XENOLITH_ABI_HV_CPUID_H
#define XENOLITH_ABI_HV_CPUID_H

#define HV_CPUID_VENDOR    0x40000000u /* eax highest leaf, ebx ecx edx vendor's name */
#define HV_CPUID_INTERFACE 0x40000001u /* eax HV_INTERFACE_SIGNATURE */
#define HV_CPUID_VERSION   0x40000002u /* eax build, ebx major << 16 | minor */
#define HV_CPUID_FEATURES  0x40000003u /* eax ebx privileges, ecx power, edx features */
#define HV_CPUID_RECOMMENDATIONS \
	0x40000004u                   /* eax HV_RECOMMEND_*, ebx spins before a notification */
#define HV_CPUID_LIMITS   0x40000005u /* eax VPs, ebx logical processors */
#define HV_CPUID_HARDWARE 0x40000006u /* eax hardware features in use */

/* Leaf 1, ecx: a hypervisor is present. */
#define CPUID_1_ECX_HYPERVISOR (1u << 31)

/* The vendor's name is for people; the interface signature decides ("Hv#1" in eax). */
#define HV_INTERFACE_SIGNATURE 0x31237648u
#define HV_CPUID_MIN_HIGHEST   0x40000005u

/* Features, eax: which synthetic MSRs the partition may touch. */
#define HV_ACCESS_VP_RUNTIME    (1u << 0)
#define HV_ACCESS_TIME_REF      (1u << 1)
#define HV_ACCESS_SYNIC         (1u << 2)
#define HV_ACCESS_STIMER        (1u << 3)
#define HV_ACCESS_APIC_MSRS     (1u << 4) /* EOI, ICR, TPR and the VP assist page */
#define HV_ACCESS_HYPERCALL     (1u << 5) /* guest OS id and hypercall page */
#define HV_ACCESS_VP_INDEX      (1u << 6)
#define HV_ACCESS_RESET         (1u << 7)
#define HV_ACCESS_REFERENCE_TSC (1u << 9)
#define HV_ACCESS_GUEST_IDLE    (1u << 10)
#define HV_ACCESS_FREQUENCY     (1u << 11)
#define HV_ACCESS_REENLIGHTEN   (1u << 13)
#define HV_ACCESS_TSC_INVARIANT (1u << 15)

/* Features, ebx: which hypercalls. */
#define HV_MAY_POST_MESSAGES (1u << 4)
#define HV_MAY_SIGNAL_EVENTS (1u << 5)
#define HV_MAY_START_VP      (1u << 21)

/* Features, edx. */
#define HV_FEATURE_XMM_HYPERCALL_INPUT (1u << 4)
#define HV_FEATURE_GUEST_IDLE          (1u << 5)
#define HV_FEATURE_FREQUENCY_MSRS      (1u << 8)
#define HV_FEATURE_CRASH_MSRS          (1u << 10)
#define HV_FEATURE_EXTENDED_GVA_RANGES (1u << 14)
#define HV_FEATURE_STIMER_DIRECT       (1u << 19)

/* Recommendations, eax. */
#define HV_RECOMMEND_AS_SWITCH      (1u << 0)
#define HV_RECOMMEND_LOCAL_FLUSH    (1u << 1)
#define HV_RECOMMEND_REMOTE_FLUSH   (1u << 2)
#define HV_RECOMMEND_APIC_MSRS      (1u << 3)
#define HV_RECOMMEND_RESET_MSR      (1u << 4)
#define HV_RECOMMEND_RELAXED_TIMING (1u << 5)
#define HV_RECOMMEND_X2APIC_MSRS    (1u << 8)
#define HV_RECOMMEND_NO_AUTO_EOI    (1u << 9)
#define HV_RECOMMEND_CLUSTER_IPI    (1u << 10)
#define HV_RECOMMEND_EX_MASKS       (1u << 11)
#define HV_RECOMMEND_SPIN_NEVER     0xffffffffu /* ebx: do not notify */

#endif
