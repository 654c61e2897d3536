/* SPDX-License-Identifier: MIT */
/* Into user mode by the iret hypercall, and back to whoever called, from the trap that ends it. */
#define RFLAGS 0x202

	.text
/* user_enter(rip, rsp, arg, flags, cs, ss): the process gets arg in rdi and zero in the other registers. */
	.globl user_enter
user_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, saved_sp
	push	%r9
	push	%rsi
	pushq	$RFLAGS
	push	%r8
	push	%rdi
	push	%rcx
	mov	%rdx, %rdi
	.irp r, eax, ebx, ecx, edx, esi, ebp, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xor	%\r, %\r
	.endr
	jmp	kernel_iret_flags

	.globl user_leave
user_leave:
	mov	saved_sp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	.bss
	.balign 8
saved_sp:
	.skip	8

	.section .note.GNU-stack, "", @progbits
