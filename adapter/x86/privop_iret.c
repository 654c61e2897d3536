/* SPDX-License-Identifier: MIT */
/*
 * Kernels that run in ring 3 on Xen, as 64-bit ones do, may return to themselves by a plain iretq where no event has to be let in: Mini-OS and
 * the kernels of the first years take the frame of an exception and set RPL 3 in its selectors. From ring 1 the processor refuses that, because the
 * selector's descriptor is of ring 1; so the frame can be loaded here, with the kernel's own selectors, and nobody gains a ring by it.
 *
 * The selector is the one of saved frames, one of the guest's own GDT, or 0xe033 where no process may use that one (vp.c). As on Xen the upcall
 * mask stays as it is, and RPLs below 3 are errors.
 */
#include "adapter/x86/privop_int.h"

#include "adapter/x86/layout.h"
#include "adapter/x86/traps.h"

/* Of a descriptor's access byte: present, DPL 1, code, not conforming. */
#define DESC_ACCESS_MASK (0xfcull << 40)
#define DESC_KERNEL      (DESC_LONG | 0xb8ull << 40)
#define RFLAGS_FORBIDDEN (RFLAGS_IOPL | RFLAGS_NT | RFLAGS_VM | RFLAGS_VIF | RFLAGS_VIP)
#define RFLAGS_ALWAYS    (RFLAGS_IF | 2)

static bool refuse(struct privop_run *r, uint32_t error)
{
	*r->fault = (struct privop_fault){.vector = VECTOR_GP, .error = error};
	return false;
}

static bool load(struct privop_run *r)
{
	struct {
		uint64_t rip, cs, rflags, rsp, ss;
	} to;
	struct frame *f = r->f;
	uint32_t error = (uint32_t)f->error;

	if (!r->kernel || !privop_fetch(r) || r->op.kind != PRIVOP_IRET || r->op.operand != 8)
		return refuse(r, error);
	if (!r->ops->read(r->ctx, f->rsp, &to, sizeof(to)))
		return refuse(r, error);
	if ((to.cs & 3) != 3 || (to.cs & 0xfffc) != error ||
	    (r->ops->descriptor(r->ctx, (uint16_t)to.cs) & (DESC_LONG | DESC_ACCESS_MASK)) !=
		DESC_KERNEL)
		return refuse(r, error);
	if (!canonical_address(to.rip))
		return refuse(r, 0);
	f->rip = to.rip;
	f->cs = SEL_KERNEL_CS;
	f->rflags = (uint32_t)(to.rflags & ~RFLAGS_FORBIDDEN) | RFLAGS_ALWAYS;
	f->rsp = to.rsp;
	f->ss = SEL_KERNEL_SS;
	return true;
}

enum privop_result privop_iret(struct frame *f, const struct privop_ops *ops, void *ctx,
			       struct privop_fault *fault)
{
	struct privop_run r = {.f = f, .ops = ops, .ctx = ctx, .fault = fault};
	bool stepping = f->rflags & RFLAGS_TF;

	r.kernel = frame_from_kernel(f);
	if (!load(&r))
		return PRIVOP_FAULTED;
	return stepping ? PRIVOP_STEPPED : PRIVOP_DONE;
}
