/* SPDX-License-Identifier: MIT */
/* iretq_through(const struct way *rdi, struct seen *rsi): by a plain iretq to its own second half, if that is allowed. See main.c. */
	.text
	.globl iretq_through
iretq_through:
	push	%rbx
	mov	%rsp, %rbx
	pushq	16(%rdi)
	push	%rbx
	pushq	8(%rdi)
	pushq	(%rdi)
	pushq	$2f
	mov	$0x1111, %ecx
	mov	$0x2222, %r11d
	mov	$0x3333, %eax
1:	iretq
2:	mov	%rsp, 24(%rsi)
	mov	%rbx, %rsp
	mov	%rax, (%rsi)
	mov	%rcx, 8(%rsi)
	mov	%r11, 16(%rsi)
	mov	%rbx, 32(%rsi)
	pushf
	popq	40(%rsi)
	pop	%rbx
	ret

	.pushsection .extable, "a"
	.quad 1b, 2b
	.popsection

	.section .note.GNU-stack, "", @progbits
