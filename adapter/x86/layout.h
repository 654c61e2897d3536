/* SPDX-License-Identifier: MIT */
/*
 * The adapter's address space: L4 slots 256 to 271, which the Xen ABI leaves to the hypervisor
 * (xen/arch-x86/xen-x86_64.h, HYPERVISOR_VIRT_START). Every mapping in it is supervisor-only.
 * The same L3 tables hang under these slots in every L4 of the guest. Included by assembly and linker script.
 *
 *   256       machine-to-phys table (the ABI fixes this address), read-only for nobody but by convention
 *   258       MMIO windows
 *   261       the image, and 1 GiB above it the per-VP windows, so that a rel32 jump reaches from one to the other
 *   262..271  the direct map: machine address 0 onwards, writable, no-execute
 */
#ifndef XENOLITH_X86_LAYOUT_H
#define XENOLITH_X86_LAYOUT_H

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096

#define SLOT_FIRST 256
#define SLOT_LAST  271

#define M2P_VIRT    0xffff800000000000
#define MMIO_VIRT   0xffff810000000000
#define IMAGE_VIRT  0xffff82d000000000
#define DIRECT_VIRT 0xffff830000000000
#define DIRECT_END  0xffff880000000000
#define IMAGE_PHYS  0x200000

#define MAX_VPS 64

/*
 * A VP's window: 16 pages of GDT (14 of the guest's, then ours), 16 pages of LDT, the stacks, the syscall stub, the TSS.
 * The stack block is aligned to its own size, so that any stack pointer in it finds struct vp at its top: four pages
 * for the interrupt stack table, a page left out as a guard, three pages of stack.
 */
#define VP_WINDOW_VIRT  (IMAGE_VIRT + 0x40000000)
#define VP_WINDOW_SIZE  0x40000
#define VP_WINDOW_LDT   0x10000
#define VP_WINDOW_STACK 0x20000
#define VP_WINDOW_STUB  0x28000
#define VP_WINDOW_TSS   0x29000
#define VP_STACK_SIZE   0x8000
#define VP_STACK_GUARD  4 /* the page of the block that is not mapped */
#define GUEST_GDT_PAGES 14

/* Of 64-bit code, until a VP has its own GDT: entry.S and smpboot.S have it at the same place. */
#define SEL_BOOT_CS 0x18

/* Selectors of the adapter's page of the GDT, at FIRST_RESERVED_GDT_ENTRY of the Xen ABI. Those of ring 3 are the ABI's. */
#define SEL_ADAPTER_CS 0xe008
#define SEL_ADAPTER_SS 0xe010
#define SEL_KERNEL_CS  0xe019 /* ring 1, 64-bit */
#define SEL_USER_CS32  0xe023
#define SEL_USER_DS    0xe02b
#define SEL_USER_CS64  0xe033
#define SEL_KERNEL_SS  0xe039 /* ring 1 */
#define SEL_TSS        0xe040
#define SEL_LDT        0xe050

#endif
