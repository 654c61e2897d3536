/* SPDX-License-Identifier: MIT */
#include "adapter/hv/features.h"

#include "abi/hv/cpuid.h"
#include "core/fmt.h"
#include "core/string.h"

enum reg { EAX, EBX, ECX, EDX };

struct rule {
	const char *name;
	uint32_t leaf;
	enum reg reg;
	uint32_t bits; /* all of them */
};

#define CPUID_1_ECX_X2APIC       (1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)

static const struct rule rules[HV_F_COUNT] = {
    [HV_F_TIME_REF_COUNT] = {"time-ref-count", HV_CPUID_FEATURES, EAX, HV_ACCESS_TIME_REF},
    [HV_F_REFERENCE_TSC] = {"reference-tsc", HV_CPUID_FEATURES, EAX, HV_ACCESS_REFERENCE_TSC},
    [HV_F_TSC_INVARIANT] = {"tsc-invariant", HV_CPUID_FEATURES, EAX, HV_ACCESS_TSC_INVARIANT},
    [HV_F_VP_RUNTIME] = {"vp-runtime", HV_CPUID_FEATURES, EAX, HV_ACCESS_VP_RUNTIME},
    [HV_F_FREQUENCIES] = {"frequencies", HV_CPUID_FEATURES, EAX, HV_ACCESS_FREQUENCY},
    [HV_F_SYNIC] = {"synic", HV_CPUID_FEATURES, EAX, HV_ACCESS_SYNIC},
    [HV_F_VMBUS] = {"vmbus", HV_CPUID_FEATURES, EBX, HV_MAY_POST_MESSAGES | HV_MAY_SIGNAL_EVENTS},
    [HV_F_STIMER] = {"stimer", HV_CPUID_FEATURES, EAX, HV_ACCESS_STIMER},
    [HV_F_STIMER_DIRECT] = {"stimer-direct", HV_CPUID_FEATURES, EDX, HV_FEATURE_STIMER_DIRECT},
    [HV_F_VP_INDEX] = {"vp-index", HV_CPUID_FEATURES, EAX, HV_ACCESS_VP_INDEX},
    [HV_F_IPI] = {"ipi", HV_CPUID_RECOMMENDATIONS, EAX, HV_RECOMMEND_CLUSTER_IPI},
    [HV_F_TLB_FLUSH] = {"tlb-flush", HV_CPUID_RECOMMENDATIONS, EAX, HV_RECOMMEND_REMOTE_FLUSH},
    [HV_F_EX_MASKS] = {"ex-masks", HV_CPUID_RECOMMENDATIONS, EAX, HV_RECOMMEND_EX_MASKS},
    [HV_F_ASSIST_PAGE] = {"assist-page", HV_CPUID_FEATURES, EAX, HV_ACCESS_APIC_MSRS},
    [HV_F_SPIN_WAIT] = {"spin-wait", 0, EAX, 0}, /* its leaf holds a count: see spin_wait() */
    [HV_F_CRASH] = {"crash", HV_CPUID_FEATURES, EDX, HV_FEATURE_CRASH_MSRS},
    [HV_F_RESET] = {"reset", HV_CPUID_FEATURES, EAX, HV_ACCESS_RESET},
    [HV_F_X2APIC] = {"x2apic", 1, ECX, CPUID_1_ECX_X2APIC},
    [HV_F_TSC_DEADLINE] = {"tsc-deadline", 1, ECX, CPUID_1_ECX_TSC_DEADLINE},
};

const char *hv_feature_name(enum hv_feature feature)
{
	return rules[feature].name;
}

static bool offered(const struct rule *r, hv_cpuid_fn *cpuid_fn)
{
	struct hv_cpuid c;
	uint32_t value = 0;

	if (!r->bits)
		return false;
	c = cpuid_fn(r->leaf);
	switch (r->reg) {
	case EAX: value = c.eax; break;
	case EBX: value = c.ebx; break;
	case ECX: value = c.ecx; break;
	case EDX: value = c.edx; break;
	}
	return (value & r->bits) == r->bits;
}

/* Two bits speak of these registers, and both must (Linux's ms_hyperv_init_platform): one that is not there raises #GP. */
static void frequencies(struct hv_features *f, hv_cpuid_fn *cpuid_fn)
{
	if (!(cpuid_fn(HV_CPUID_FEATURES).edx & HV_FEATURE_FREQUENCY_MSRS))
		f->on &= ~(1u << HV_F_FREQUENCIES);
}

static void spin_wait(struct hv_features *f, hv_cpuid_fn *cpuid_fn)
{
	f->spin_threshold = cpuid_fn(HV_CPUID_RECOMMENDATIONS).ebx;
	if (f->spin_threshold != HV_RECOMMEND_SPIN_NEVER && f->spin_threshold)
		f->on |= 1u << HV_F_SPIN_WAIT;
}

/* The bits of a list of names; false with the offending name's place where one is not known. */
static bool off_mask(const char *list, uint32_t *mask, const char **bad, int *bad_length)
{
	*mask = 0;
	while (list && *list) {
		const char *comma = strchr(list, ',');
		size_t n = comma ? (size_t)(comma - list) : strlen(list);
		uint32_t hit = n == 3 && !memcmp(list, "all", 3) ? ~0u : 0;

		for (unsigned i = 0; i < HV_F_COUNT; i++)
			if (strlen(rules[i].name) == n && !memcmp(rules[i].name, list, n))
				hit |= 1u << i;
		if (!hit) {
			*bad = list;
			*bad_length = n > 32 ? 32 : (int)n;
			return false;
		}
		*mask |= hit;
		list = comma ? comma + 1 : NULL;
	}
	return true;
}

/* Some features are worth nothing without others. */
static void drop_orphans(struct hv_features *f)
{
	if (!hv_features_has(f, HV_F_VP_INDEX)) /* the hypercalls name VPs by index */
		f->on &= ~(1u << HV_F_IPI | 1u << HV_F_TLB_FLUSH);
	if (!hv_features_has(f, HV_F_TIME_REF_COUNT)) /* the page's fallback, the timers' scale */
		f->on &= ~(1u << HV_F_REFERENCE_TSC | 1u << HV_F_STIMER);
	if (!hv_features_has(f, HV_F_SYNIC)) /* the host's messages and events come by it */
		f->on &= ~(1u << HV_F_VMBUS);
	if (!hv_features_has(f, HV_F_STIMER_DIRECT) && !hv_features_has(f, HV_F_SYNIC))
		f->on &= ~(1u << HV_F_STIMER); /* no way to hear of an expiry */
	if (!hv_features_has(f, HV_F_STIMER))
		f->on &= ~(1u << HV_F_STIMER_DIRECT);
}

/* The vendor's name as text: 12 bytes from three registers, unprintable ones shown as dots. */
static void vendor_text(struct hv_cpuid c, char text[13])
{
	const uint32_t words[3] = {c.ebx, c.ecx, c.edx};

	memcpy(text, words, 12);
	text[12] = '\0';
	for (unsigned i = 0; i < 12; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '.';
}

static bool is_viridian(hv_cpuid_fn *cpuid_fn, char *reason, size_t size)
{
	static const char none[] = "no Viridian hypervisor beneath";
	struct hv_cpuid top, interface;
	char vendor[13];

	if (!(cpuid_fn(1).ecx & CPUID_1_ECX_HYPERVISOR)) {
		fmt(reason, size, "%s: CPUID says that there is no hypervisor", none);
		return false;
	}
	top = cpuid_fn(HV_CPUID_VENDOR);
	interface = cpuid_fn(HV_CPUID_INTERFACE);
	vendor_text(top, vendor);
	if (top.eax < HV_CPUID_MIN_HIGHEST || top.eax > 0x4000ffffu ||
	    interface.eax != HV_INTERFACE_SIGNATURE) {
		fmt(reason, size,
		    "%s: CPUID 0x40000000 says \"%s\", highest leaf 0x%x, interface 0x%x", none,
		    vendor, top.eax, interface.eax);
		return false;
	}
	if (!(cpuid_fn(HV_CPUID_FEATURES).eax & HV_ACCESS_HYPERCALL)) {
		fmt(reason, size, "%s: \"%s\" offers no hypercalls (CPUID 0x40000003 eax bit 5)",
		    none, vendor);
		return false;
	}
	return true;
}

bool hv_features_decide(struct hv_features *f, hv_cpuid_fn *cpuid_fn, const char *off_list,
			char *reason, size_t size)
{
	struct hv_cpuid version;
	const char *bad;
	uint32_t off;
	int bad_length;

	*f = (struct hv_features){0};
	if (!is_viridian(cpuid_fn, reason, size))
		return false;
	if (!off_mask(off_list, &off, &bad, &bad_length)) {
		fmt(reason, size, "option no-hv=: no feature is called \"%.*s\"", bad_length, bad);
		return false;
	}
	for (unsigned i = 0; i < HV_F_COUNT; i++)
		if (offered(&rules[i], cpuid_fn))
			f->on |= 1u << i;
	frequencies(f, cpuid_fn);
	spin_wait(f, cpuid_fn);
	f->on &= ~off;
	drop_orphans(f);

	version = cpuid_fn(HV_CPUID_VERSION);
	f->build = version.eax;
	f->major = version.ebx >> 16;
	f->minor = version.ebx & 0xffff;
	return true;
}
