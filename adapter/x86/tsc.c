/* SPDX-License-Identifier: MIT */
#include "adapter/x86/tsc.h"

#include "abi/x86/acpi.h"
#include "adapter/x86/acpi.h"
#include "adapter/x86/asm.h"

#define CPUID_TSC         0x15 /* crystal hz in ecx, ratio ebx / eax: SDM vol. 2, CPUID */
#define CPUID_APM         0x80000007
#define APM_INVARIANT_TSC (1u << 8)

#define MEASURE_PER_SEC 20     /* 50 ms */
#define TRIES_MAX       200000 /* a million port reads take seconds on anything */

bool tsc_is_invariant(void)
{
	return cpuid(0x80000000).eax >= CPUID_APM && cpuid(CPUID_APM).edx & APM_INVARIANT_TSC;
}

uint64_t tsc_hz_from_cpuid(void)
{
	struct cpuid_regs r;

	if (cpuid(0).eax < CPUID_TSC)
		return 0;
	r = cpuid(CPUID_TSC);
	return r.eax && r.ebx && r.ecx ? (uint64_t)r.ecx * r.ebx / r.eax : 0;
}

struct sample {
	uint32_t ticks;
	uint64_t tsc;
};

/* Both clocks at one moment: the middle of the shortest of five reads, for any of them may be held up. */
static struct sample take_sample(uint16_t port)
{
	struct sample s = {0};
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < 5; i++) {
		uint64_t before = rdtsc();
		uint32_t ticks = inl(port);
		uint64_t took = rdtsc() - before;

		if (took < best) {
			best = took;
			s.ticks = ticks;
			s.tsc = before + took / 2;
		}
	}
	return s;
}

uint64_t tsc_hz_by_pm_timer(void)
{
	uint16_t port = acpi_pm_timer_port();
	struct sample start, now;
	uint32_t passed;
	unsigned tries = 0;

	if (!port)
		return 0;
	start = take_sample(port);
	do {
		now = take_sample(port);
		passed = (now.ticks - start.ticks) & ACPI_PM_TIMER_MASK;
		if (++tries == TRIES_MAX)
			return 0;
	} while (passed < ACPI_PM_TIMER_HZ / MEASURE_PER_SEC);
	return (now.tsc - start.tsc) * ACPI_PM_TIMER_HZ / passed;
}
