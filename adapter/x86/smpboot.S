/* SPDX-License-Identifier: MIT */
/*
 * From SIPI to C. The code between smp_trampoline and smp_trampoline_end is copied to a page below 640 KiB, whose last
 * bytes are a struct smp_block (smpboot.h):
 *
 *      real mode, cs = page / 16, ip = 0
 *        | PAE, the trampoline's own L4 (smpboot.c), long mode and paging in one step
 *      64-bit mode, still in the page, which that L4 maps at its own address
 *        | jump to the image, which that L4 maps as well
 *      smp_high: the boot VP's CR4 and CR3, the given stack, C
 *
 * Everything in the page is addressed relative to it: nothing here may need a relocation.
 */
#include "adapter/x86/layout.h"

/* struct smp_block at the end of the page; smpboot.c asserts these. */
#define BLOCK		  (PAGE_SIZE - 104)
#define BLOCK_GDT	  (BLOCK + 0)
#define BLOCK_FAR	  (BLOCK + 8)
#define BLOCK_TRAMPOLINE_CR3 (BLOCK + 16)
#define BLOCK_CR0	  (BLOCK + 20)
#define BLOCK_EFER	  (BLOCK + 24)
#define BLOCK_HIGH	  32
#define BLOCK_SELF	  40
#define HIGH_CR3	  48
#define HIGH_CR4	  56
#define HIGH_STACK	  72

#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080

	.section .rodata.smp_trampoline, "a"
	.balign 16
	.globl smp_trampoline, smp_trampoline_64, smp_trampoline_gdt, smp_trampoline_end
	.hidden smp_trampoline, smp_trampoline_64, smp_trampoline_gdt, smp_trampoline_end
smp_trampoline:
	.code16
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	BLOCK_GDT
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	BLOCK_TRAMPOLINE_CR3, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	mov	BLOCK_EFER, %eax
	xor	%edx, %edx
	wrmsr
	mov	BLOCK_CR0, %eax
	mov	%eax, %cr0
	ljmpl	*BLOCK_FAR

	.code64
	.balign 16
smp_trampoline_64:
	lea	smp_trampoline + BLOCK(%rip), %rbx
	mov	BLOCK_SELF(%rbx), %rdi
	jmp	*BLOCK_HIGH(%rbx)

	.balign 16
smp_trampoline_gdt:
	.skip	SEL_BOOT_CS
	.quad	0x00af9b000000ffff	/* 64-bit code, ring 0 */
smp_trampoline_end:

	.text
	.globl smp_high
	.hidden smp_high
smp_high:
	/* CR4.PCIDE may be set only while CR3 has no PCID, as the trampoline's has none. */
	mov	HIGH_CR4(%rdi), %rax
	mov	%rax, %cr4
	mov	HIGH_CR3(%rdi), %rax
	mov	%rax, %cr3
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	HIGH_STACK(%rdi), %rsp
	xor	%ebp, %ebp
	call	smp_arrived
	ud2

	.section .note.GNU-stack, "", @progbits
