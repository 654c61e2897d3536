/* SPDX-License-Identifier: MIT */
#include "adapter/x86/traps.h"

#include "adapter/seam/power.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/guest.h"
#include "adapter/x86/image.h"
#include "adapter/x86/irq.h"
#include "adapter/x86/log.h"
#include "adapter/x86/vp.h"

/* Where entry.S touches the guest kernel's stack: a fault there is the guest's end, as in Xen. */
extern const uint8_t syscall_stub[], guest_stack_begin[], guest_stack_end[], guest_iret_begin[],
    guest_iret_end[];

static irq_handler_t *irq_handlers[256];

void irq_register(enum irq_vector vector, irq_handler_t *handler)
{
	irq_handlers[vector] = handler;
}

void frame_show(const struct frame *f)
{
	log_error("vector %u error %lx cr2 %016lx cr3 %016lx", f->vector, f->error, read_cr2(),
		  read_cr3());
	log_error("rip %04lx:%016lx rflags %08lx rsp %04lx:%016lx", f->cs & 0xffff, f->rip,
		  f->rflags, f->ss & 0xffff, f->rsp);
	log_error("rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
	log_error("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", f->rsi, f->rdi, f->rbp, f->r8);
	log_error("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", f->r9, f->r10, f->r11, f->r12);
	log_error("r13 %016lx r14 %016lx r15 %016lx vp %u", f->r13, f->r14, f->r15, vps_self());
}

_Noreturn void guest_crash(const struct frame *f, const char *why)
{
	static const char message[] = "Xen PV guest crashed";
	uint64_t params[5] = {0};

	log_error("guest crash: %s", why);
	if (f) {
		frame_show(f);
		params[0] = f->vector;
		params[1] = f->rip;
		params[2] = f->rsp;
	}
	power_crash(params, message, sizeof(message) - 1);
}

/* Whether `address` lies in a VP's window: elsewhere is the boot stack, which no struct vp belongs to. */
static bool in_window(uint64_t address)
{
	return address - VP_WINDOW_VIRT < (uint64_t)MAX_VPS * VP_WINDOW_SIZE;
}

/* Each VP runs a copy of the syscall stub; the table knows the original. */
static uint64_t in_image(uint64_t rip)
{
	uint64_t offset = (rip - VP_WINDOW_VIRT) % VP_WINDOW_SIZE - VP_WINDOW_STUB;

	return in_window(rip) && offset < PAGE_SIZE ? (uint64_t)syscall_stub + offset : rip;
}

static uint64_t extable_find(uint64_t rip)
{
	rip = in_image(rip);
	for (const struct extable_entry *e = extable_start; e < extable_end; e++)
		if (e->fault == rip)
			return e->fixup;
	return 0;
}

static bool between(uint64_t rip, const uint8_t *begin, const uint8_t *end)
{
	return rip >= (uint64_t)begin && rip < (uint64_t)end;
}

static bool own_stack(uint64_t rsp)
{
	return rsp - IMAGE_VIRT < 1ull << 31;
}

/* An exception in ring 0: expected in the places that touch the guest's memory, else the adapter's bug. */
static void adapter_exception(struct frame *f)
{
	uint64_t fixup = extable_find(f->rip);

	if (fixup) {
		f->rip = fixup;
		return;
	}
	/* A breakpoint on the guest's mov-to-SS before a syscall fires at the stub's first instruction: the guest asked for it. */
	if (f->vector == TRAP_DB)
		return;
	if (f->vector == TRAP_NMI) {
		/* One that comes before there is a VP finds nobody to take it. */
		if (in_window((uint64_t)f))
			vp_ask(this_vp(), VP_ASK_NMI);
		return;
	}
	if (f->vector == TRAP_DF && !own_stack(f->rsp))
		guest_crash(f, "its kernel stack is not mapped");
	if (between(f->rip, guest_stack_begin, guest_stack_end) ||
	    between(f->rip, guest_iret_begin, guest_iret_end))
		guest_crash(f, "its kernel stack is not mapped");
	frame_show(f);
	panic("exception %u in the adapter", f->vector);
}

#define STRAYS_TOLD 8

/* What firmware, a boot loader or a kernel before us has left in the APIC comes as soon as interrupts are on. It must not stay in service. */
static void stray(unsigned vector)
{
	static unsigned told;

	if (apic_in_service(vector))
		apic_eoi_write();
	if (told < STRAYS_TOLD) {
		told++;
		log_warning("unexpected interrupt %#x", vector);
	}
}

static void interrupt(unsigned vector)
{
	if (irq_handlers[vector])
		irq_handlers[vector]();
	else
		stray(vector);
}

/*
 * An interrupt that found the adapter at work or waiting. Two that no processor delivers are looked for, because a nested one in software does
 * (docs/lab.md): with interrupts off it is a second delivery of one that is being handled; and one between sti and hlt would be slept over.
 */
static void interrupt_in_adapter(struct frame *f)
{
	if (!(f->rflags & RFLAGS_IF))
		return;
	if (f->rip == (uint64_t)irq_wait_hlt)
		f->rip++;
	interrupt(f->vector);
}

static void exception(struct frame *f)
{
	struct vp *vp = this_vp();

	switch (f->vector) {
	case TRAP_PF: guest_page_fault(vp, f); break;
	case TRAP_GP: guest_general_protection(vp, f); break;
	case TRAP_UD: guest_invalid_opcode(vp, f); break;
	case TRAP_DB: guest_debug(vp, f); break;
	case TRAP_NMI: vp_ask(vp, VP_ASK_NMI); break;
	case TRAP_DF:
	case TRAP_MC:
		frame_show(f);
		panic("%s", f->vector == TRAP_DF ? "double fault" : "machine check");
	case TRAP_TS:
	case TRAP_NP:
	case TRAP_SS:
	case TRAP_AC: guest_trap(vp, f, f->vector, true); break;
	default: guest_trap(vp, f, f->vector, false);
	}
}

static void guest_syscall32(struct vp *vp, struct frame *f)
{
	bool sysenter = f->vector == FRAME_SYSENTER;
	uint64_t entry = sysenter ? vp->sysenter_entry : vp->syscall32_entry;
	uint8_t masks = sysenter ? vp->sysenter_masks_events : vp->syscall32_masks_events;

	if (entry)
		guest_bounce(vp, f, &(struct bounce){.entry = entry, .masks_events = masks});
	else
		guest_trap(vp, f, TRAP_GP, true);
}

/* Everything but the fast paths of the syscall instruction comes by here; called by entry.S. */
void trap_dispatch(struct frame *f);
void trap_dispatch(struct frame *f)
{
	if (f->vector == FRAME_SYSCALL32 || f->vector == FRAME_SYSENTER) {
		/* The process's GS base is active, as after any entry from ring 3. */
		guest_syscall32(this_vp(), f);
	} else if (f->vector == FRAME_FAILSAFE) {
		guest_failsafe(this_vp(), f);
	} else if (f->vector == FRAME_SYSCALL) {
		vp_catch_up(this_vp()); /* only here for this, or for what is pending */
	} else if (f->vector >= TRAP_EXCEPTIONS) {
		/* A guest comes by those gates only that were opened to it. */
		if (frame_from_adapter(f))
			interrupt_in_adapter(f);
		else if (idt_opened(f->vector))
			guest_trap(this_vp(), f, f->vector, false);
		else
			interrupt(f->vector);
	} else if (frame_from_adapter(f)) {
		adapter_exception(f);
	} else {
		exception(f);
	}
	if (!frame_from_adapter(f) && vp_asked(this_vp()))
		guest_asked(this_vp(), f);
}
