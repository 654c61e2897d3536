/* SPDX-License-Identifier: MIT */
/* What the executor's files share. */
#ifndef XENOLITH_X86_PRIVOP_INT_H
#define XENOLITH_X86_PRIVOP_INT_H

#include "adapter/x86/privop.h"

#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_PF 14

#define PF_ERROR_WRITE 2u
#define PF_ERROR_USER  4u
#define PF_ERROR_FETCH 16u

/* One instruction on its way. */
struct privop_run {
	struct frame *f;
	const struct privop_ops *ops;
	void *ctx;
	struct privop_fault *fault;
	enum privop_mode mode;
	struct privop op;
	bool kernel;     /* ring 1; else a process */
	bool unfinished; /* a rep that stays at its instruction */
};

/* Reads and decodes the instruction at rip into `op` and `mode`; false: `fault` says why. */
bool privop_fetch(struct privop_run *r);

/* A code segment's descriptor (Intel SDM volume 3, 3.4.5). */
#define DESC_LONG    (1ull << 53)
#define DESC_DEFAULT (1ull << 54)

/* A general register by the processor's number. */
uint64_t *frame_reg(struct frame *f, unsigned n);

/* The low `bytes` of a register; 4 bytes clear the upper half. */
void reg_write(uint64_t *reg, uint64_t value, unsigned bytes);

/* Both return false, so that an instruction can end with them. */
bool privop_gp(struct privop_run *r);
bool privop_pf(struct privop_run *r, uint64_t address, uint32_t error);

/* IN, OUT, INS, OUTS (privop_io.c). */
bool privop_io(struct privop_run *r);

#endif
