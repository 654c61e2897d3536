/* SPDX-License-Identifier: MIT */
/* Arithmetic of time: the reference TSC page and frequencies into pvclock's form. Pure; runs hosted too. */
#ifndef XENOLITH_HV_SCALE_H
#define XENOLITH_HV_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "adapter/seam/clock.h"

#define NS_PER_SEC 1000000000u
#define NS_PER_REF 100u

/*
 * Sets mul and shift for a TSC of `hz`, or for a reference TSC page's `scale` (100 ns a tick, times 2^64). Rounded
 * down: the affine clock may fall behind by up to 0.5 ns a second, never ahead, so that a new base never steps back.
 * False where the TSC would be slower than 1 MHz or faster than 64 GHz.
 */
bool scale_set_hz(struct clock_scale *s, uint64_t hz);
bool scale_set_page(struct clock_scale *s, uint64_t page_scale);

/* The clock at `tsc`; before its base it stands still. */
uint64_t scale_ns(const struct clock_scale *s, uint64_t tsc);

/* The reference TSC page's formula, in its own unit and in nanoseconds without loss. */
uint64_t page_ref(uint64_t page_scale, int64_t offset, uint64_t tsc);
uint64_t page_ns(uint64_t page_scale, int64_t offset, uint64_t tsc);

/* Frequency that a page's scale stands for; 0 where it stands for none. */
uint64_t page_hz(uint64_t page_scale);

/* Ticks in `ns`: never too few, at most two too many, capped at the largest value. */
uint64_t ns_to_ticks(uint64_t ns, uint64_t hz);

/* hz from `ticks` counted in `ns`. */
uint64_t hz_from(uint64_t ticks, uint64_t ns);

#endif
