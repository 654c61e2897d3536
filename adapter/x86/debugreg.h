/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_X86_DEBUGREG_H
#define XENOLITH_X86_DEBUGREG_H

#include <stdint.h>

static inline uint64_t read_dr6(void)
{
	uint64_t v;

	asm volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}

/* reg is 0 … 3, 6 or 7. */
static inline void write_debugreg(unsigned reg, uint64_t v)
{
	switch (reg) {
	case 0: asm volatile("mov %0, %%dr0" : : "r"(v)); break;
	case 1: asm volatile("mov %0, %%dr1" : : "r"(v)); break;
	case 2: asm volatile("mov %0, %%dr2" : : "r"(v)); break;
	case 3: asm volatile("mov %0, %%dr3" : : "r"(v)); break;
	case 6: asm volatile("mov %0, %%dr6" : : "r"(v)); break;
	case 7: asm volatile("mov %0, %%dr7" : : "r"(v)); break;
	}
}

#endif
