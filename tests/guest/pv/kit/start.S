/* SPDX-License-Identifier: MIT */
/* The start of a test kernel: notes, entry, the pages that the hypervisor fills. */
#define STACK_SIZE 16384

#define ELFNOTE_ENTRY          1
#define ELFNOTE_HYPERCALL_PAGE 2
#define ELFNOTE_VIRT_BASE      3
#define ELFNOTE_PADDR_OFFSET   4
#define ELFNOTE_XEN_VERSION    5
#define ELFNOTE_GUEST_OS       6
#define ELFNOTE_LOADER         8
#define ELFNOTE_PAE_MODE       9

	.macro NOTE type, kind, value:vararg
	.pushsection .note.Xen, "a", @note
	.balign 4
	.long 2f - 1f, 4f - 3f, \type
1:	.asciz "Xen"
2:	.balign 4
3:	\kind \value
4:	.balign 4
	.popsection
	.endm

	NOTE ELFNOTE_GUEST_OS, .asciz, "xenolith-test"
	NOTE ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
	NOTE ELFNOTE_LOADER, .asciz, "generic"
	NOTE ELFNOTE_PAE_MODE, .asciz, "yes"
	NOTE ELFNOTE_VIRT_BASE, .quad, virt_base
	NOTE ELFNOTE_PADDR_OFFSET, .quad, 0
	NOTE ELFNOTE_ENTRY, .quad, _start
#ifndef PV_INLINE
	NOTE ELFNOTE_HYPERCALL_PAGE, .quad, hypercall_page
#endif

	.text
	.globl _start
_start:
	cld
	lea	stack_top(%rip), %rsp
	mov	%rsi, %rdi
	xor	%ebp, %ebp
	call	start
	ud2

/* vcpu.c sets rdi to the vCPU's main function. */
	.globl vcpu_entry
vcpu_entry:
	cld
	xor	%ebp, %ebp
	call	vcpu_begin
	ud2

#ifndef PV_INLINE
	.section .text.page, "ax"
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096
#endif

	.bss
	.balign 4096
	.skip STACK_SIZE
	.globl stack_top
stack_top:

	.section .note.GNU-stack, "", @progbits
