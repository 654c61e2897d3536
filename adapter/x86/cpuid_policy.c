/* SPDX-License-Identifier: MIT */
/*
 * A feature is shown if Xen 4.17 shows it to PV guests by default (the letter A in its cpufeatureset.h) and the processor
 * has it. Left out on purpose, beside what Xen leaves out:
 *   DBEXT, ADDR_MASK_EXT   the debug address mask registers are not kept per guest
 * The topology is Xen's for PV guests: none. APIC ids read 0 and leaf 0xb is empty; the guest numbers its processors by
 * hypercall.
 */
#include "adapter/x86/cpuid_policy.h"

#include <stddef.h>

#include "core/xen_abi.h"
#include <xen/arch-x86/cpuid.h>

#define XEN_VERSION_MAJOR 4
#define XEN_VERSION_MINOR 17

#define LEAF_BASIC_LAST     0xdu
#define LEAF_XEN_LAST       XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES)
#define LEAF_HYPERVISOR     0x40000000u
#define LEAF_HYPERVISOR_END 0x40010000u
#define LEAF_EXT            0x80000000u
#define LEAF_EXT_LAST_INTEL 0x80000008u
#define LEAF_EXT_LAST_AMD   0x80000021u
#define SUBLEAF_7_LAST      2u

#define B(n) (1u << (n))

/* Leaf 1. */
#define F1_EDX                                                                                   \
	(B(0) | B(2) | B(4) | B(5) | B(6) | B(7) | B(8) | B(9) | B(11) | B(14) | B(15) | B(16) | \
	 B(19) | B(22) | B(23) | B(24) | B(25) | B(26) | B(27) | B(28))
#define F1_ECX                                                                                \
	(B(0) | B(1) | B(9) | B(12) | B(13) | B(19) | B(20) | B(22) | B(23) | B(25) | B(26) | \
	 B(28) | B(29) | B(30))
#define F1_ECX_OSXSAVE    B(27)
#define F1_ECX_XSAVE      B(26)
#define F1_ECX_HYPERVISOR B(31)
#define F1_EBX_APIC_ID    0xff000000u

/* Leaf 7: FDP_EXCP_ONLY and NO_FPU_SEL are faults of the processor, not features, so they show too. */
#define F7_EBX                                                                                     \
	(B(0) | B(3) | B(5) | B(6) | B(8) | B(9) | B(11) | B(13) | B(16) | B(17) | B(18) | B(19) | \
	 B(21) | B(23) | B(24) | B(28) | B(29) | B(30) | B(31))
#define F7_ECX   (B(0) | B(1) | B(6) | B(8) | B(9) | B(10) | B(11) | B(12) | B(14) | B(22) | B(25))
#define F7_EDX   (B(4) | B(10) | B(14) | B(23) | B(26) | B(27) | B(29) | B(31))
#define F7_1_EAX (B(0) | B(1) | B(2) | B(4) | B(5) | B(10) | B(11) | B(12) | B(23))
#define F7_1_EDX (B(4) | B(5) | B(10) | B(14))
#define F7_2_EDX (B(0) | B(5))

/* Leaf 0xd, 1: XSAVEOPT, XSAVEC, XGETBV with ecx 1; not XSAVES, which is for ring 0. */
#define FD_1_EAX        (B(0) | B(1) | B(2))
#define FD_1_EAX_XSAVEC B(1)
#define FD_N_ECX_ALIGN  B(1)

/* Leaf 0x80000001; AMD repeats leaf 1's features in edx. */
#define FE1_EDX        (B(11) | B(20) | B(22) | B(25) | B(27) | B(29) | B(30) | B(31))
#define FE1_EDX_COMMON 0x0183f3ffu
#define FE1_ECX        (B(0) | B(1) | B(5) | B(6) | B(7) | B(8) | B(11) | B(16) | B(21))
#define FE1_AMD_EBX    0xff00ffffu

#define FE8_EBX     (B(0) | B(2) | B(12) | B(26) | B(29) | B(30))
#define FE8_AMD_ECX 0x0003f0ffu
#define FE21_EAX                                                                             \
	(B(0) | B(2) | B(5) | B(6) | B(10) | B(11) | B(18) | B(19) | B(20) | B(27) | B(28) | \
	 B(29) | B(30))
#define FE21_ECX (B(1) | B(2))

/* XCR0: x87, SSE, AVX, the three of AVX-512. No MPX, no protection keys (ring 0's CR4), no AMX. */
#define XCR0_X87    1ull
#define XCR0_SSE    2ull
#define XCR0_AVX    4ull
#define XCR0_AVX512 0xe0ull
#define XCR0_ALL    (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512)
#define XSAVE_SIZE  576u /* legacy area and header (Intel SDM volume 1, 13.4) */

/* What says that the processor is not vulnerable to something, plus the two ways to clear buffers. */
#define ARCH_CAPS_VISIBLE                                                                    \
	(1ull << 0 | 1ull << 1 | 1ull << 2 | 1ull << 4 | 1ull << 5 | 1ull << 6 | 1ull << 8 | \
	 1ull << 13 | 1ull << 14 | 1ull << 15 | 1ull << 17 | 1ull << 19 | 1ull << 20 |       \
	 1ull << 24 | 1ull << 26 | 1ull << 27 | 1ull << 28 | 1ull << 62)

#define INVARIANT_TSC          B(8) /* leaf 0x80000007, edx */
#define TSC_MODE_NEVER_EMULATE 2u   /* xen/arch-x86/cpuid.h, XEN_CPUID_TSC_MODE_NEVER_EMULATE */
#define FEATURE1_TIME_TSC_SAFE B(1)
#define FEATURE1_TIME_RDTSCP   B(2)
#define MACHINE_BITS_MIN       36

uint64_t arch_capabilities_policy(uint64_t host)
{
	return host & ARCH_CAPS_VISIBLE;
}

enum cpuid_vendor cpuid_vendor(struct cpuid_regs leaf0)
{
	if (leaf0.ebx == 0x756e6547 && leaf0.edx == 0x49656e69 && leaf0.ecx == 0x6c65746e)
		return CPUID_VENDOR_INTEL;
	if (leaf0.ebx == 0x68747541 && leaf0.edx == 0x69746e65 && leaf0.ecx == 0x444d4163)
		return CPUID_VENDOR_AMD;
	if (leaf0.ebx == 0x6f677948 && leaf0.edx == 0x6e65476e && leaf0.ecx == 0x656e6975)
		return CPUID_VENDOR_AMD;
	return CPUID_VENDOR_OTHER;
}

static bool is_amd(const struct cpuid_view *v)
{
	return v->vendor == CPUID_VENDOR_AMD;
}

static uint32_t min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t last_basic(const struct cpuid_view *v)
{
	return min(v->host(0, 0).eax, LEAF_BASIC_LAST);
}

static uint32_t last_ext(const struct cpuid_view *v)
{
	return min(v->host(LEAF_EXT, 0).eax, is_amd(v) ? LEAF_EXT_LAST_AMD : LEAF_EXT_LAST_INTEL);
}

static bool has_xsave(const struct cpuid_view *v)
{
	return (v->host(1, 0).ecx & F1_ECX_XSAVE) && last_basic(v) >= 0xd;
}

uint64_t xcr0_allowed(const struct cpuid_view *v)
{
	struct cpuid_regs r = v->host(0xd, 0);

	return has_xsave(v) ? (r.eax | (uint64_t)r.edx << 32) & XCR0_ALL : 0;
}

bool xcr0_valid(const struct cpuid_view *v, uint64_t xcr0)
{
	uint64_t avx512 = xcr0 & XCR0_AVX512;

	if (!(xcr0 & XCR0_X87) || xcr0 & ~xcr0_allowed(v))
		return false;
	if ((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE))
		return false;
	return !avx512 || (avx512 == XCR0_AVX512 && (xcr0 & XCR0_AVX));
}

/*
 * OSXSAVE should follow the guest's CR4. But Xen showed its own to kernels long enough that Linux relies on it: with the
 * architectural behaviour some versions follow a wild pointer. So a kernel that asks by Xen's prefix sees it early.
 */
static void leaf_1(const struct cpuid_view *v, struct cpuid_regs *r)
{
	r->eax &= 0x0fff0fff;
	r->ebx &= ~F1_EBX_APIC_ID;
	r->ecx &= F1_ECX;
	r->edx &= F1_EDX;
	if (!has_xsave(v))
		r->ecx &= ~(F1_ECX_XSAVE | B(28) | B(29) | B(12)); /* AVX, F16C, FMA need it */
	else if (v->force_osxsave || (v->cr4 & CR4_OSXSAVE))
		r->ecx |= F1_ECX_OSXSAVE;
	r->ecx |= F1_ECX_HYPERVISOR;
}

/* The processor's caches, without what is reserved. */
static void leaf_4(const struct cpuid_view *v, struct cpuid_regs *r)
{
	if (is_amd(v) || (r->eax & 0x1f) == 0) {
		*r = (struct cpuid_regs){0};
		return;
	}
	r->eax &= 0xffffc3ff;
	r->edx &= 7;
}

static void leaf_7(const struct cpuid_view *v, uint32_t subleaf, struct cpuid_regs *r)
{
	static const struct cpuid_regs masks[] = {
	    {UINT32_MAX, F7_EBX, F7_ECX, F7_EDX},
	    {F7_1_EAX, 0, 0, F7_1_EDX},
	    {0, 0, 0, F7_2_EDX},
	};

	if (subleaf > min(v->host(7, 0).eax, SUBLEAF_7_LAST)) {
		*r = (struct cpuid_regs){0};
		return;
	}
	if (subleaf == 0)
		r->eax = min(r->eax, SUBLEAF_7_LAST);
	r->eax &= masks[subleaf].eax;
	r->ebx &= masks[subleaf].ebx;
	r->ecx &= masks[subleaf].ecx;
	r->edx &= masks[subleaf].edx;
}

static uint32_t xsave_size(const struct cpuid_view *v, uint64_t states)
{
	uint32_t size = XSAVE_SIZE;

	for (unsigned i = 2; i < 64; i++) {
		struct cpuid_regs r;

		if (!(states >> i & 1))
			continue;
		r = v->host(0xd, i);
		if (r.eax + r.ebx > size)
			size = r.eax + r.ebx;
	}
	return size;
}

/* ebx of subleaves 0 and 1 is the size for the states that are on now, which the hardware knows. */
static void leaf_d(const struct cpuid_view *v, uint32_t subleaf, struct cpuid_regs *r)
{
	uint64_t allowed = xcr0_allowed(v);
	bool xsavec = v->host(0xd, 1).eax & FD_1_EAX_XSAVEC;

	if (!allowed || (subleaf >= 2 && (subleaf >= 64 || !(allowed >> subleaf & 1)))) {
		*r = (struct cpuid_regs){0};
	} else if (subleaf == 0) {
		r->eax = (uint32_t)allowed;
		r->ecx = xsave_size(v, allowed);
		r->edx = (uint32_t)(allowed >> 32);
	} else if (subleaf == 1) {
		*r = (struct cpuid_regs){.eax = r->eax & FD_1_EAX, .ebx = xsavec ? r->ebx : 0};
	} else {
		r->ecx = xsavec ? r->ecx & FD_N_ECX_ALIGN : 0;
		r->edx = 0;
	}
}

static struct cpuid_regs basic(const struct cpuid_view *v, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = v->host(leaf, subleaf);

	switch (leaf) {
	case 0: r.eax = last_basic(v); return r;
	case 1: leaf_1(v, &r); return r;
	case 2: return is_amd(v) ? (struct cpuid_regs){0} : r;
	case 4: leaf_4(v, &r); return r;
	case 7: leaf_7(v, subleaf, &r); return r;
	case 0xd: leaf_d(v, subleaf, &r); return r;
	default: /* MONITOR, power, DCA, performance counters, topology; what is reserved */
		return (struct cpuid_regs){0};
	}
}

static void ext_1(const struct cpuid_view *v, struct cpuid_regs *r)
{
	r->edx &= FE1_EDX;
	r->ecx &= FE1_ECX;
	if (is_amd(v)) {
		r->ebx &= FE1_AMD_EBX;
		r->edx |= v->host(1, 0).edx & F1_EDX & FE1_EDX_COMMON;
	} else {
		r->eax = r->ebx = 0;
	}
}

static void ext_8(const struct cpuid_view *v, struct cpuid_regs *r)
{
	r->eax &= 0xffff;
	r->ebx &= FE8_EBX;
	r->ecx &= is_amd(v) ? FE8_AMD_ECX : 0;
	r->edx = 0;
}

static struct cpuid_regs extended(const struct cpuid_view *v, uint32_t leaf)
{
	const struct cpuid_regs none = {0};
	struct cpuid_regs r = v->host(leaf, 0);

	switch (leaf - LEAF_EXT) {
	case 0: r.eax = last_ext(v); return r;
	case 1: ext_1(v, &r); return r;
	case 2:
	case 3:
	case 4: return r;
	case 5: /* level 1 caches */ return is_amd(v) ? r : none;
	case 6: /* level 2 and 3 caches */ return is_amd(v) ? r : (struct cpuid_regs){.ecx = r.ecx};
	case 8: ext_8(v, &r); return r;
	case 0x19: /* TLBs for 1 GiB pages */
	case 0x1a: /* performance hints */ return r;
	case 0x21: return (struct cpuid_regs){.eax = r.eax & FE21_EAX, .ecx = r.ecx & FE21_ECX};
	/* Unlike Xen, which does not know where its guest will migrate to: here the hypervisor beneath made the promise. */
	case 7: return (struct cpuid_regs){.edx = r.edx & INVARIANT_TSC};
	default: /* SVM, IBS, SEV, topology */ return none;
	}
}

static struct cpuid_regs xen_time(const struct cpuid_view *v, uint32_t subleaf)
{
	switch (subleaf) {
	case 0: /* a TSC that is never emulated, and its frequency: Linux may then use it as it is */
		return (struct cpuid_regs){
		    .ebx = TSC_MODE_NEVER_EMULATE,
		    .eax = FEATURE1_TIME_TSC_SAFE |
			   (v->host(0x80000001, 0).edx & B(27) ? FEATURE1_TIME_RDTSCP : 0),
		    .ecx = v->tsc_khz,
		    .edx = 1,
		};
	case 1:
		return (struct cpuid_regs){
		    .eax = (uint32_t)v->tsc_offset,
		    .ebx = (uint32_t)(v->tsc_offset >> 32),
		    .ecx = v->tsc_to_ns_mul,
		    .edx = (uint32_t)(int32_t)v->tsc_to_ns_shift,
		};
	case 2: return (struct cpuid_regs){.eax = v->tsc_khz};
	default: return (struct cpuid_regs){0};
	}
}

static struct cpuid_regs xen(const struct cpuid_view *v, uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case XEN_CPUID_LEAF(0):
		return (struct cpuid_regs){LEAF_XEN_LAST, XEN_CPUID_SIGNATURE_EBX,
					   XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
	case XEN_CPUID_LEAF(1):
		return (struct cpuid_regs){.eax = XEN_VERSION_MAJOR << 16 | XEN_VERSION_MINOR};
	case XEN_CPUID_LEAF(2): /* no pages by MSR: the note and HYPERCALL_PAGE are the ways */
		return (struct cpuid_regs){.ecx = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD};
	case XEN_CPUID_LEAF(3): return xen_time(v, subleaf);
	case XEN_CPUID_LEAF(5):
		return (struct cpuid_regs){.ebx = subleaf ? 0
						  : v->machine_address_bits > MACHINE_BITS_MIN
						      ? v->machine_address_bits
						      : MACHINE_BITS_MIN};
	default: return (struct cpuid_regs){0};
	}
}

struct cpuid_regs cpuid_policy(const struct cpuid_view *v, uint32_t leaf, uint32_t subleaf)
{
	if (leaf >= LEAF_HYPERVISOR && leaf < LEAF_HYPERVISOR_END)
		return xen(v, leaf, subleaf);
	if (leaf >= LEAF_EXT && leaf <= last_ext(v))
		return extended(v, leaf);
	if (leaf <= last_basic(v))
		return basic(v, leaf, subleaf);
	return (struct cpuid_regs){0};
}
