/* SPDX-License-Identifier: MIT */
#include "adapter/hv/discover.h"

#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "core/fmt.h"

static struct hv_features features;

static struct hv_cpuid read_cpuid(uint32_t leaf)
{
	struct cpuid_regs r = cpuid(leaf);

	return (struct hv_cpuid){r.eax, r.ebx, r.ecx, r.edx};
}

const char *hv_discover(const char *off_list)
{
	static char reason[160];

	if (!hv_features_decide(&features, read_cpuid, off_list, reason, sizeof(reason)))
		return reason;
	return NULL;
}

bool hv_has(enum hv_feature feature)
{
	return hv_features_has(&features, feature);
}

uint32_t hv_spin_threshold(void)
{
	return features.spin_threshold;
}

void hv_log_features(void)
{
	char names[224];
	size_t n = 0;

	names[0] = '\0';
	for (unsigned i = 0; i < HV_F_COUNT && n < sizeof(names); i++)
		if (hv_has(i))
			n += fmt(names + n, sizeof(names) - n, " %s", hv_feature_name(i));
	log_info("Viridian %u.%u.%u:%s", features.major, features.minor, features.build, names);
}
