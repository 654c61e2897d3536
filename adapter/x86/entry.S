/* SPDX-License-Identifier: MIT */
/*
 * The ways in from the guest and back. Interrupts are off in all of this.
 *
 * An exception or interrupt arrives on the VP's stack, right below struct vp. What lies there when C runs is struct frame:
 *
 *      struct vp          <- TSS.rsp0
 *      ss  rsp  rflags  cs  rip        by the processor
 *      error                           by the processor, or 0
 *      vector                          by the stub
 *      rdi rsi rdx rcx rax r8 … r15    by trap_common; r15 is at rsp
 *
 * A syscall instruction arrives at the VP's own copy of syscall_stub, which serves processes and iret on the guest kernel's stack. For
 * everything else rsp is saved in struct vp and then points there. GS belongs to the guest throughout: where RPL(frame.cs) is 3 the active base is the process's, else its
 * kernel's, so each crossing between the two does one swapgs.
 */
#include "adapter/x86/layout.h"
#include "asm-offsets.h"

#define IRET_HYPERCALL 23
#define MSR_KERNEL_GS_BASE 0xc0000102
#define OPCODE_RDMSR 0x320f
#define FRAME_SYSCALL 0x100
#define FRAME_SYSCALL32 0x101
#define FRAME_SYSENTER 0x102
#define FRAME_FAILSAFE 0x103
#define RFLAGS_TF 0x100
#define RFLAGS_IF 0x200
#define RFLAGS_KERNEL 0x202
/* What a guest's kernel may not set by iret: IOPL, NT, VM, VIF, VIP. */
#define RFLAGS_FORBIDDEN 0x001a7000

	.macro SAVE_REGS
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rax
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	.endm

	.macro RESTORE_REGS
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	.endm

	.macro EXTABLE fault, fixup
	.pushsection .extable, "a"
	.quad \fault, \fixup
	.popsection
	.endm

/* Room for a jump to user_l4_\name, which user_l4.c writes where processes run on an L4 of their own. */
	.macro USER_L4_SITE name
	.globl user_l4_site_\name, user_l4_back_\name
user_l4_site_\name:
	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00	/* a nop of five bytes */
user_l4_back_\name:
	.endm

	.text

/* One 16-byte stub a vector; idt.c computes their addresses. Vectors with an error code of the processor's own skip the 0. */
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	push $0
	.endif
	push $vector
	.if vector == 2 || vector == 18 || vector == 1
	jmp trap_ist
	.else
	jmp trap_common
	.endif
	.set vector, vector + 1
	.endr
	.balign 16

trap_common:
	USER_L4_SITE trap
	testb $3, 24(%rsp)
	jz trap_adapter
.Lsave_regs:
	SAVE_REGS
	cld
	mov %rsp, %rdi
	call trap_dispatch
	.globl trap_return
trap_return:
	testb $3, FRAME_CS(%rsp)
	jz 1f
	mov FRAME_SIZE + VP_INFO(%rsp), %rax
	cmpw $1, (%rax)			/* pending and not masked */
	je 2f
1:	USER_L4_SITE return
	RESTORE_REGS
	add $16, %rsp
.Liret_trap:
	iretq
	EXTABLE .Liret_trap, iret_fault
2:	mov %rsp, %rdi
	call deliver_event
	jmp trap_return

/*
 * An exception in ring 0 may strike while rsp is on the guest kernel's stack (syscall_stub). Everything of ours lies within 2 GiB of the image;
 * from elsewhere the frame moves to the VP's stack, which the GDT's address tells: it is the window's start.
 */
trap_adapter:
	push %rax
	push %rcx
	mov $IMAGE_VIRT, %rax
	mov %rsp, %rcx
	sub %rax, %rcx
	shr $31, %rcx
	jz 2f
	sub $16, %rsp
	sgdt 6(%rsp)
	mov 8(%rsp), %rax
	add $16, %rsp
	mov %rsp, %rcx
	lea VP_WINDOW_STACK + VP_STACK_SIZE - VP_SIZE(%rax), %rsp
	.irp slot, 64, 56, 48, 40, 32, 24, 16
	pushq \slot(%rcx)
	.endr
	mov (%rcx), %rax		/* rcx, as it was */
	push %rax
	mov 8(%rcx), %rax
	pop %rcx
	jmp .Lsave_regs
2:	pop %rcx
	pop %rax
	jmp .Lsave_regs

/*
 * An iretq to the guest faulted: its frame names a bad selector or address. rsp is where it was at the iretq, with the bad frame there.
 * The guest's kernel gets its failsafe callback with that frame. The registers are the guest's.
 */
iret_fault:
	push $0
	push $FRAME_FAILSAFE
	jmp trap_adapter

/* The same where the frame lies in struct vp: it is copied to where frames lie. */
iret_fault_resume:
	sub $VP_RESUME, %rsp
	.rept 5
	pushq VP_RESUME + IRET_SS(%rsp)
	.endr
	jmp iret_fault
iret_fault_enter:
	sub $VP_ENTER, %rsp
	movq $SEL_KERNEL_CS, VP_RESUME_CS(%rsp)
	movq $SEL_KERNEL_SS, VP_RESUME_SS(%rsp)
	.rept 5
	pushq VP_ENTER + IRET_SS(%rsp)
	.endr
	jmp iret_fault

/*
 * #DB, NMI and #MC have stacks of their own, because they can strike at the first instruction of a syscall stub, where rsp is still the
 * guest's. From the guest they go on as any other exception, on the VP's stack; from the adapter they stay where they are.
 */
trap_ist:
	testb $3, 24(%rsp)
	jz trap_common
	push %rcx
	push %rax
	mov %rsp, %rcx
	mov %rsp, %rax
	or $(VP_STACK_SIZE - 1), %rax
	sub $(VP_SIZE - 1), %rax
	mov %rax, %rsp
	.irp slot, 64, 56, 48, 40, 32, 24, 16
	pushq \slot(%rcx)
	.endr
	mov (%rcx), %rax
	mov 8(%rcx), %rcx
	jmp trap_common

/*
 * What a syscall instruction runs: copied to each VP's window, right above its struct vp, so VP(field) is the same distance from every copy.
 * rcx is the guest's rip, r11 its rflags; only the guest's kernel runs at negative addresses.
 *
 * Both fast ways use the guest kernel's own stack: a process's system call leaves there what Xen leaves (rcx, r11, rip, cs, rflags, rsp, ss;
 * the kernel takes rcx and r11 from it), and iret pops its struct iret_context. Should that stack not be mapped, the double fault's handler ends
 * the guest. A process always runs with upcalls unmasked, so the mask saved in cs is 0.
 */
#define VP(field) (syscall_stub - VP_SIZE + (field))(%rip)

	.macro STUB_JUMP insn, target
	\insn \target
	.pushsection .rodata.stub_jumps, "a"
	.long 990f - 4 - syscall_stub
	.popsection
990:
	.endm

	.pushsection .rodata.stub_jumps, "a"
	.balign 4
	.globl syscall_stub_jumps
syscall_stub_jumps:
	.popsection

	.balign 64
	.globl syscall_stub
syscall_stub:
	test %rcx, %rcx
	js 1f
	mov %rsp, VP(VP_GUEST_RSP)
	mov VP(VP_KERNEL_SP), %rsp
	push $SEL_USER_DS
	push VP(VP_GUEST_RSP)
	push %r11
	push $SEL_USER_CS64
	push %rcx
	push %r11
	push %rcx
	mov VP(VP_SYSCALL_MASK), %rcx
	movb $1, (%rcx)
	lea VP(VP_ENTER), %rsp
	swapgs
.Liret_enter:
	iretq
	EXTABLE .Liret_enter, iret_fault_enter

1:	cmp $IRET_HYPERCALL, %rax
	je 2f
	mov %rsp, VP(VP_GUEST_RSP)
	lea VP(VP_RESUME), %rsp
	STUB_JUMP jmp, hypercall_not_iret

	/* To a process, which has upcalls unmasked, and with none pending; anything else goes the long way, which starts anew. */
2:	testb $2, 40(%rsp)
	jz 3f
	mov VP(VP_IRET_INFO), %rcx
	movb $0, 1(%rcx)
	cmpb $0, (%rcx)
	jne 3f
	andq $~RFLAGS_FORBIDDEN, 48(%rsp)
	orq $RFLAGS_IF, 48(%rsp)
	pop %rax
	pop %r11
	pop %rcx
	add $8, %rsp
	swapgs
.Liret_stub:
	iretq
	EXTABLE .Liret_stub, iret_fault
3:	mov %rsp, VP(VP_GUEST_RSP)
	lea VP(0), %rsp
	STUB_JUMP jmp, hypercall_iret
	.globl syscall_stub_end
syscall_stub_end:

	.pushsection .rodata.stub_jumps, "a"
	.globl syscall_stub_jumps_end
syscall_stub_jumps_end:
	.popsection

/* The same for a process's system call where its L4 has been left behind already: rsp = struct vp. */
	.balign 64
	.globl guest_stack_begin
guest_stack_begin:
syscall_common:
	push %rax
	mov 8 + VP_KERNEL_SP(%rsp), %rax
	mov %rcx, -56(%rax)
	mov %r11, -48(%rax)
	mov %rcx, -40(%rax)
	movq $SEL_USER_CS64, -32(%rax)
	mov %r11, -24(%rax)
	mov 8 + VP_GUEST_RSP(%rsp), %rcx
	mov %rcx, -16(%rax)
	movq $SEL_USER_DS, -8(%rax)
	mov 8 + VP_SYSCALL_MASK(%rsp), %rcx
	movb $1, (%rcx)
	pop %rax
	add $VP_ENTER, %rsp
	swapgs
.Liret_syscall:
	iretq
	EXTABLE .Liret_syscall, iret_fault_enter

/*
 * A process's page fault, the most frequent exception by far: the same frame with the error code, and CR2 for the kernel. The kernel's own
 * faults may be writes to page tables, and the adapter's have fixups: those go the long way.
 */
	.balign 64
	.globl trap_page_fault
trap_page_fault:
	testb $2, 16(%rsp)
	jz 1f
	push %rax
	mov 56 + VP_KERNEL_SP(%rsp), %rax
	mov %rcx, -64(%rax)
	mov %r11, -56(%rax)
	mov 8(%rsp), %rcx
	mov %rcx, -48(%rax)		/* error */
	mov 16(%rsp), %rcx
	mov %rcx, -40(%rax)		/* rip */
	mov 24(%rsp), %rcx
	mov %rcx, -32(%rax)		/* cs */
	mov 32(%rsp), %rcx
	mov %rcx, -24(%rax)		/* rflags */
	mov 40(%rsp), %rcx
	mov %rcx, -16(%rax)		/* rsp */
	mov 48(%rsp), %rcx
	mov %rcx, -8(%rax)		/* ss */
	mov 56 + VP_INFO(%rsp), %rcx
	mov %cr2, %r11
	mov %r11, INFO_CR2(%rcx)
	mov 56 + VP_PF_MASKS(%rsp), %r11b
	or %r11b, 1(%rcx)
	mov 56 + VP_PF_ENTRY(%rsp), %rcx
	mov %rcx, 16(%rsp)
	movq $SEL_KERNEL_CS, 24(%rsp)
	movq $RFLAGS_KERNEL, 32(%rsp)
	lea -64(%rax), %rcx
	mov %rcx, 40(%rsp)
	movq $SEL_KERNEL_SS, 48(%rsp)
	.globl guest_stack_end
guest_stack_end:
	pop %rax
	add $8, %rsp
	swapgs
.Liret_page_fault:
	iretq
	EXTABLE .Liret_page_fault, iret_fault
1:	push $14
	jmp trap_common

/*
 * At each context switch Linux reads the process's GS base by rdmsr, which ring 1 may not execute: here it may, and edx and eax are
 * where the guest expects the result. Whatever else raises #GP goes the long way.
 */
	.balign 64
	.globl trap_general_protection
trap_general_protection:
	cmp $MSR_KERNEL_GS_BASE, %ecx
	jne 1f
	cmpl $0, (%rsp)			/* error */
	jne 1f
	cmpw $SEL_KERNEL_CS, 16(%rsp)	/* not a process, not the adapter */
	jne 1f
	testb $RFLAGS_TF >> 8, 25(%rsp)
	jnz 1f
	push %rax
	mov 16(%rsp), %rax
.Lgp_code:
	cmpw $OPCODE_RDMSR, (%rax)
	jne 2f
	addq $2, 16(%rsp)
	rdmsr
	add $16, %rsp
.Liret_rdmsr:
	iretq
	EXTABLE .Liret_rdmsr, iret_fault
	EXTABLE .Lgp_code, 2f
2:	pop %rax
1:	push $13
	jmp trap_common

/*
 * A hypercall: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9. Linux lets those be clobbered that it passes arguments in. Others
 * expect back what they passed none in, as Xen keeps them all: GRUB walks its page table areas by r8 from one hypercall to the next.
 */
	.balign 16
	.globl hypercall
hypercall:
	cmp $IRET_HYPERCALL, %rax
	je hypercall_iret
	add $VP_RESUME, %rsp
hypercall_not_iret:
	mov %rcx, (%rsp)
	mov %r11, IRET_RFLAGS(%rsp)
	push %r9
	push %r8
	push %r10
	cmp $HYPERCALLS, %rax
	jae 3f
	mov %r10, %rcx
	lea hypercall_table(%rip), %r10
	call *(%r10, %rax, 8)
2:	pop %r10
	pop %r8
	pop %r9
	mov VP_INFO - VP_RESUME(%rsp), %rcx
	cmpw $1, (%rcx)
	je 4f
.Liret_hypercall:
	iretq
	EXTABLE .Liret_hypercall, iret_fault_resume
3:	mov $-38, %rax			/* -XEN_ENOSYS */
	jmp 2b
4:	sub $VP_RESUME, %rsp
	.rept 5
	pushq VP_RESUME + IRET_SS(%rsp)
	.endr
	push $0
	push $FRAME_SYSCALL
	jmp trap_common

/*
 * HYPERVISOR_iret: the guest's stack holds struct iret_context (xen/arch-x86/xen-x86_64.h): rax, r11, rcx, flags, rip, cs, rflags,
 * rsp, ss. RPL 3 returns to a process, anything else to the kernel.
 */
	.balign 16
	.globl guest_iret_begin
hypercall_iret:
	mov VP_INFO(%rsp), %rcx
	mov VP_GUEST_RSP(%rsp), %r11
guest_iret_begin:
	mov 48(%r11), %rax
	bt $9, %eax
	setnc 1(%rcx)
	mov VP_IRET_INFO(%rsp), %rcx
	and $~RFLAGS_FORBIDDEN, %eax
	or $RFLAGS_IF, %eax
	testb $2, 40(%r11)
	jz 5f
	pushq 64(%r11)
	pushq 56(%r11)
	push %rax
	movzwl 40(%r11), %eax
	or $3, %eax
	push %rax
	pushq 32(%r11)
	cmpw $1, (%rcx)
	mov (%r11), %rax
	mov 16(%r11), %rcx
	mov 8(%r11), %r11
	USER_L4_SITE iret
	swapgs
	je 6f
.Liret_user:
	iretq
	EXTABLE .Liret_user, iret_fault

5:	push $SEL_KERNEL_SS
	pushq 56(%r11)
	push %rax
	push $SEL_KERNEL_CS
	pushq 32(%r11)
	cmpw $1, (%rcx)
	mov (%r11), %rax
	mov 16(%r11), %rcx
	mov 8(%r11), %r11
	.globl guest_iret_end
guest_iret_end:
	je 6f
.Liret_kernel:
	iretq
	EXTABLE .Liret_kernel, iret_fault

6:	push $0
	push $FRAME_SYSCALL
	jmp trap_common

/* 32-bit system calls. The processor tells neither the selector nor, for sysenter, where the process was: the guest's vdso knows. */
	.globl syscall32_common
syscall32_common:
	push $SEL_USER_DS
	pushq 8 + VP_GUEST_RSP(%rsp)
	push %r11
	push $SEL_USER_CS32
	push %rcx
	push $0
	push $FRAME_SYSCALL32
	jmp trap_common

	.globl sysenter_common
sysenter_common:
	push $SEL_USER_DS
	push $0
	push $RFLAGS_KERNEL
	push $SEL_USER_CS32
	push $0
	push $0
	push $FRAME_SYSENTER
	jmp trap_common

/*
 * Where processes run on the guest's user L4 (user_l4.h), these stand between the paths above and the guest. The user L4 maps the
 * text and the VPs' windows only, so nothing else may be touched before the way in has loaded the kernel's L4, or after the way out
 * has loaded the user's.
 */
	.globl user_l4_trap, user_l4_return, user_l4_iret, user_l4_syscall, user_l4_syscall32, user_l4_sysenter
	.globl user_l4_page_fault
user_l4_trap:
	push %rax
	push %rcx
	mov %rsp, %rcx
	or $(VP_STACK_SIZE - 1), %rcx
	mov %cr3, %rax
	cmp VP_USER_CR3 - (VP_SIZE - 1)(%rcx), %rax
	jne 1f
	mov VP_KERNEL_CR3 - (VP_SIZE - 1)(%rcx), %rax
	mov %rax, %cr3
1:	pop %rcx
	pop %rax
	jmp user_l4_back_trap

user_l4_return:
	testb $2, FRAME_CS(%rsp)
	jz 1f
	mov FRAME_SIZE + VP_USER_CR3(%rsp), %rax
	test %rax, %rax
	jz 1f
	mov %rax, %cr3
1:	jmp user_l4_back_return

user_l4_iret:
	pushf
	push %rax
	mov 56 + VP_USER_CR3(%rsp), %rax
	test %rax, %rax
	jz 1f
	mov %rax, %cr3
1:	pop %rax
	popf
	jmp user_l4_back_iret

user_l4_page_fault:
	testb $2, 16(%rsp)
	jz 1f
	push %rax
	mov 56 + VP_KERNEL_CR3(%rsp), %rax
	mov %rax, %cr3
	pop %rax
1:	jmp trap_page_fault

	.macro KERNEL_L4_AT_VP
	push %rax
	mov 8 + VP_KERNEL_CR3(%rsp), %rax
	mov %rax, %cr3
	pop %rax
	.endm
user_l4_syscall:
	test %rcx, %rcx
	js hypercall
	KERNEL_L4_AT_VP
	jmp syscall_common
user_l4_syscall32:
	KERNEL_L4_AT_VP
	jmp syscall32_common
user_l4_sysenter:
	KERNEL_L4_AT_VP
	jmp sysenter_common

/* _Noreturn void guest_enter(const struct frame *f): the frame goes where an exception would have left it */
	.globl guest_enter
guest_enter:
	or $(VP_STACK_SIZE - 1), %rsp
	sub $(VP_SIZE + FRAME_SIZE - 1), %rsp
	mov %rdi, %rsi
	mov %rsp, %rdi
	mov $FRAME_SIZE, %ecx
	rep movsb
	jmp trap_return

/*
 * long guest_copy(void *to, const void *from, size_t bytes): 0, or -1 when the guest's address is not mapped so.
 */
	.globl guest_copy
guest_copy:
	mov %rdx, %rcx
	xor %eax, %eax
.Lcopy:
	rep movsb
	ret
.Lcopy_fault:
	mov $-1, %rax
	ret
	EXTABLE .Lcopy, .Lcopy_fault

/* bool guest_store(uint64_t *to, uint64_t value): one aligned store, false on a fault. */
	.globl guest_store
guest_store:
	xor %eax, %eax
.Lstore:
	mov %rsi, (%rdi)
	inc %eax
.Lstore_fault:
	ret
	EXTABLE .Lstore, .Lstore_fault

/* bool try_rdmsr(uint32_t msr, uint64_t *value) */
	.globl try_rdmsr
try_rdmsr:
	mov %edi, %ecx
.Lrdmsr:
	rdmsr
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, (%rsi)
	mov $1, %eax
	ret
	EXTABLE .Lrdmsr, .Ltry_failed

/* bool try_wrmsr(uint32_t msr, uint64_t value) */
	.globl try_wrmsr
try_wrmsr:
	mov %edi, %ecx
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
.Lwrmsr:
	wrmsr
	mov $1, %eax
	ret
	EXTABLE .Lwrmsr, .Ltry_failed

/* bool try_xsetbv(uint32_t index, uint64_t value) */
	.globl try_xsetbv
try_xsetbv:
	mov %edi, %ecx
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
.Lxsetbv:
	xsetbv
	mov $1, %eax
	ret
	EXTABLE .Lxsetbv, .Ltry_failed
.Ltry_failed:
	xor %eax, %eax
	ret

/* void irq_wait(void) */
	.globl irq_wait, irq_wait_hlt
irq_wait:
	sti
irq_wait_hlt:
	hlt
	cli
	ret

/* bool load_gs_user(uint16_t selector): loads GS without touching the base of the other side; false if the selector is bad. */
	.globl load_gs_user
load_gs_user:
	swapgs
	mov $1, %eax
.Lload_gs:
	mov %edi, %gs
	swapgs
	ret
.Lload_gs_fault:
	xor %eax, %eax
	mov %eax, %gs
	swapgs
	ret
	EXTABLE .Lload_gs, .Lload_gs_fault

	.section .note.GNU-stack, "", @progbits
