/* SPDX-License-Identifier: MIT */
/*
 * A spin lock for the adapter's virtual processors and for hosted tests.
 *
 * It is fair enough for short sections only (test and test-and-set, no queue). The adapter runs with interrupts off, so a
 * holder is never interrupted; it must not call the guest, block, or take the same lock again.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct lock {
	atomic_bool held;
};

static inline void lock_init(struct lock *lock)
{
	atomic_init(&lock->held, false);
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static inline bool lock_try(struct lock *lock)
{
	return !atomic_exchange_explicit(&lock->held, true, memory_order_acquire);
}

static inline void lock_take(struct lock *lock)
{
	while (!lock_try(lock)) {
		while (atomic_load_explicit(&lock->held, memory_order_relaxed))
			cpu_relax();
	}
}

static inline void lock_drop(struct lock *lock)
{
	atomic_store_explicit(&lock->held, false, memory_order_release);
}
