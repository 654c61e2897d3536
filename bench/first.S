/* SPDX-License-Identifier: MIT */
/* The smallest PVH kernel: its first instructions write '!' to COM1. What bench/host times is the way to them. */
#include <xen/elfnote.h>

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	mov	$0x3f8, %dx
	mov	$'!', %al
	out	%al, %dx
1:	hlt
	jmp	1b
	.section .note.GNU-stack, "", @progbits
