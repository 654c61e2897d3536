/* SPDX-License-Identifier: MIT */
#include "adapter/x86/tsc.h"

#include "abi/x86/acpi.h"
#include "adapter/x86/acpi.h"
#include "adapter/x86/asm.h"

#define CPUID_TSC 0x15 /* crystal hz in ecx, ratio ebx / eax: SDM vol. 2, CPUID */

uint64_t tsc_hz_from_cpuid(void)
{
	struct cpuid_regs r;

	if (cpuid(0).eax < CPUID_TSC)
		return 0;
	r = cpuid(CPUID_TSC);
	return r.eax && r.ebx && r.ecx ? (uint64_t)r.ecx * r.ebx / r.eax : 0;
}

uint64_t tsc_hz_by_pm_timer(void)
{
	const uint32_t ticks = ACPI_PM_TIMER_HZ / 50;
	uint16_t port = acpi_pm_timer_port();
	uint64_t tsc_start, tsc_now;
	uint32_t start, passed;
	unsigned polls = 0;

	if (!port)
		return 0;
	start = inl(port);
	tsc_start = rdtsc();
	do {
		passed = (inl(port) - start) & ACPI_PM_TIMER_MASK;
		tsc_now = rdtsc();
		/* A million port reads take seconds on anything. */
		if (++polls == 1000000)
			return 0;
	} while (passed < ticks);
	return (tsc_now - tsc_start) * ACPI_PM_TIMER_HZ / passed;
}
