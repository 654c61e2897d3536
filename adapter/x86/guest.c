/* SPDX-License-Identifier: MIT */
#include "adapter/x86/guest.h"

#include "adapter/x86/asm.h"
#include "adapter/x86/debugreg.h"
#include "adapter/x86/guest_access.h"
#include "adapter/x86/privop_env.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/cr2.h"
#include "adapter/xen/mmu.h"

#define DR6_BS (1ull << 14)

void guest_page_fault(struct vp *vp, struct frame *f)
{
	uint64_t va = read_cr2();

	if (frame_from_kernel(f) &&
	    (f->error & (PF_PRESENT | PF_WRITE)) == (PF_PRESENT | PF_WRITE) && mmu_write_fault(va))
		return;
	set_guest_cr2(vp->info, va);
	guest_trap(vp, f, TRAP_PF, true);
}

/* What an emulated instruction left to do. */
static void finish(struct vp *vp, struct frame *f, enum privop_result result,
		   const struct privop_fault *fault)
{
	switch (result) {
	case PRIVOP_DONE: return;
	case PRIVOP_STEPPED:
		vp->debugreg[6] |= DR6_BS;
		guest_trap(vp, f, TRAP_DB, false);
		return;
	case PRIVOP_FAULTED:
		f->error = fault->error;
		if (fault->vector == TRAP_PF)
			set_guest_cr2(vp->info, fault->address);
		guest_trap(vp, f, fault->vector, fault->vector != TRAP_UD);
		return;
	}
}

/* An int instruction whose gate is closed: the guest's own table may still allow it. */
static bool software_interrupt(struct vp *vp, struct frame *f)
{
	uint8_t vector = f->error >> 3;
	const struct guest_trap *t = &vp->traps[vector];
	unsigned length;

	if (!t->address || t->dpl < (frame_from_kernel(f) ? 1 : 3))
		return false;
	length = privop_int_length(f, &privop_env, vp, vector);
	if (!length)
		return false;
	f->rip += length;
	guest_trap(vp, f, vector, false);
	return true;
}

#define OPCODE_CLI 0xfa /* sti is 0xfb */

/*
 * What Linux executes often until it has patched it away, ahead of the general decoder: cli and sti, which do nothing (Xen holds that a
 * guest who uses them could not be let have popf).
 */
static bool frequent_instruction(struct frame *f)
{
	uint64_t code;

	GUEST_LOAD(code, f->rip, fault);
	if ((code & 0xfe) == OPCODE_CLI) {
		f->rip += 1;
		return true;
	}
fault:
	return false;
}

void guest_general_protection(struct vp *vp, struct frame *f)
{
	struct privop_fault fault;

	if (!f->error && frame_from_kernel(f) && !(f->rflags & RFLAGS_TF) &&
	    frequent_instruction(f))
		return;
	if (f->error & XEC_IDT && software_interrupt(vp, f))
		return;
	finish(vp, f,
	       f->error ? privop_iret(f, &privop_env, vp, &fault)
			: privop_emulate(f, &privop_env, vp, &fault),
	       &fault);
}

void guest_invalid_opcode(struct vp *vp, struct frame *f)
{
	struct privop_fault fault;

	finish(vp, f, privop_emulate_ud(f, &privop_env, vp, &fault), &fault);
}

void guest_debug(struct vp *vp, struct frame *f)
{
	vp->debugreg[6] = read_dr6();
	guest_trap(vp, f, TRAP_DB, false);
}
