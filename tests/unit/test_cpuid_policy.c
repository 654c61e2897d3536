/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/x86/cpuid_policy.h"

#define BIT(n) (1u << (n))

static const struct cpuid_regs intel = {0x20, 0x756e6547, 0x6c65746e, 0x49656e69};
static const struct cpuid_regs amd = {0x10, 0x68747541, 0x444d4163, 0x69746e65};

/* A processor that has everything there ever was or will be. */
static struct cpuid_regs everything(uint32_t leaf, uint32_t subleaf, struct cpuid_regs leaf0)
{
	switch (leaf) {
	case 0: return leaf0;
	case 0x80000000: return (struct cpuid_regs){.eax = 0x80000028};
	case 7:
		return subleaf ? (struct cpuid_regs){~0u, ~0u, ~0u, ~0u}
			       : (struct cpuid_regs){9, ~0u, ~0u, ~0u};
	case 0xd:
		/* Each state 64 bytes further, so sizes tell which were counted. */
		return subleaf < 2 ? (struct cpuid_regs){~0u, 4096, 8192, ~0u}
				   : (struct cpuid_regs){64, 576 + (subleaf - 2) * 64, ~0u, ~0u};
	default: return (struct cpuid_regs){~0u, ~0u, ~0u, ~0u};
	}
}

static struct cpuid_regs on_intel(uint32_t leaf, uint32_t subleaf)
{
	return everything(leaf, subleaf, intel);
}

static struct cpuid_regs on_amd(uint32_t leaf, uint32_t subleaf)
{
	return everything(leaf, subleaf, amd);
}

static struct cpuid_regs nothing(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return leaf == 0 ? (struct cpuid_regs){1, 0, 0, 0} : (struct cpuid_regs){0};
}

static const struct cpuid_view view_intel = {.host = on_intel, .vendor = CPUID_VENDOR_INTEL};
static const struct cpuid_view view_amd = {.host = on_amd, .vendor = CPUID_VENDOR_AMD};
static const struct cpuid_view view_none = {.host = nothing};

static void vendors_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(cpuid_vendor(intel), CPUID_VENDOR_INTEL);
	assert_int_equal(cpuid_vendor(amd), CPUID_VENDOR_AMD);
	assert_int_equal(cpuid_vendor((struct cpuid_regs){0}), CPUID_VENDOR_OTHER);
}

static void ring_0_features_are_hidden(void **state)
{
	struct cpuid_regs r = cpuid_policy(&view_intel, 1, 0);

	(void)state;
	/* MONITOR VMX SMX EIST PCID X2APIC TSC_DEADLINE */
	assert_int_equal(r.ecx & (BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(17) | BIT(21) | BIT(24)),
			 0);
	/* VME PSE MTRR PGE PSE36 DS */
	assert_int_equal(r.edx & (BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(21)), 0);
	r = cpuid_policy(&view_intel, 7, 0);
	/* SMEP INVPCID MPX PQE SMAP PT */
	assert_int_equal(
	    r.ebx & (BIT(7) | BIT(10) | BIT(12) | BIT(14) | BIT(15) | BIT(20) | BIT(25)), 0);
	/* UMIP PKU OSPKE WAITPKG CET LA57 PKS */
	assert_int_equal(r.ecx & (BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(16) | BIT(31)),
			 0);
	/* XSAVES XFD */
	assert_int_equal(cpuid_policy(&view_intel, 0xd, 1).eax & (BIT(3) | BIT(4)), 0);
	r = cpuid_policy(&view_amd, 0x80000001, 0);
	/* SVM EXTAPIC OSVW IBS SKINIT LWP TOPOEXT DBEXT MONITORX */
	assert_int_equal(r.ecx & (BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(15) | BIT(22) |
				  BIT(26) | BIT(29)),
			 0);
	/* PAGE1GB, and of the common ones PSE PGE MTRR PSE36 */
	assert_int_equal(r.edx & (BIT(26) | BIT(3) | BIT(13) | BIT(12) | BIT(17)), 0);
	/* IBRS AUTO_IBRS */
	assert_int_equal(cpuid_policy(&view_amd, 0x80000008, 0).ebx & BIT(14), 0);
	assert_int_equal(cpuid_policy(&view_amd, 0x80000021, 0).eax & BIT(8), 0);
}

static void what_processes_use_is_shown(void **state)
{
	struct cpuid_regs r = cpuid_policy(&view_amd, 1, 0);

	(void)state;
	/* FPU TSC MSR PAE CX8 APIC SEP CMOV PAT CLFLUSH MMX FXSR SSE SSE2 */
	assert_int_equal(~r.edx &
			     (BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(11) |
			      BIT(15) | BIT(16) | BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26)),
			 0);
	/* SSE3 SSSE3 FMA CX16 SSE4 POPCNT AES XSAVE AVX HYPERVISOR */
	assert_int_equal(~r.ecx & (BIT(0) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) |
				   BIT(23) | BIT(25) | BIT(26) | BIT(28) | BIT(31)),
			 0);
	r = cpuid_policy(&view_amd, 0x80000001, 0);
	/* SYSCALL NX RDTSCP LM */
	assert_int_equal(~r.edx & (BIT(11) | BIT(20) | BIT(27) | BIT(29)), 0);
	/* SRSO_NO */
	assert_int_equal(~cpuid_policy(&view_amd, 0x80000021, 0).eax & BIT(29), 0);
	/* FSGSBASE AVX2 */
	assert_int_equal(~cpuid_policy(&view_amd, 7, 0).ebx & (BIT(0) | BIT(5)), 0);
}

static void nothing_is_shown_that_is_not_there(void **state)
{
	struct cpuid_regs r = cpuid_policy(&view_none, 1, 0);

	(void)state;
	assert_int_equal(r.edx, 0);
	assert_int_equal(r.ecx, BIT(31)); /* HYPERVISOR */
	assert_int_equal(cpuid_policy(&view_none, 7, 0).ebx, 0);
	assert_int_equal(xcr0_allowed(&view_none), 0);
}

static void osxsave_follows_cr4(void **state)
{
	struct cpuid_view v = view_amd;

	(void)state;
	assert_int_equal(cpuid_policy(&v, 1, 0).ecx & BIT(27), 0);
	v.cr4 = CR4_OSXSAVE;
	assert_int_not_equal(cpuid_policy(&v, 1, 0).ecx & BIT(27), 0);
	v.cr4 = 0;
	v.force_osxsave = true;
	assert_int_not_equal(cpuid_policy(&v, 1, 0).ecx & BIT(27), 0);
}

static void the_hypervisor_is_xen_4_17(void **state)
{
	struct cpuid_view v = view_intel;
	struct cpuid_regs r = cpuid_policy(&v, 0x40000000, 0);
	char signature[13] = "";

	(void)state;
	memcpy(signature, &r.ebx, 4);
	memcpy(signature + 4, &r.ecx, 4);
	memcpy(signature + 8, &r.edx, 4);
	assert_string_equal(signature, "XenVMMXenVMM");
	assert_int_equal(r.eax, 0x40000005);
	assert_int_equal(cpuid_policy(&v, 0x40000001, 0).eax, 4 << 16 | 17);
	v.tsc_khz = 2500000;
	assert_int_equal(cpuid_policy(&v, 0x40000003, 0).ecx, 2500000);
	assert_int_equal(cpuid_policy(&v, 0x40000003, 0).ebx, 2); /* never emulated */
	v.machine_address_bits = 40;
	assert_int_equal(cpuid_policy(&v, 0x40000005, 0).ebx, 40);
}

/* The partition's own hypervisor must not shine through. */
static void no_other_hypervisor_leaf_is_seen(void **state)
{
	(void)state;
	for (uint32_t leaf = 0x40000006; leaf < 0x40000200; leaf++) {
		struct cpuid_regs r = cpuid_policy(&view_intel, leaf, 0);

		assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
	}
}

static void leaves_beyond_the_last_are_empty(void **state)
{
	static const uint32_t beyond[] = {0xe, 0x14, 0x20, 0x80000009, 0x80000022, 0xc0000000, ~0u};

	(void)state;
	assert_int_equal(cpuid_policy(&view_intel, 0, 0).eax, 0xd);
	assert_int_equal(cpuid_policy(&view_intel, 0x80000000, 0).eax, 0x80000008);
	assert_int_equal(cpuid_policy(&view_amd, 0x80000000, 0).eax, 0x80000021);
	assert_int_equal(cpuid_policy(&view_amd, 7, 0).eax, 2);
	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		struct cpuid_regs r = cpuid_policy(&view_intel, beyond[i], 0);

		assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
	}
	for (uint32_t sub = 3; sub < 10; sub++)
		assert_int_equal(cpuid_policy(&view_amd, 7, sub).eax, 0);
}

static void topology_is_xens(void **state)
{
	struct cpuid_regs r;

	(void)state;
	assert_int_equal(cpuid_policy(&view_intel, 1, 0).ebx >> 24, 0);
	for (uint32_t sub = 0; sub < 3; sub++) {
		r = cpuid_policy(&view_intel, 0xb, sub);
		assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
	}
	r = cpuid_policy(&view_amd, 0x8000001e, 0);
	assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
}

/* x87, SSE, AVX, AVX-512: states 0, 1, 2, 5, 6, 7. */
static void the_xsave_area_holds_what_is_allowed(void **state)
{
	struct cpuid_regs r = cpuid_policy(&view_intel, 0xd, 0);

	(void)state;
	assert_int_equal(r.eax, 0xe7);
	assert_int_equal(r.edx, 0);
	assert_int_equal(r.ebx, 4096); /* as the hardware says for XCR0 as it is */
	assert_int_equal(r.ecx, 576 + 6 * 64);
	assert_int_equal(cpuid_policy(&view_intel, 0xd, 2).eax, 64);
	assert_int_equal(cpuid_policy(&view_intel, 0xd, 2).ecx, BIT(1));
	assert_int_equal(cpuid_policy(&view_intel, 0xd, 3).eax, 0); /* MPX */
	assert_int_equal(cpuid_policy(&view_intel, 0xd, 9).eax, 0); /* PKRU */
	assert_int_equal(cpuid_policy(&view_intel, 0xd, 200).eax, 0);
}

static void xcr0_needs_a_sound_combination(void **state)
{
	static const struct {
		uint64_t value;
		bool valid;
	} cases[] = {{1, true},
		     {3, true},
		     {7, true},
		     {0xe7, true},
		     {0, false},
		     {2, false},
		     {5, false},
		     {6, false},
		     {0x27, false},
		     {0xe3, false},
		     {0xf, false},
		     {0x207, false},
		     {1ull << 63 | 3, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(xcr0_valid(&view_intel, cases[i].value), cases[i].valid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vendors_are_told_apart),
	    cmocka_unit_test(ring_0_features_are_hidden),
	    cmocka_unit_test(what_processes_use_is_shown),
	    cmocka_unit_test(nothing_is_shown_that_is_not_there),
	    cmocka_unit_test(osxsave_follows_cr4),
	    cmocka_unit_test(the_hypervisor_is_xen_4_17),
	    cmocka_unit_test(no_other_hypervisor_leaf_is_seen),
	    cmocka_unit_test(leaves_beyond_the_last_are_empty),
	    cmocka_unit_test(topology_is_xens),
	    cmocka_unit_test(the_xsave_area_holds_what_is_allowed),
	    cmocka_unit_test(xcr0_needs_a_sound_combination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
