/* SPDX-License-Identifier: MIT */
/* The two bytes of struct vcpu_info by which the guest's kernel and the adapter agree on upcalls. */
#ifndef XENOLITH_XEN_UPCALL_H
#define XENOLITH_XEN_UPCALL_H

#include <stdbool.h>

#include "core/xen_abi.h"

_Static_assert(offsetof(struct vcpu_info, evtchn_upcall_pending) == 0,
	       "entry.S compares both bytes at once");
_Static_assert(offsetof(struct vcpu_info, evtchn_upcall_mask) == 1,
	       "entry.S compares both bytes at once");

static inline bool upcall_masked(const struct vcpu_info *info)
{
	return __atomic_load_n(&info->evtchn_upcall_mask, __ATOMIC_RELAXED) != 0;
}

static inline void upcall_mask(struct vcpu_info *info)
{
	__atomic_store_n(&info->evtchn_upcall_mask, 1, __ATOMIC_RELAXED);
}

static inline void upcall_unmask(struct vcpu_info *info)
{
	__atomic_store_n(&info->evtchn_upcall_mask, 0, __ATOMIC_RELAXED);
}

static inline bool upcall_pending(const struct vcpu_info *info)
{
	return __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_ACQUIRE) != 0;
}

#endif
