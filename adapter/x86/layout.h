/* SPDX-License-Identifier: MIT */
/*
 * The adapter's address space: L4 slots 256 to 271, which the Xen ABI leaves to the hypervisor
 * (xen/arch-x86/xen-x86_64.h, HYPERVISOR_VIRT_START). Every mapping in it is supervisor-only.
 * The same L3 tables hang under these slots in every L4 of the guest. Included by assembly and linker script.
 *
 *   256       machine-to-phys table (the ABI fixes this address), read-only for nobody but by convention
 *   258       MMIO windows
 *   260       per-VP windows: the guest's GDT and LDT frames
 *   261       the image
 *   262..271  the direct map: machine address 0 onwards, writable, no-execute
 */
#ifndef XENOLITH_X86_LAYOUT_H
#define XENOLITH_X86_LAYOUT_H

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096

#define SLOT_FIRST 256
#define SLOT_LAST  271

#define M2P_VIRT       0xffff800000000000
#define MMIO_VIRT      0xffff810000000000
#define VP_WINDOW_VIRT 0xffff820000000000
#define IMAGE_VIRT     0xffff82d000000000
#define DIRECT_VIRT    0xffff830000000000
#define DIRECT_END     0xffff880000000000
#define IMAGE_PHYS     0x200000

#define MAX_VPS         64
#define VP_STACK_SIZE   16384
#define VP_WINDOW_SIZE  0x20000 /* 64 KiB GDT, then 64 KiB LDT */
#define VP_WINDOW_PAGES 32

#endif
