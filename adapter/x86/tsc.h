/* SPDX-License-Identifier: MIT */
/* What the processor says of the TSC, and how fast it runs, where the hypervisor does not say. */
#ifndef XENOLITH_X86_TSC_H
#define XENOLITH_X86_TSC_H

#include <stdbool.h>
#include <stdint.h>

/* One frequency, whatever the processor does meanwhile. */
bool tsc_is_invariant(void);

/* As the processor states it; 0 where it does not. */
uint64_t tsc_hz_from_cpuid(void);

/* Measured for 50 ms against the ACPI timer; 0 where there is none or it stands still. */
uint64_t tsc_hz_by_pm_timer(void);

#endif
