/* SPDX-License-Identifier: MIT */
/* The guest's clocks and timers. All for the current vCPU unless they say otherwise. */
#ifndef XENOLITH_XEN_TIME_H
#define XENOLITH_XEN_TIME_H

#include <stdbool.h>

#include "adapter/xen/domain.h"

/* Fills the wallclock of shared_info. Once at boot, and whenever the host corrects the time. */
void time_set_wallclock(void);

/* Shows the clock's scale in force in a vCPU's time areas; any vCPU, as long as only one VP does it. */
void time_update(struct vcpu *v);

/* The same, if the scale has changed since. Called on every timer tick and before blocking. */
void time_refresh(struct vcpu *v);

/* Arms this VP's timer for the earliest of the vCPU's deadlines. */
void time_rearm(struct vcpu *v);

/* Changes the running state's accounting: now it is in `state` (RUNSTATE_*). */
void runstate_change(struct vcpu *v, int state);

#endif
