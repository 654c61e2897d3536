/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_XEN_CALLBACKS_H
#define XENOLITH_XEN_CALLBACKS_H

#include "adapter/x86/vp.h"
#include "core/xen_abi.h"

/* One entry of a guest's trap table, for a VP that need not be the current one. */
void trap_table_set(struct vp *vp, unsigned vector, const struct trap_info *t);

#endif
