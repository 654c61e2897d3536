/* SPDX-License-Identifier: MIT */
/* Time, as the Xen side asks for it. Units are nanoseconds since the partition was created. */
#ifndef XENOLITH_SEAM_CLOCK_H
#define XENOLITH_SEAM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One affine piece of the clock: ns = ns_base + (((tsc - tsc_base) << shift (or >> -shift)) * mul >> 32),
 * which is pvclock's own arithmetic (xen/xen.h, struct vcpu_time_info).
 */
struct clock_scale {
	uint64_t tsc_base;
	uint64_t ns_base;
	uint32_t mul;
	int8_t shift;
	uint32_t sequence; /* changes when the host changed the scale (live migration) */
	bool stable;       /* the same on every VP, so that the guest needs no monotonicity guard */
};

/* The scale in force now. Cheap enough for every timer tick. */
struct clock_scale clock_scale(void);

/* Whether the scale that was taken as `sequence` still holds: two loads and a compare. */
bool clock_scale_current(uint32_t sequence);

uint64_t clock_now(void);

/* How long this VP has had a processor, halts not counted; false where the hypervisor does not tell. It costs an exit. */
bool clock_vp_runtime(uint64_t *ns);

/* TSC ticks per second, as the hypervisor states it. */
uint64_t clock_tsc_hz(void);

/* Seconds and nanoseconds since 1970 (UTC) at clock_now() == 0. */
struct clock_wall {
	uint64_t sec;
	uint32_t nsec;
};
struct clock_wall clock_wall(void);
/* The host knows better; on VP 0, like clock_wall() once the guest runs. nsec < 10^9. */
void clock_set_wall(struct clock_wall wall);

/* This VP's one-shot timer: xen_timer_expired() is called once, at or after `deadline` (clock_now's scale). A new
 * deadline replaces the old one; a deadline in the past fires at once. */
void timer_arm(uint64_t deadline);
void timer_disarm(void);

/* Implemented by the Xen side; called in interrupt context on the VP whose timer expired. May re-arm. */
void xen_timer_expired(void);

#endif
