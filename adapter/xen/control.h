/* SPDX-License-Identifier: MIT */
/* What the host asks of the guest, in the guest's terms: the Xen half of seam/control.h. */
#ifndef XENOLITH_XEN_CONTROL_H
#define XENOLITH_XEN_CONTROL_H

#include "adapter/xen/domain.h"

/* Once the guest's tree stands. */
void control_init(void);

/* The deadline that a request to end keeps, 0: none; on vCPU 0's timer. */
uint64_t control_deadline(const struct vcpu *v);
/* Looks whether the guest has taken it. On VP 0, with nothing held. */
void control_check(const struct vcpu *v, uint64_t now);

#endif
