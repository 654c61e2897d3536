/* SPDX-License-Identifier: MIT */
/* The per-VP timer's set-up; timer_arm and timer_disarm are in seam/clock.h. */
#ifndef XENOLITH_HV_TIMER_H
#define XENOLITH_HV_TIMER_H

#include "adapter/hv/vp.h"

/* Boot VP: chooses synthetic timer or APIC timer, registers the interrupt. */
void hv_timer_init(void);

/* On each VP. */
void hv_timer_vp_init(struct hv_vp *vp);

/*
 * Alarms: besides what the guest arms, the boot VP's timer calls `ring` once, at or after clock_now() == `at`, in interrupt context. Setting one that
 * is set moves it. On the boot VP only.
 */
struct hv_alarm {
	uint64_t at; /* 0: not set */
	void (*ring)(void);
};
void hv_alarm_set(struct hv_alarm *alarm, uint64_t at);

#endif
