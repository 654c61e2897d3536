/* SPDX-License-Identifier: MIT */
/* The VP is not found by the stack pointer here. */
#define this_vp this_vp_by_stack
#include_next "adapter/x86/vp.h"
#undef this_vp

#ifndef HOSTED_VP_H
#define HOSTED_VP_H
extern struct vp *world_vp;

static inline struct vp *this_vp(void)
{
	return world_vp;
}
#endif
