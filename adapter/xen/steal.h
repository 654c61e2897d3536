/* SPDX-License-Identifier: MIT */
/*
 * Stolen time: when a vCPU wanted to run and the hypervisor let others. Xen calls that "runnable" in the runstate, Linux shows it as
 * steal. Pure: runs hosted too.
 */
#ifndef XENOLITH_XEN_STEAL_H
#define XENOLITH_XEN_STEAL_H

#include <stdbool.h>
#include <stdint.h>

/* Sums since the VP was started, in nanoseconds. */
struct steal_sample {
	bool taken;
	uint64_t wanted; /* neither blocked nor offline */
	uint64_t
	    ran; /* what the hypervisor says that it had; handling interrupts while blocked is in it, too */
};

/* The time stolen since the last sample, which the new one replaces: never more than was wanted since. */
static inline uint64_t steal_since(struct steal_sample *last, uint64_t wanted, uint64_t ran)
{
	uint64_t want = wanted - last->wanted, had = ran - last->ran;
	bool known = last->taken;

	*last = (struct steal_sample){.taken = true, .wanted = wanted, .ran = ran};
	return known && want > had ? want - had : 0;
}

#endif
