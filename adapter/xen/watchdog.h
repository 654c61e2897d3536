/* SPDX-License-Identifier: MIT */
/* SCHEDOP_watchdog: the guest is ended unless it asks for more time in time. */
#ifndef XENOLITH_XEN_WATCHDOG_H
#define XENOLITH_XEN_WATCHDOG_H

#include "adapter/xen/domain.h"

/* The next deadline that this vCPU's timer has to keep, 0: none. The vCPU that set a watchdog last keeps it. */
uint64_t watchdog_deadline(const struct vcpu *v);

/* Ends the guest if one of this vCPU's deadlines has passed. */
void watchdog_check(const struct vcpu *v, uint64_t now);

/* The operation; `arg` is struct sched_watchdog. */
long watchdog_set(void *arg);

#endif
