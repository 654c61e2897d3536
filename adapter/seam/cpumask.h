/* SPDX-License-Identifier: MIT */
/* A set of VPs, by index: bit n is VP n. MAX_VPS is 64, so a set is one word. */
#ifndef XENOLITH_SEAM_CPUMASK_H
#define XENOLITH_SEAM_CPUMASK_H

#include <stdint.h>

typedef struct {
	uint64_t bits;
} cpumask_t;

static inline cpumask_t cpumask_of(unsigned vp)
{
	return (cpumask_t){1ull << vp};
}

#endif
