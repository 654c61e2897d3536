/* SPDX-License-Identifier: MIT */
/*
 * What CPUID shows a PV guest: what Xen 4.17 shows an unprivileged one by default. Seen through Xen's prefix, and by
 * everybody where the hardware can be told to fault CPUID.
 */
#ifndef XENOLITH_X86_CPUID_POLICY_H
#define XENOLITH_X86_CPUID_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "adapter/x86/asm.h"

enum cpuid_vendor { CPUID_VENDOR_OTHER, CPUID_VENDOR_INTEL, CPUID_VENDOR_AMD /* and Hygon */ };

struct cpuid_view {
	struct cpuid_regs (*host)(uint32_t leaf, uint32_t subleaf); /* the instruction */
	enum cpuid_vendor vendor;                                   /* cpuid_vendor() */
	uint64_t cr4;                                               /* the guest's */
	bool
	    force_osxsave; /* asked by Xen's prefix from the kernel: OSXSAVE follows the hardware (see the .c) */

	/* Xen's time leaf. */
	uint32_t tsc_khz;
	uint64_t tsc_offset;
	uint32_t tsc_to_ns_mul;
	int8_t tsc_to_ns_shift;
	uint8_t machine_address_bits; /* of the highest machine address */
};

enum cpuid_vendor cpuid_vendor(struct cpuid_regs leaf0);

struct cpuid_regs cpuid_policy(const struct cpuid_view *view, uint32_t leaf, uint32_t subleaf);

/* What the guest may set in XCR0. Also says whether `xcr0` is a combination that XSETBV takes. */
uint64_t xcr0_allowed(const struct cpuid_view *view);
bool xcr0_valid(const struct cpuid_view *view, uint64_t xcr0);

/* IA32_ARCH_CAPABILITIES as the guest sees it. */
uint64_t arch_capabilities_policy(uint64_t host);

#endif
