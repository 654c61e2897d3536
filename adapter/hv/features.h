/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor offers, less what the option no-hv= takes away. Pure decisions: runs hosted too.
 */
#ifndef XENOLITH_HV_FEATURES_H
#define XENOLITH_HV_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hv_feature {
	HV_F_TIME_REF_COUNT,
	HV_F_REFERENCE_TSC,
	HV_F_FREQUENCIES,
	HV_F_TSC_INVARIANT, /* the promise of one TSC frequency for the partition's life, on whatever host */
	HV_F_VP_RUNTIME,
	HV_F_SYNIC,
	HV_F_VMBUS, /* messages and events to the host: what VMBus needs */
	HV_F_STIMER,
	HV_F_STIMER_DIRECT,
	HV_F_VP_INDEX,
	HV_F_IPI,
	HV_F_TLB_FLUSH,
	HV_F_EX_MASKS,
	HV_F_ASSIST_PAGE,
	HV_F_SPIN_WAIT,
	HV_F_CRASH,
	HV_F_RESET,
	HV_F_X2APIC,       /* the processor's, but what virtual machines offer varies as much */
	HV_F_TSC_DEADLINE, /* likewise */
	HV_F_COUNT,
};

struct hv_features {
	uint32_t on;             /* bit n: enum hv_feature n may be used */
	uint32_t spin_threshold; /* spins before the hypervisor wants to be told */
	uint32_t build;          /* the hypervisor's own version, for the log */
	uint16_t major, minor;
};

struct hv_cpuid {
	uint32_t eax, ebx, ecx, edx;
};

/* CPUID as a function, so that tests can answer for it. */
typedef struct hv_cpuid hv_cpuid_fn(uint32_t leaf);

static inline bool hv_features_has(const struct hv_features *f, enum hv_feature feature)
{
	return f->on >> feature & 1;
}

/* The name that no-hv= takes. */
const char *hv_feature_name(enum hv_feature feature);

/*
 * Decides what to use. `off_list` is the option's value: names separated by commas, "all", or NULL. Returns true, or
 * false with one line in `reason` (cut to `size`) where there is no Viridian hypervisor or the option names nothing
 * known.
 */
bool hv_features_decide(struct hv_features *f, hv_cpuid_fn *cpuid_fn, const char *off_list,
			char *reason, size_t size);

#endif
