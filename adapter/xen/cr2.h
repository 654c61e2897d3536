/* SPDX-License-Identifier: MIT */
/* The guest's CR2 is a field of vcpu_info (xen/arch-x86/xen-x86_64.h): x86/ goes through here, so that it need not know Xen's structs. */
#ifndef XENOLITH_XEN_CR2_H
#define XENOLITH_XEN_CR2_H

#include "core/xen_abi.h"

static inline uint64_t guest_cr2(const struct vcpu_info *info)
{
	return info->arch.cr2;
}

static inline void set_guest_cr2(struct vcpu_info *info, uint64_t va)
{
	info->arch.cr2 = va;
}

#endif
