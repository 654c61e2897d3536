/* SPDX-License-Identifier: MIT */
/* Virtual processors, as the Xen side asks for them: who there is, wake one, flush others' translations. */
#ifndef XENOLITH_SEAM_VPS_H
#define XENOLITH_SEAM_VPS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapter/seam/cpumask.h"

/* VPs are numbered 0 … vps_count()-1 in the order of the firmware's tables, the boot VP first. */
unsigned vps_count(void);

/* The VP that runs this. */
unsigned vps_self(void);

/* APIC id of a VP, for the guest's CPUID and vcpu_op queries. */
uint32_t vps_apic_id(unsigned vp);

/* Interrupts the VPs, so that each looks at its event channels before it goes on in the guest. */
void kick(cpumask_t vps);

/*
 * Makes each VP of the set drop its translations: of one page, or all that are not global. Returns when it is
 * certain that none is used any more. Includes the caller if it is in the set.
 */
void tlb_flush(cpumask_t vps);
void tlb_flush_page(cpumask_t vps, uint64_t va);

/*
 * This VP is about to wait for an interrupt, or vp_due_at_return() asked for it: what the Viridian side has put off on it is due. True: there was
 * something, and what the caller would wait for may have come by it. With nothing of the Xen side's held.
 */
bool vp_about_to_wait(void);

/*
 * Implemented by the guest's side: vp_about_to_wait() will be called before the guest's kernel, which this VP is running for, goes back to what it had
 * interrupted, or to another task. False where a guest cannot be relied on to do either, because it has no processes.
 */
bool vp_due_at_return(void);

/* A hint that this VP waits for what another one is to do, which the hypervisor may run first. */
void vp_spin_hint(void);

#endif
