/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/pv.h"

uint64_t system_time(void)
{
	const struct vcpu_time_info *t = &shared_info->vcpu_info[0].time;
	uint32_t version;
	uint64_t ticks, time;

	do {
		version = __atomic_load_n(&t->version, __ATOMIC_ACQUIRE);
		ticks = __builtin_ia32_rdtsc() - t->tsc_timestamp;
		ticks = t->tsc_shift < 0 ? ticks >> -t->tsc_shift : ticks << t->tsc_shift;
		time = t->system_time +
		       (uint64_t)((unsigned __int128)ticks * t->tsc_to_system_mul >> 32);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (version & 1 || version != __atomic_load_n(&t->version, __ATOMIC_RELAXED));
	return time;
}
