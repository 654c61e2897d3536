/* SPDX-License-Identifier: MIT */
/* Starts the other VPs: INIT, SIPI, and the way from real mode into the adapter. */
#ifndef XENOLITH_X86_SMPBOOT_H
#define XENOLITH_X86_SMPBOOT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Boot VP: starts VP `vp` with the adapter's own page tables (paging_root) and this VP's control registers, and has it
 * call entry(arg) on the stack that ends at `stack_top`, interrupts off; `entry` must not return. One VP at a time.
 * Returns when the VP has arrived in C. False, with a line in the log, where it does not show up within two seconds.
 */
bool smp_start(unsigned vp, void *stack_top, void (*entry)(void *), void *arg);

/*
 * Provided by adapter/boot: the machine address of a free page below 640 KiB, each call another one, or 0. Called twice,
 * at the first smp_start, and at the one after a failure.
 */
uint64_t boot_low_page(void);

enum smp_arrival { SMP_AWAITED, SMP_ARRIVED, SMP_GIVEN_UP };

/* What the trampoline reads, at the end of its page. smpboot.S has the offsets, smpboot.c asserts them. */
struct smp_block {
	uint16_t gdt_limit;
	uint32_t gdt_base;
	uint16_t pad0;
	uint32_t far_offset; /* far pointer to the 64-bit part */
	uint16_t far_selector;
	uint16_t pad1;
	uint32_t trampoline_cr3;
	uint32_t cr0;
	uint32_t efer;
	uint32_t pad2;
	uint64_t high; /* where the 64-bit part jumps: smp_high */
	uint64_t self; /* this block, in the direct map */
	uint64_t cr3;
	uint64_t cr4;
	uint64_t pat;
	uint64_t stack;
	void (*entry)(void *);
	void *arg;
	uint32_t arrived; /* enum smp_arrival */
	uint32_t pad3;
} __attribute__((packed, aligned(8)));

#endif
