/* SPDX-License-Identifier: MIT */
/* The clock's set-up, and reference time for the timers; the rest is seam/clock.h. */
#ifndef XENOLITH_HV_CLOCK_H
#define XENOLITH_HV_CLOCK_H

#include <stdint.h>

/* Boot VP. Refuses the guest where nothing tells how fast the TSC runs. */
void hv_clock_init(void);

/*
 * Boot VP, before the guest starts: the wall clock from the real-time clock becomes more exact, unless somebody has told it (clock_set_wall()).
 */
void hv_clock_look_again(void);

/* Reference time now, in 100 ns; only where HV_F_TIME_REF_COUNT is on. */
uint64_t hv_ref_now(void);

#endif
