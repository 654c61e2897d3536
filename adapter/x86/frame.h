/* SPDX-License-Identifier: MIT */
/* What the entry paths save of the interrupted guest, in the order in which entry.S pushes it (last pushed first). */
#ifndef XENOLITH_X86_FRAME_H
#define XENOLITH_X86_FRAME_H

#include <stdbool.h>
#include <stdint.h>

struct frame {
	uint64_t r15, r14, r13, r12, rbp, rbx;
	uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint32_t
	    vector; /* exception or interrupt number; FRAME_SYSCALL for the syscall instruction */
	uint32_t pad;
	uint64_t error; /* the processor's error code, or 0 */
	uint64_t rip, cs, rflags, rsp, ss;
};

#define FRAME_SYSCALL 0x100u

/* The guest's kernel runs in ring 1, its processes in ring 3. */
static inline bool frame_from_kernel(const struct frame *f)
{
	return (f->cs & 3) == 1;
}

static inline bool frame_from_user(const struct frame *f)
{
	return (f->cs & 3) == 3;
}

static inline bool frame_from_adapter(const struct frame *f)
{
	return (f->cs & 3) == 0;
}

#endif
