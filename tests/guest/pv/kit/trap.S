/* SPDX-License-Identifier: MIT */
/*
 * Where the hypervisor enters the kernel. It leaves on the kernel's stack (xen/arch-x86/xen-x86_64.h, and as Xen does it):
 *
 *      ss  rsp  rflags  cs  rip
 *      error                           only for exceptions that have one
 *      r11  rcx                        rcx at rsp
 *
 * What trap_c gets is struct regs of pv.h.
 */
#define IRET_HYPERCALL 23

	.text
	.macro STUB vector, has_error
	.balign 32
	pop	%rcx
	.if \has_error
	pop	%r11
	.else
	mov	(%rsp), %r11
	movq	$0, (%rsp)
	.endif
	pushq	$\vector
	jmp	common
	.endm

	.balign 32
	.globl trap_stubs
trap_stubs:
	.set v, 0
	.rept 259
	.if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21
	STUB v, 1
	.else
	STUB v, 0
	.endif
	.set v, v + 1
	.endr
	.balign 32

common:
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$~15, %rsp
	call	trap_c
	mov	%rbp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	add	$16, %rsp

/* rsp: rip cs rflags rsp ss. Flags 0: rcx and r11 are as they are here. */
	.globl kernel_iret
kernel_iret:
	pushq	$0
	.globl kernel_iret_flags
kernel_iret_flags:
	push	%rcx
	push	%r11
	push	%rax
	mov	$IRET_HYPERCALL, %eax
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
