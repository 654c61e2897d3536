/* SPDX-License-Identifier: MIT */
/* iret_through(const struct way *rdi, struct seen *rsi): by the iret hypercall back to its own second half. See main.c. */
	.text
	.globl iret_through
iret_through:
	push	%rbx
	mov	%rsp, %rbx
	pushq	24(%rdi)
	push	%rbx
	pushq	16(%rdi)
	pushq	8(%rdi)
	pushq	$1f
	pushq	(%rdi)
	mov	$0x1111, %ecx
	mov	$0x2222, %r11d
	mov	$0x3333, %eax
	jmp	kernel_iret_flags
1:	mov	%rax, (%rsi)
	mov	%rcx, 8(%rsi)
	mov	%r11, 16(%rsi)
	pushf
	popq	24(%rsi)
	mov	%cs, %eax
	mov	%rax, 32(%rsi)
	mov	%ss, %eax
	mov	%rax, 40(%rsi)
	pop	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
