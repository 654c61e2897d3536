/* SPDX-License-Identifier: MIT */
/*
 * In the place of adapter/x86/asm.h where the hypercalls run hosted: the same names, and the instructions do nothing but what
 * the callers rely on.
 */
#ifndef XENOLITH_X86_ASM_H
#define XENOLITH_X86_ASM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/lock.h"

#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

#define CR0_TS      (1u << 3)
#define CR4_DE      (1u << 3)
#define RFLAGS_IF   (1ull << 9)
#define RFLAGS_IOPL (3ull << 12)

/* What an interrupt would have brought: a wait ends. */
void world_interrupt(void);

#define irq_wait   world_interrupt
#define irq_window world_interrupt

static inline void write_cr0(uint64_t value)
{
	(void)value;
}

static inline uint64_t read_cr0(void)
{
	return 0;
}

static inline void write_cr3(uint64_t value)
{
	(void)value;
}

static inline uint64_t read_cr3(void)
{
	return 0;
}

static inline void clts(void)
{
}

static inline void invlpg(uint64_t va)
{
	(void)va;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	(void)msr;
	(void)value;
}

#endif
