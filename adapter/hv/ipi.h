/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_HV_IPI_H
#define XENOLITH_HV_IPI_H

#include "adapter/seam/cpumask.h"
#include "adapter/x86/irq.h"

/* Interrupts those of the VPs that have started; the caller may be one of them. */
void hv_send_ipi(cpumask_t vps, enum irq_vector vector);

#endif
