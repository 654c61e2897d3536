/* SPDX-License-Identifier: MIT */
#include "adapter/hv/scale.h"

typedef unsigned __int128 u128;

#define HZ_MIN 1000000ull
#define HZ_MAX 64000000000ull

/* num * 2^64 / den as a 64.64 fixed-point number; libgcc's 128-bit division is not linked. */
static u128 ratio(uint64_t num, uint64_t den)
{
	u128 result = (u128)(num / den) << 64;
	uint64_t rest = num % den;

	for (int bit = 63; bit >= 0; bit--) {
		bool carry = rest >> 63;

		rest <<= 1;
		if (carry || rest >= den) {
			rest -= den;
			result |= (u128)1 << bit;
		}
	}
	return result;
}

/* value * num / den, rounded down, capped. */
static uint64_t mul_div(uint64_t value, uint64_t num, uint64_t den)
{
	u128 r = ratio(num, den);
	uint64_t whole = (uint64_t)(r >> 64), fraction = (uint64_t)r;
	u128 result = (u128)value * whole + (uint64_t)((u128)value * fraction >> 64);

	return result >> 64 ? UINT64_MAX : (uint64_t)result;
}

/* `ns_per_tick` in 64.64. pvclock wants mul * 2^shift / 2^32 with all of mul's 32 bits in use. */
static bool set_ratio(struct clock_scale *s, u128 ns_per_tick)
{
	int shift = 0;

	if (ns_per_tick < ratio(NS_PER_SEC, HZ_MAX) || ns_per_tick > ratio(NS_PER_SEC, HZ_MIN))
		return false;
	while (ns_per_tick >> 64) {
		ns_per_tick >>= 1;
		shift++;
	}
	while (!(ns_per_tick >> 63)) {
		ns_per_tick <<= 1;
		shift--;
	}
	s->mul = (uint32_t)(ns_per_tick >> 32);
	s->shift = (int8_t)shift;
	return true;
}

bool scale_set_hz(struct clock_scale *s, uint64_t hz)
{
	return hz && set_ratio(s, ratio(NS_PER_SEC, hz));
}

bool scale_set_page(struct clock_scale *s, uint64_t page_scale)
{
	return set_ratio(s, (u128)page_scale * NS_PER_REF);
}

uint64_t scale_ns(const struct clock_scale *s, uint64_t tsc)
{
	uint64_t delta = tsc - s->tsc_base;

	if ((int64_t)delta < 0)
		return s->ns_base;
	delta = s->shift >= 0 ? delta << s->shift : delta >> -s->shift;
	return s->ns_base + (uint64_t)((u128)delta * s->mul >> 32);
}

uint64_t page_ref(uint64_t page_scale, int64_t offset, uint64_t tsc)
{
	return (uint64_t)((u128)tsc * page_scale >> 64) + (uint64_t)offset;
}

uint64_t page_ns(uint64_t page_scale, int64_t offset, uint64_t tsc)
{
	u128 product = (u128)tsc * page_scale;
	uint64_t whole = (uint64_t)(product >> 64) + (uint64_t)offset;
	uint64_t fraction = (uint64_t)product;

	return whole * NS_PER_REF + (uint64_t)((u128)fraction * NS_PER_REF >> 64);
}

uint64_t page_hz(uint64_t page_scale)
{
	const uint64_t ref_hz = NS_PER_SEC / NS_PER_REF;
	u128 r;

	if (page_scale <= ref_hz)
		return 0;
	/* ref_hz * 2^64 / scale: the fraction of ref_hz / scale, which is below 1. */
	r = ratio(ref_hz, page_scale);
	return (uint64_t)r;
}

uint64_t ns_to_ticks(uint64_t ns, uint64_t hz)
{
	uint64_t ticks = mul_div(ns, hz, NS_PER_SEC);

	/* Two roundings lie behind us. */
	return ticks > UINT64_MAX - 2 ? UINT64_MAX : ticks + 2;
}

uint64_t hz_from(uint64_t ticks, uint64_t ns)
{
	return ns ? mul_div(NS_PER_SEC, ticks, ns) : 0;
}
