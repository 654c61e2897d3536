/* SPDX-License-Identifier: MIT */
/*
 * A process of one page of code and one of stack, in an address space of its own as 64-bit PV kernels make them: a user
 * L4, and the same lower half under the kernel's.
 */
#ifndef PV_KIT_USER_H
#define PV_KIT_USER_H

#include "tests/guest/pv/kit/pv.h"

#define USER_CODE  0x400000ul
#define USER_STACK 0x401000ul /* one page, no-execute */
#define USER_NONE  0x402000ul

void user_init(void);

/*
 * Runs `bytes` of code in user mode until it traps or makes a system call. What it ran into: the vector, the error code,
 * cr2, and its registers. `flags` goes to the iret hypercall (0 or VGCF_in_syscall).
 */
struct user_end {
	struct regs regs;
	uint64_t cr2;
};
struct user_end user_run(const void *code, size_t bytes, uint64_t arg, uint64_t flags);

/* The same with a frame of one's own, into code that is there already. It may end with VECTOR_FAILSAFE, without registers. */
struct user_end user_try(uint64_t rip, uint64_t rsp, uint64_t cs, uint64_t ss, uint64_t arg,
			 uint64_t flags);

/* A snippet of code between two labels, to be copied. */
#define USER_CODE_OF(name) user_code_##name, (size_t)(user_code_##name##_end - user_code_##name)
#define USER_SNIPPET(name, code)                                                     \
	extern const uint8_t user_code_##name[], user_code_##name##_end[];           \
	asm(".pushsection .rodata\nuser_code_" #name ":\n" code "\nuser_code_" #name \
	    "_end:\n.popsection")

/* For trap.c: takes a trap from user mode, or the failsafe callback of an entry that was none. Does not return. */
bool user_inside(void);
_Noreturn void user_trap(const struct regs *r);

#endif
