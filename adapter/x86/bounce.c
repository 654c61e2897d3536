/* SPDX-License-Identifier: MIT */
/*
 * Into the guest's kernel: the frame that Xen's ABI leaves on its stack, lowest address first
 *
 *      rcx  r11  [ds es fs gs]  [error]  rip  cs  rflags  rsp  ss
 *
 * ds to gs for the failsafe callback only. cs has RPL 0 for the guest's kernel, 3 for a process, and the upcall mask in its
 * upper half (xen/arch-x86/xen-x86_64.h; Xen's create_bounce_frame).
 */
#include "adapter/x86/asm.h"
#include "adapter/x86/guest.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/upcall.h"
#include "adapter/xen/vcpu.h"
#include "core/string.h"

#define CS_MASK_SHIFT 32
/* What the guest's kernel must not inherit from the interrupted code. */
#define RFLAGS_DROPPED \
	(RFLAGS_TF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC | RFLAGS_DF)

static void swapgs(void)
{
	asm volatile("swapgs" : : : "memory");
}

/* Pushes `n` words below what the interrupted state takes on the guest kernel's stack, and points the frame there. */
static void push_frame(struct vp *vp, struct frame *f, const uint64_t *words, unsigned n)
{
	uint64_t mask = upcall_masked(vp->info);
	bool user = frame_from_user(f);
	uint64_t sp = (user ? vp->kernel_sp : f->rsp) & ~15ull;
	uint64_t stack[16];

	memcpy(stack, words, n * sizeof(*words));
	stack[n++] = f->rip;
	stack[n++] = (user ? f->cs : f->cs & ~3ull) | mask << CS_MASK_SHIFT;
	stack[n++] = (f->rflags & ~RFLAGS_IF) | (mask ? 0 : RFLAGS_IF);
	stack[n++] = f->rsp;
	stack[n++] = f->ss;
	sp -= n * sizeof(*stack);
	if (!copy_to_guest((void *)sp, stack, n * sizeof(*stack)))
		guest_crash(f, "its kernel stack is not mapped");
	if (user)
		swapgs();
	f->rsp = sp;
	f->cs = SEL_KERNEL_CS;
	f->ss = SEL_KERNEL_SS;
	f->rflags = (f->rflags & ~RFLAGS_DROPPED) | RFLAGS_IF;
}

void guest_bounce(struct vp *vp, struct frame *f, const struct bounce *b)
{
	uint64_t words[3] = {f->rcx, f->r11, b->error};

	push_frame(vp, f, words, b->has_error ? 3 : 2);
	f->rip = b->entry;
	if (b->masks_events)
		upcall_mask(vp->info);
}

void guest_trap(struct vp *vp, struct frame *f, unsigned vector, bool has_error)
{
	const struct guest_trap *t = &vp->traps[vector];

	if (!t->address)
		guest_crash(f, "it has no handler for this exception");
	guest_bounce(vp, f,
		     &(struct bounce){
			 .entry = t->address,
			 .error = f->error,
			 .has_error = has_error,
			 .masks_events = t->masks_events,
		     });
}

void deliver_event(struct frame *f)
{
	struct vp *vp = this_vp();

	if (!vp->event_entry)
		guest_crash(f, "an event is due and it has no callback");
	guest_bounce(vp, f, &(struct bounce){.entry = vp->event_entry, .masks_events = true});
}

void guest_asked(struct vp *vp, struct frame *f)
{
	if (vp_answer(vp, VP_ASK_DOWN))
		vcpu_park();
	if (vp_answer(vp, VP_ASK_NMI) && vp->nmi_entry)
		guest_bounce(vp, f, &(struct bounce){.entry = vp->nmi_entry, .masks_events = true});
}

static uint64_t read_segment(unsigned which)
{
	uint16_t s = 0;

	switch (which) {
	case 0: asm("mov %%ds, %0" : "=rm"(s)); break;
	case 1: asm("mov %%es, %0" : "=rm"(s)); break;
	case 2: asm("mov %%fs, %0" : "=rm"(s)); break;
	case 3: asm("mov %%gs, %0" : "=rm"(s)); break;
	}
	return s;
}

void guest_failsafe(struct vp *vp, struct frame *f)
{
	uint64_t words[6] = {f->rcx, f->r11};

	for (unsigned i = 0; i < 4; i++)
		words[2 + i] = read_segment(i);
	if (!frame_from_kernel(f))
		f->cs |= 3; /* the process's GS base was on already */
	if (!vp->failsafe_entry)
		guest_crash(f, "it returned to a bad frame and has no failsafe callback");
	push_frame(vp, f, words, 6);
	f->rip = vp->failsafe_entry;
	if (vp->failsafe_masks_events)
		upcall_mask(vp->info);
}
