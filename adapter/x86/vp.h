/* SPDX-License-Identifier: MIT */
/*
 * A virtual processor, as the entry paths need it. It lies at the top of its own stack block, so it is found from the
 * stack pointer alone: the adapter uses neither GS nor a segment of its own, and leaves both GS bases to the guest.
 */
#ifndef XENOLITH_X86_VP_H
#define XENOLITH_X86_VP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapter/x86/frame.h"
#include "adapter/x86/layout.h"

struct vcpu;
struct
    vcpu_info; /* xen/xen.h; entry.S knows that its first two bytes are upcall pending and upcall mask */

/* A guest's trap handler, from HYPERVISOR_set_trap_table. */
struct guest_trap {
	uint64_t address; /* 0: none */
	uint8_t dpl;      /* least privileged ring that may raise it with an int instruction */
	bool masks_events;
};

enum vp_ask {
	VP_ASK_NMI = 1 << 0,
	VP_ASK_DOWN = 1 << 1, /* VCPUOP_down by another vCPU */
};

/* What an iretq loads. */
struct iret_frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

struct vp {
	uint64_t first_push; /* of a hypercall: then the stack is aligned */
	/*
	 * What a hypercall returns by: an iretq from here, cs and ss being there already. First, so that the exception that a bad address raises then is
	 * pushed onto the stack. rsp is what it was at the syscall instruction, a process's too.
	 */
	struct iret_frame resume;
	/*
	 * What a process's system call is entered by, where rip is CALLBACKTYPE_syscall, 0: none. An exception then is pushed over `resume`: entry.S
	 * mends that.
	 */
	struct iret_frame enter;
	uint8_t *
	    syscall_mask; /* the byte that a process's system call sets: the upcall mask, or no_mask below */
	struct vcpu_info *info; /* where the guest put it */
	/* Whose first two bytes iret looks at: `info`, or where the guest's next one shall come by trap_dispatch(), `detour`: one pending, not masked. */
	struct vcpu_info *iret_info;
	uint64_t kernel_sp; /* vp_set_kernel_sp */
	uint64_t syscall32_entry;
	uint64_t sysenter_entry;
	uint64_t event_entry;
	uint64_t failsafe_entry;
	uint64_t nmi_entry;
	uint64_t kernel_cr3;      /* machine address of the guest's L4 */
	uint64_t user_cr3;        /* its L4 for user mode, only where the policy says so; else 0 */
	struct guest_trap *traps; /* 256 of them, a page of their own */
	struct guest_trap page_fault; /* a copy of traps[14] for the fast path */
	struct vcpu *vcpu;
	uint32_t id;
	uint8_t syscall_masks_events;
	uint8_t syscall32_masks_events;
	uint8_t sysenter_masks_events;
	uint8_t failsafe_masks_events;
	uint32_t cr4;       /* what the guest thinks it set */
	bool task_switched; /* CR0.TS */
	uint8_t
	    asks; /* enum vp_ask: what is to be done before the guest goes on; bits are set by any VP */
	uint8_t no_mask;
	uint8_t detour[2];
	uint8_t iopl; /* PHYSDEVOP_set_iopl: 1 opens ports to the kernel, 3 to processes */
	uint32_t
	    io_ports; /* PHYSDEVOP_set_iobitmap: the first so many ports have a bit, clear = open */
	const uint8_t *io_bitmap; /* in the guest's memory */
	uint64_t debugreg[8];
} __attribute__((aligned(16)));

_Static_assert(offsetof(struct vp, resume) == 8, "entry.S: what is pushed there goes to the stack");
_Static_assert(offsetof(struct vp, enter) == 48,
	       "entry.S: a fault there reaches resume and no further");
_Static_assert(sizeof(struct vp) % 16 == 0, "the stack below struct vp is 16-byte aligned");

/* Bytes that a system call leaves on the kernel's stack: rcx, r11, rip, cs, rflags, rsp, ss. */
#define SYSCALL_FRAME_SIZE 56

/* HYPERVISOR_stack_switch: where the kernel's stack begins when a process enters it. */
static inline void vp_set_kernel_sp(struct vp *vp, uint64_t sp)
{
	vp->kernel_sp = sp & ~15ull;
	vp->enter.rsp = vp->kernel_sp - SYSCALL_FRAME_SIZE;
}

/* The VP looks at the first trap from the guest: one that is not this one is to be kicked afterwards. */
static inline void vp_ask(struct vp *vp, enum vp_ask ask)
{
	__atomic_fetch_or(&vp->asks, ask, __ATOMIC_SEQ_CST);
}

static inline bool vp_asked(const struct vp *vp)
{
	return __atomic_load_n(&vp->asks, __ATOMIC_RELAXED) != 0;
}

/* Whether it was asked, and no longer. */
static inline bool vp_answer(struct vp *vp, enum vp_ask ask)
{
	return __atomic_fetch_and(&vp->asks, (uint8_t)~ask, __ATOMIC_SEQ_CST) & ask;
}

static inline struct vp *this_vp(void)
{
	uint64_t sp;

	asm("mov %%rsp, %0" : "=r"(sp));
	return (struct vp *)((sp | (VP_STACK_SIZE - 1)) + 1 - sizeof(struct vp));
}

static inline uint64_t vp_window(unsigned id)
{
	return VP_WINDOW_VIRT + (uint64_t)id * VP_WINDOW_SIZE;
}

/* The stack top that hardware loads on entry from the guest: right below struct vp. */
static inline struct vp *vp_of(unsigned id)
{
	return (struct vp *)(vp_window(id) + VP_WINDOW_STACK + VP_STACK_SIZE - sizeof(struct vp));
}

/*
 * Makes the window of a VP: stacks, GDT, TSS, syscall stub. Boot time, on the boot VP. `has_processes`: the guest's kernel is in the upper half,
 * so a syscall instruction at a positive address is a process's; else every one is a hypercall.
 */
struct vp *vp_create(unsigned id, bool has_processes);

/* The kernel has given way to one in the upper half, which has processes. Before other VPs than the caller run the guest. */
void vp_gets_processes(unsigned id);

/* To be called whenever `info` or `syscall_masks_events` has changed. */
void vp_mask_changed(struct vp *vp);

/* Whatever vp_due_at_return() was called for. */
void vp_catch_up(struct vp *vp);

/* Loads this VP's GDT, TSS, IDT and control registers. Must run on the VP's own stack. */
void vp_load(struct vp *vp);

/* Maps the guest's GDT frames; `frames` are machine frames of the guest. entries ≤ 14 * 512. */
void vp_set_gdt(struct vp *vp, const uint64_t *frames, unsigned pages);

/* Maps the guest's LDT pages and loads the register; entries 0 takes it away. */
void vp_set_ldt(struct vp *vp, const uint64_t *frames, unsigned entries);

/* The GDT gate of an `int` vector opens to ring 3 once a guest's trap table says so. */
void idt_open(unsigned vector);
bool idt_opened(unsigned vector);

/* Enters the guest with this frame, which must not lie on the VP's stack. */
_Noreturn void guest_enter(const struct frame *f);

/* Leaves the frame so that the guest's kernel continues at `entry`, with the interrupted state on its stack. */
struct bounce {
	uint64_t entry;
	uint64_t error;
	bool has_error;
	bool masks_events;
};
void guest_bounce(struct vp *vp, struct frame *f, const struct bounce *b);

/* Delivers exception `vector` to the guest's trap table. */
void guest_trap(struct vp *vp, struct frame *f, unsigned vector, bool has_error);

#endif
