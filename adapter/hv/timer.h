/* SPDX-License-Identifier: MIT */
/* The per-VP timer's set-up; timer_arm and timer_disarm are in seam/clock.h. */
#ifndef XENOLITH_HV_TIMER_H
#define XENOLITH_HV_TIMER_H

#include "adapter/hv/vp.h"

/* Boot VP: chooses synthetic timer or APIC timer, registers the interrupt. */
void hv_timer_init(void);

/* On each VP. */
void hv_timer_vp_init(struct hv_vp *vp);

/* From now on the boot VP's timer also calls `poll` about every 20 ms, whatever the guest arms. */
void hv_timer_poll(void (*poll)(void));

#endif
