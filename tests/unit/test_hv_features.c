/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "abi/hv/cpuid.h"
#include "adapter/hv/features.h"

/* The machine under test: everything offered, until a test takes something away. */
static struct hv_cpuid leaf1, vendor, interface, version, features, recommendations;

static int everything_offered(void **state)
{
	(void)state;
	leaf1 = (struct hv_cpuid){.ecx = 0xffffffff};
	vendor = (struct hv_cpuid){0x40000006, 0x7263694d, 0x666f736f, 0x76482074};
	interface = (struct hv_cpuid){.eax = HV_INTERFACE_SIGNATURE};
	version = (struct hv_cpuid){.eax = 20348, .ebx = 10 << 16 | 3};
	features = (struct hv_cpuid){0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
	recommendations = (struct hv_cpuid){.eax = 0xffffffff, .ebx = 4096};
	return 0;
}

static struct hv_cpuid machine(uint32_t leaf)
{
	switch (leaf) {
	case 1: return leaf1;
	case HV_CPUID_VENDOR: return vendor;
	case HV_CPUID_INTERFACE: return interface;
	case HV_CPUID_VERSION: return version;
	case HV_CPUID_FEATURES: return features;
	case HV_CPUID_RECOMMENDATIONS: return recommendations;
	default: return (struct hv_cpuid){0};
	}
}

static struct hv_features decided(const char *off)
{
	struct hv_features f;
	char reason[200] = "";

	assert_true(hv_features_decide(&f, machine, off, reason, sizeof(reason)));
	assert_string_equal(reason, "");
	return f;
}

static void refused(const char *off, const char *words)
{
	struct hv_features f;
	char reason[200] = "";

	assert_false(hv_features_decide(&f, machine, off, reason, sizeof(reason)));
	assert_non_null(strstr(reason, words));
	assert_null(strchr(reason, '\n'));
	assert_int_equal(f.on, 0);
}

static void all_that_is_offered_is_on(void **state)
{
	struct hv_features f = decided(NULL);

	(void)state;
	assert_int_equal(f.on, (1u << HV_F_COUNT) - 1);
	assert_int_equal(f.spin_threshold, 4096);
	assert_int_equal(f.major, 10);
	assert_int_equal(f.minor, 3);
	assert_int_equal(f.build, 20348);
}

static void nothing_beyond_hypercalls_is_needed(void **state)
{
	(void)state;
	leaf1.ecx = CPUID_1_ECX_HYPERVISOR;
	features = (struct hv_cpuid){.eax = HV_ACCESS_HYPERCALL};
	recommendations = (struct hv_cpuid){.ebx = HV_RECOMMEND_SPIN_NEVER};
	assert_int_equal(decided(NULL).on, 0);
}

static void frequencies_need_both_of_their_bits(void **state)
{
	(void)state;
	features.edx &= ~HV_FEATURE_FREQUENCY_MSRS;
	assert_int_equal(decided(NULL).on, ((1u << HV_F_COUNT) - 1) & ~(1u << HV_F_FREQUENCIES));
	features.edx = 0xffffffff;
	features.eax &= ~HV_ACCESS_FREQUENCY;
	assert_int_equal(decided(NULL).on, ((1u << HV_F_COUNT) - 1) & ~(1u << HV_F_FREQUENCIES));
}

static void bare_metal_is_refused(void **state)
{
	(void)state;
	leaf1.ecx &= ~CPUID_1_ECX_HYPERVISOR;
	refused(NULL, "no Viridian hypervisor beneath");
}

static void another_hypervisor_is_refused_by_name(void **state)
{
	(void)state;
	/* KVM without enlightenments: its own leaves lie where Viridian's would. */
	vendor = (struct hv_cpuid){0x40000001, 0x4b4d564b, 0x564b4d56, 0x0000004d};
	interface.eax = 0x01007afb;
	refused(NULL, "\"KVMKVMKVM...\"");
}

static void a_hypervisor_without_hypercalls_is_refused(void **state)
{
	(void)state;
	features.eax &= ~HV_ACCESS_HYPERCALL;
	refused(NULL, "hypercalls");
}

static void each_feature_can_be_taken_away_by_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HV_F_COUNT; i++) {
		struct hv_features f = decided(hv_feature_name(i));

		assert_false(hv_features_has(&f, i));
	}
}

static void several_are_taken_away_at_once(void **state)
{
	struct hv_features f = decided("ipi,crash");

	(void)state;
	assert_int_equal(f.on, ((1u << HV_F_COUNT) - 1) & ~(1u << HV_F_IPI | 1u << HV_F_CRASH));
	assert_int_equal(decided("all").on, 0);
	assert_int_equal(decided("").on, (1u << HV_F_COUNT) - 1);
}

static void an_unknown_name_is_refused(void **state)
{
	(void)state;
	refused("ipi,warp-drive", "\"warp-drive\"");
	refused("ip", "\"ip\"");
	refused("ipi,,crash", "\"\"");
	refused(
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"");
}

static void what_depends_on_a_missing_feature_is_off(void **state)
{
	struct hv_features f = decided("vp-index");

	(void)state;
	assert_false(hv_features_has(&f, HV_F_IPI));
	assert_false(hv_features_has(&f, HV_F_TLB_FLUSH));
	f = decided("time-ref-count");
	assert_false(hv_features_has(&f, HV_F_REFERENCE_TSC));
	assert_false(hv_features_has(&f, HV_F_STIMER));
	assert_false(hv_features_has(&f, HV_F_STIMER_DIRECT));
	f = decided("synic");
	assert_true(hv_features_has(&f, HV_F_STIMER));
	f = decided("synic,stimer-direct");
	assert_false(hv_features_has(&f, HV_F_STIMER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(all_that_is_offered_is_on, everything_offered),
	    cmocka_unit_test_setup(nothing_beyond_hypercalls_is_needed, everything_offered),
	    cmocka_unit_test_setup(bare_metal_is_refused, everything_offered),
	    cmocka_unit_test_setup(another_hypervisor_is_refused_by_name, everything_offered),
	    cmocka_unit_test_setup(a_hypervisor_without_hypercalls_is_refused, everything_offered),
	    cmocka_unit_test_setup(each_feature_can_be_taken_away_by_name, everything_offered),
	    cmocka_unit_test_setup(several_are_taken_away_at_once, everything_offered),
	    cmocka_unit_test_setup(an_unknown_name_is_refused, everything_offered),
	    cmocka_unit_test_setup(what_depends_on_a_missing_feature_is_off, everything_offered),
	    cmocka_unit_test_setup(frequencies_need_both_of_their_bits, everything_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
