/* SPDX-License-Identifier: MIT */
/*
 * Whether the guest gets on. A vCPU that has stopped (interrupts off in an endless loop, a spinlock whose owner is gone, a kernel that hangs) takes
 * no upcall and neither blocks nor sets its timer; the timer sees to it that there is an upcall to take. An idle vCPU blocks, and
 * one that computes takes its ticks, or has none to take. So a vCPU has stopped when at two looks, some seconds apart, an upcall is due and
 * `activity`, counted where a kernel comes by in the ordinary course of its life, is the same.
 */
#include "adapter/seam/clock.h"
#include "adapter/seam/control.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/upcall.h"

#define PATIENCE \
	3000000000ull /* ns: longer than a kernel keeps its interrupts off, printing all it knows included */

/* What the last looks saw of a vCPU; VP 0's. */
static struct look {
	uint64_t activity;
	uint64_t since; /* when it was first seen so, with an upcall due; 0: it was well */
} looks[MAX_VPS];

static bool gets_on(const struct vcpu *v, struct look *look, uint64_t now)
{
	uint64_t activity = __atomic_load_n(&v->activity, __ATOMIC_RELAXED);

	if (!upcall_pending(v->vp->info) || activity != look->activity) {
		*look = (struct look){.activity = activity};
		return true;
	}
	if (!look->since)
		look->since = now;
	return now - look->since < PATIENCE;
}

uint64_t xen_control_progress(void)
{
	static uint64_t progress = 1;
	uint64_t now = clock_now();
	bool any = false, well = false;

	for (unsigned i = 0; i < domain.nr_vcpus; i++) {
		const struct vcpu *v = &domain.vcpus[i];

		if (v->state != VCPU_UP)
			continue;
		any = true;
		well |= gets_on(v, &looks[i], now);
	}
	/* Before the first is up the adapter itself is at work. */
	return progress += well || !any;
}
