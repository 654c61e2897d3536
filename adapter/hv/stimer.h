/* SPDX-License-Identifier: MIT */
/* Decisions about the timer: which one, and what its registers get. Pure; runs hosted too. */
#ifndef XENOLITH_HV_STIMER_H
#define XENOLITH_HV_STIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/hv/synic.h"

enum timer_kind {
	TIMER_STIMER_DIRECT,
	TIMER_STIMER_MESSAGE,
	TIMER_TSC_DEADLINE,
	TIMER_APIC_COUNT, /* every APIC has it */
};

static inline enum timer_kind timer_choose(bool stimer, bool direct, bool tsc_deadline)
{
	if (stimer)
		return direct ? TIMER_STIMER_DIRECT : TIMER_STIMER_MESSAGE;
	return tsc_deadline ? TIMER_TSC_DEADLINE : TIMER_APIC_COUNT;
}

/* One-shot, started by each write of a count: one register write arms it. */
static inline uint64_t stimer_config(enum timer_kind kind, uint8_t vector, uint8_t sint)
{
	if (kind == TIMER_STIMER_DIRECT)
		return HV_STIMER_AUTO_ENABLE | HV_STIMER_DIRECT |
		       (uint64_t)vector << HV_STIMER_VECTOR_SHIFT;
	return HV_STIMER_AUTO_ENABLE | (uint64_t)sint << HV_STIMER_SINT_SHIFT;
}

/* The count that expires `wait_ns` from `ref_now` (100 ns units) or a little later; never 0, which would stop it. */
static inline uint64_t stimer_count(uint64_t ref_now, uint64_t wait_ns)
{
	uint64_t count = ref_now + wait_ns / 100 + (wait_ns % 100 != 0);

	return count ? count : 1;
}

/* Whether what the hardware was told, to interrupt at `programmed`, is still to come and soon enough for `deadline`. */
static inline bool timer_suffices(uint64_t programmed, uint64_t now, uint64_t deadline)
{
	return programmed > now && programmed <= deadline;
}

#endif
