/* SPDX-License-Identifier: MIT */
/* Hypercalls in both ways that kernels use: through the hypercall page, or (PV_INLINE) with a syscall instruction. */
#ifndef PV_KIT_HYPERCALL_H
#define PV_KIT_HYPERCALL_H

#include <stdint.h>

#include "core/xen_abi.h"

#ifdef PV_INLINE
#define HYPERCALL_INSN "syscall"
#else
#define HYPERCALL_INSN "call *%[entry]"
extern char hypercall_page[];
#endif

/* The argument registers may come back changed. */
static inline long hypercall5(unsigned nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
			      uint64_t a5)
{
	register uint64_t r10 asm("r10") = a4;
	register uint64_t r8 asm("r8") = a5;
	long result;

#ifdef PV_INLINE
	asm volatile(HYPERCALL_INSN
		     : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
		     : "a"((uint64_t)nr)
		     : "rcx", "r11", "memory");
#else
	asm volatile(HYPERCALL_INSN
		     : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
		     : [entry] "r"(hypercall_page + nr * 32)
		     : "rcx", "r11", "memory");
#endif
	return result;
}

#define U(x)                      ((uint64_t)(x))
#define hypercall1(n, a)          hypercall5(n, U(a), 0, 0, 0, 0)
#define hypercall2(n, a, b)       hypercall5(n, U(a), U(b), 0, 0, 0)
#define hypercall3(n, a, b, c)    hypercall5(n, U(a), U(b), U(c), 0, 0)
#define hypercall4(n, a, b, c, d) hypercall5(n, U(a), U(b), U(c), U(d), 0)

#endif
