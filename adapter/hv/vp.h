/* SPDX-License-Identifier: MIT */
/* What the Viridian side keeps of each virtual processor. */
#ifndef XENOLITH_HV_VP_H
#define XENOLITH_HV_VP_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/hv/msr.h"
#include "abi/hv/synic.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/cpumask.h"

/* Which SINT carries what; 0 is not valid for a timer. */
#define HV_SINT_VMBUS 2
#define HV_SINT_TIMER 4

struct hv_vp {
	uint32_t apic_id;
	uint32_t index;              /* the hypervisor's number of this VP; valid once started */
	void *input;                 /* hypercall input page */
	struct hv_vp_assist *assist; /* NULL: not used */
	struct hv_message_page *messages; /* NULL: no SynIC */
	struct hv_event_flags_page *events;
	struct clock_scale scale; /* mul 0: not taken yet */
	uint64_t deadline;        /* of the armed timer */
	uint64_t programmed; /* when the hardware's comes, which may be sooner; 0: not at all */
	bool armed;
};

/* VP `n` of the seam's numbering. */
struct hv_vp *hv_vp(unsigned n);
struct hv_vp *hv_vp_self(void);

/* VPs that have been through hv_vp_init. Only those have an index, take interrupts and have translations. */
cpumask_t hv_started(void);

/* The same set in the hypervisor's numbering; false where an index does not fit the mask. */
bool hv_index_mask(cpumask_t vps, uint64_t *mask);

/* Likewise as a sparse set; returns the number of banks written, 0 where an index does not fit the form (hv/vpset.h). */
unsigned hv_index_set(cpumask_t vps, uint64_t *valid_banks, uint64_t *banks);

#endif
