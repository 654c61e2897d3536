/* SPDX-License-Identifier: MIT */
/* Compiled to assembly only: the build takes the marked lines out of it, so that entry.S gets its offsets from the structs. */
#include <stddef.h>

#include "adapter/x86/frame.h"
#include "adapter/x86/vp.h"
#include "adapter/xen/hypercalls.h"
#include "core/xen_abi.h"

#define EMIT(name, value) asm volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))

void asm_offsets(void);
void asm_offsets(void)
{
	EMIT(HYPERCALLS, HYPERCALLS_NR);
	EMIT(VP_SIZE, sizeof(struct vp));
	EMIT(VP_RESUME, offsetof(struct vp, resume));
	EMIT(VP_RESUME_CS, offsetof(struct vp, resume.cs));
	EMIT(VP_RESUME_SS, offsetof(struct vp, resume.ss));
	EMIT(VP_GUEST_RSP, offsetof(struct vp, resume.rsp));
	EMIT(IRET_RFLAGS, offsetof(struct iret_frame, rflags));
	EMIT(IRET_SS, offsetof(struct iret_frame, ss));
	EMIT(VP_INFO, offsetof(struct vp, info));
	EMIT(VP_IRET_INFO, offsetof(struct vp, iret_info));
	EMIT(VP_KERNEL_SP, offsetof(struct vp, kernel_sp));
	EMIT(VP_ENTER, offsetof(struct vp, enter));
	EMIT(VP_SYSCALL_MASK, offsetof(struct vp, syscall_mask));
	EMIT(VP_KERNEL_CR3, offsetof(struct vp, kernel_cr3));
	EMIT(VP_USER_CR3, offsetof(struct vp, user_cr3));
	EMIT(VP_PF_ENTRY, offsetof(struct vp, page_fault.address));
	EMIT(VP_PF_MASKS, offsetof(struct vp, page_fault.masks_events));
	EMIT(INFO_CR2, offsetof(struct vcpu_info, arch.cr2));
	EMIT(FRAME_CS, offsetof(struct frame, cs));
	EMIT(FRAME_SIZE, sizeof(struct frame));
}
