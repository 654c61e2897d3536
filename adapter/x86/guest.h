/* SPDX-License-Identifier: MIT */
/* What happens to the guest when the processor leaves it: emulation where Xen emulates, else a bounce into its kernel. */
#ifndef XENOLITH_X86_GUEST_H
#define XENOLITH_X86_GUEST_H

#include "adapter/x86/vp.h"

void guest_page_fault(struct vp *vp, struct frame *f);
void guest_general_protection(struct vp *vp, struct frame *f);
void guest_invalid_opcode(struct vp *vp, struct frame *f);
void guest_debug(struct vp *vp, struct frame *f);
/* The VP was asked for something (vp.h, enum vp_ask) and is about to go on in the guest. */
void guest_asked(struct vp *vp, struct frame *f);

/* An iretq to the guest faulted with this frame. */
void guest_failsafe(struct vp *vp, struct frame *f);

/* Called by entry.S: an upcall is due. */
void deliver_event(struct frame *f);

#endif
