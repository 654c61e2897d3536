/* SPDX-License-Identifier: MIT */
/*
 * From the boot loader to C. All three protocols enter in 32-bit protected mode without paging, flat segments,
 * interrupts off:
 *
 *              eax           ebx                          specification
 *   multiboot  0x2badb002    multiboot information        Multiboot 0.6.96, 3.2 "Machine state"
 *   multiboot2 0x36d76289    boot information             Multiboot2 2.0, 3.3 "I386 machine state"
 *   PVH        (undefined)   struct hvm_start_info        Xen docs/misc/pvh.pandoc
 *
 * Everything up to `entry64` runs at IMAGE_PHYS, with addresses that PHYS() makes from the linked ones; it keeps
 * magic in ebp and the information's address in esi.
 */
#include "abi/x86/multiboot.h"
#include "abi/x86/multiboot2.h"
#include "adapter/x86/layout.h"

#define PHYS(symbol) ((symbol) - IMAGE_VIRT + IMAGE_PHYS)

/* XEN_HVM_START_MAGIC_VALUE and XEN_ELFNOTE_PHYS32_ENTRY, whose headers are not for assembly. */
#define PVH_MAGIC	     0x336ec578
#define ELFNOTE_PHYS32_ENTRY 18

#define BOOT_STACK_SIZE 65536

#define CR0_VALUE    0x80010033 /* PG WP NE ET MP PE: no EM, no TS, because the decompressors use SSE */
#define CR4_VALUE    0x00000620 /* OSXMMEXCPT OSFXSR PAE */
#define MSR_EFER     0xc0000080
#define EFER_VALUE   0x00000901 /* NXE LME SCE */
#define MSR_FS_BASE  0xc0000100
#define CPUID_EXT_NX 20
#define CPUID_EXT_LM 29

#define PTE_TABLE 0x003 /* present, writable */
#define PTE_LARGE 0x083 /* … and 2 MiB */
#define PTE_NX_HI 0x80000000

#define L4_INDEX(va) (((va) >> 39) & 511)
#define L3_INDEX(va) (((va) >> 30) & 511)
#define L2_INDEX(va) (((va) >> 21) & 511)

#define CS32 0x08
#define DS32 0x10

#define COM1          0x3f8
#define COM1_LSR      (COM1 + 5)
#define LSR_THR_EMPTY 0x20

	.section .text.boot_headers, "ax"

	/* XEN_ELFNOTE_PHYS32_ENTRY (xen/elfnote.h): the first WRAP_NOTE_SIZE bytes of the image, see wrap.S */
pvh_note:
	.long	4, 4, ELFNOTE_PHYS32_ENTRY
	.asciz	"Xen"
	.long	PHYS(entry_pvh)
	.if . - pvh_note != WRAP_NOTE_SIZE
	.error "wrap.S takes another size of note"
	.endif

	.balign MULTIBOOT_HEADER_ALIGN
	.long MULTIBOOT_HEADER_MAGIC
	.long MULTIBOOT_HEADER_PAGE_ALIGN | MULTIBOOT_HEADER_MEMORY_INFO
	.long -(MULTIBOOT_HEADER_MAGIC + (MULTIBOOT_HEADER_PAGE_ALIGN | MULTIBOOT_HEADER_MEMORY_INFO))

	.balign MULTIBOOT2_HEADER_ALIGN
multiboot2_header:
	.long MULTIBOOT2_HEADER_MAGIC
	.long MULTIBOOT2_ARCHITECTURE_I386
	.long multiboot2_header_end - multiboot2_header
	.long -(MULTIBOOT2_HEADER_MAGIC + MULTIBOOT2_ARCHITECTURE_I386 + (multiboot2_header_end - multiboot2_header))

	/* What the adapter cannot do without … */
	.balign 8
	.short MULTIBOOT2_HEADER_TAG_INFORMATION, 0
	.long 2f - 1f + 8
1:	.long MULTIBOOT2_TAG_MODULE, MULTIBOOT2_TAG_MEMORY_MAP
2:
	/* … and what it takes where it is. */
	.balign 8
	.short MULTIBOOT2_HEADER_TAG_INFORMATION, MULTIBOOT2_HEADER_TAG_OPTIONAL
	.long 2f - 1f + 8
1:	.long MULTIBOOT2_TAG_COMMAND_LINE, MULTIBOOT2_TAG_LOADER_NAME, MULTIBOOT2_TAG_EFI_MEMORY_MAP
	.long MULTIBOOT2_TAG_ACPI_OLD, MULTIBOOT2_TAG_ACPI_NEW
2:
	.balign 8
	.short MULTIBOOT2_HEADER_TAG_MODULE_ALIGN, 0
	.long 8

	.balign 8
	.short MULTIBOOT2_HEADER_TAG_END, 0
	.long 8
multiboot2_header_end:

	.section .text.boot, "ax"
	.code32

	.globl entry_pvh
entry_pvh:
	mov	$PVH_MAGIC, %eax

	.globl entry_multiboot
entry_multiboot:
	cld
	cli
	mov	%eax, %ebp
	mov	%ebx, %esi

	/* Not every loader clears what the file does not hold. Nothing of the loader's lies there. */
	mov	$PHYS(bss_start), %edi
	mov	$PHYS(image_end), %ecx
	sub	%edi, %ecx
	xor	%eax, %eax
	rep stosb

	mov	$PHYS(boot_stack_top), %esp
	lgdt	PHYS(gdt32_pointer)
	ljmp	$CS32, $PHYS(1f)
1:	mov	$DS32, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss

	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000001, %eax
	jb	no_long_mode
	mov	$0x80000001, %eax
	cpuid
	bt	$CPUID_EXT_LM, %edx
	jnc	no_long_mode
	bt	$CPUID_EXT_NX, %edx
	jnc	no_nx

	call	build_page_tables

	mov	$CR4_VALUE, %eax
	mov	%eax, %cr4
	mov	$PHYS(boot_l4), %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_VALUE, %eax
	wrmsr
	mov	$CR0_VALUE, %eax
	mov	%eax, %cr0
	ljmp	$SEL_BOOT_CS, $PHYS(entry64)

no_long_mode:
	mov	$PHYS(text_no_long_mode), %esi
	jmp	refuse32
no_nx:
	mov	$PHYS(text_no_nx), %esi

/* Writes the text at esi to COM1 and stops for good: there is no C to run on this processor. */
refuse32:
	mov	$0x100000, %ecx
1:	mov	$COM1_LSR, %edx
	in	%dx, %al
	test	$LSR_THR_EMPTY, %al
	loopz	1b
	lodsb
	test	%al, %al
	jz	2f
	mov	$COM1, %edx
	out	%al, %dx
	jmp	refuse32
2:	hlt
	jmp	2b

/*
 * Machine memory from 0 to 4 GiB at its own address and, no-execute, at DIRECT_VIRT (one L3 serves both); the image,
 * rounded up to 2 MiB, at IMAGE_VIRT. The tables are in the cleared .bss. Clobbers eax, ecx, edi.
 */
build_page_tables:
	movl	$PHYS(boot_l3_direct) + PTE_TABLE, PHYS(boot_l4)
	movl	$PHYS(boot_l3_direct) + PTE_TABLE, PHYS(boot_l4) + L4_INDEX(DIRECT_VIRT) * 8
	movl	$PTE_NX_HI, PHYS(boot_l4) + L4_INDEX(DIRECT_VIRT) * 8 + 4
	movl	$PHYS(boot_l3_image) + PTE_TABLE, PHYS(boot_l4) + L4_INDEX(IMAGE_VIRT) * 8
	movl	$PHYS(boot_l2_image) + PTE_TABLE, PHYS(boot_l3_image) + L3_INDEX(IMAGE_VIRT) * 8

	mov	$PHYS(boot_l3_direct), %edi
	mov	$PHYS(boot_l2_direct) + PTE_TABLE, %eax
	mov	$4, %ecx
1:	mov	%eax, (%edi)
	add	$PAGE_SIZE, %eax
	add	$8, %edi
	loop	1b

	mov	$PHYS(boot_l2_direct), %edi
	mov	$PTE_LARGE, %eax
	mov	$4 * 512, %ecx
	call	fill_large

	mov	$PHYS(boot_l2_image) + L2_INDEX(IMAGE_VIRT) * 8, %edi
	mov	$IMAGE_PHYS + PTE_LARGE, %eax
	mov	$image_end - IMAGE_VIRT + 0x1fffff, %ecx
	shr	$21, %ecx

/* ecx L2 entries from edi on map 2 MiB each, from the entry eax on. */
fill_large:
	mov	%eax, (%edi)
	add	$0x200000, %eax
	add	$8, %edi
	loop	fill_large
	ret

	.code64
entry64:
	movabs	$1f, %rax
	jmp	*%rax
1:	lgdt	gdt64_pointer(%rip)
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs

	/* The distribution's decompressors were built with stack protection: they read their canary at fs:0x28. */
	lea	fs_canary(%rip), %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_FS_BASE, %ecx
	wrmsr

	lea	boot_stack_top(%rip), %rsp
	mov	%ebp, %edi
	/* esi: the information's address, since entry_multiboot */
	mov	%esi, %esi
	xor	%ebp, %ebp
	call	boot_entry
	ud2

	.section .rodata.boot, "a"
text_no_long_mode:
	.asciz	"xenolith: refused: this processor has no 64-bit mode\r\n"
text_no_nx:
	.asciz	"xenolith: refused: this processor has no no-execute pages\r\n"

	.balign 8
boot_gdt:
	.quad	0
	.quad	0x00cf9b000000ffff /* CS32 */
	.quad	0x00cf93000000ffff /* DS32 */
	.quad	0x00af9b000000ffff /* SEL_BOOT_CS */
boot_gdt_end:

	.balign 4
gdt32_pointer:
	.short	boot_gdt_end - boot_gdt - 1
	.long	PHYS(boot_gdt)
	.globl	gdt64_pointer
	.hidden	gdt64_pointer
gdt64_pointer:
	.short	boot_gdt_end - boot_gdt - 1
	.quad	boot_gdt

	.section .bss.boot, "aw", @nobits
	.balign PAGE_SIZE
boot_l4:
	.skip	PAGE_SIZE
boot_l3_direct:
	.skip	PAGE_SIZE
boot_l3_image:
	.skip	PAGE_SIZE
boot_l2_image:
	.skip	PAGE_SIZE
boot_l2_direct:
	.skip	4 * PAGE_SIZE
	.globl	boot_stack, boot_stack_top
boot_stack:
	.skip	BOOT_STACK_SIZE
boot_stack_top:
	.globl	fs_canary
fs_canary:
	.skip	64

	.section .note.GNU-stack, "", @progbits
