/* SPDX-License-Identifier: MIT */
/* Ports: an unprivileged guest has none. Reads give ones, writes vanish, as on a bus where nobody answers. */
#include "adapter/x86/privop_int.h"

#include "core/string.h"

#define USER_END 0x0000800000000000u

/* Elements of one string instruction before interrupts get their turn. */
#define STRING_BATCH 1024

/* A segment descriptor's bits (Intel SDM volume 3, 3.4.5). */
#define DESC_WRITABLE (1ull << 41) /* of data; of code: readable */
#define DESC_CODE     (1ull << 43)
#define DESC_SYSTEM_N (1ull << 44)
#define DESC_PRESENT  (1ull << 47)

static bool port_allowed(struct privop_run *r, uint16_t port)
{
	/* Xen counts the guest's kernel as ring 1, whatever it believes of itself. */
	unsigned cpl = r->kernel ? 1 : 3;

	return cpl <= r->ops->iopl(r->ctx) || r->ops->io_bitmap(r->ctx, port, r->op.operand);
}

/*
 * Linux calibrates its TSC by the PIT's second counter before it knows better: as long as the counter reads 0xff it keeps reading, a hundred
 * thousand times. Xen emulates that counter; here it stands still at 0, which Linux gives up on at once.
 */
#define PORT_PIT_COUNTER_2 0x42

static bool in(struct privop_run *r)
{
	uint16_t port = r->op.port_in_dx ? (uint16_t)r->f->rdx : r->op.immediate;

	reg_write(&r->f->rax, port == PORT_PIT_COUNTER_2 ? 0 : UINT64_MAX, r->op.operand);
	return true;
}

static uint64_t address_mask(const struct privop_run *r)
{
	return r->op.address == 8 ? UINT64_MAX : r->op.address == 4 ? 0xffffffff : 0xffff;
}

static uint64_t descriptor_base(uint64_t d)
{
	return (d >> 16 & 0xffffff) | (d >> 56 << 24);
}

/* The base of a data segment: flat in 64-bit mode except for FS and GS; elsewhere what the process loaded. */
static bool segment_base(struct privop_run *r, enum privop_segment segment, bool write,
			 uint64_t *base)
{
	uint16_t selector;
	uint64_t d;

	*base = 0;
	if (r->mode == PRIVOP_MODE_64) {
		if (segment < PRIVOP_FS)
			return true;
		return r->ops->rdmsr(r->ctx, segment == PRIVOP_FS ? MSR_FS_BASE : MSR_GS_BASE,
				     base);
	}
	selector = segment == PRIVOP_CS   ? r->f->cs
		   : segment == PRIVOP_SS ? r->f->ss
					  : r->ops->selector(r->ctx, segment);
	d = r->ops->descriptor(r->ctx, selector);
	if (!(d & DESC_PRESENT) || !(d & DESC_SYSTEM_N))
		return false;
	if (write ? (d & DESC_CODE) || !(d & DESC_WRITABLE)
		  : (d & DESC_CODE) && !(d & DESC_WRITABLE))
		return false;
	*base = descriptor_base(d);
	return true;
}

/*
 * The accesses happen in ring 0, so a process's are held to the half of the address space in which a guest's kernel maps
 * anything for it.
 */
static bool string_element(struct privop_run *r, uint64_t va)
{
	static const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};
	uint32_t user = r->kernel ? 0 : PF_ERROR_USER;
	uint8_t sink[4];

	if (!r->kernel && va > USER_END - r->op.operand)
		return privop_pf(r, va, user | (r->op.kind == PRIVOP_INS ? PF_ERROR_WRITE : 0));
	if (r->op.kind == PRIVOP_INS) {
		if (!r->ops->write(r->ctx, va, ones, r->op.operand))
			return privop_pf(r, va, user | PF_ERROR_WRITE);
	} else if (!r->ops->read(r->ctx, va, sink, r->op.operand)) {
		return privop_pf(r, va, user);
	}
	return true;
}

/* What is done stays done when a later element faults: the registers are those of the element that did. */
static bool string_io(struct privop_run *r)
{
	struct privop *op = &r->op;
	uint64_t *index = op->kind == PRIVOP_INS ? &r->f->rdi : &r->f->rsi;
	uint64_t mask = address_mask(r), base;
	uint64_t step = r->f->rflags & RFLAGS_DF ? -(uint64_t)op->operand : op->operand;
	uint64_t left = op->rep ? r->f->rcx & mask : 1;
	enum privop_segment segment = op->kind == PRIVOP_INS ? PRIVOP_ES : op->segment;

	if (!left)
		return true;
	if (!segment_base(r, segment, op->kind == PRIVOP_INS, &base))
		return privop_gp(r);
	for (unsigned i = 0; left && i < STRING_BATCH; i++) {
		uint64_t va = base + (*index & mask);

		if (r->mode != PRIVOP_MODE_64)
			va &= 0xffffffff;
		if (!string_element(r, va))
			return false;
		reg_write(index, *index + step, op->address);
		left--;
		if (op->rep)
			reg_write(&r->f->rcx, left, op->address);
	}
	r->unfinished = left != 0;
	return true;
}

bool privop_io(struct privop_run *r)
{
	uint16_t port = r->op.port_in_dx ? (uint16_t)r->f->rdx : r->op.immediate;

	if (!port_allowed(r, port))
		return privop_gp(r);
	switch (r->op.kind) {
	case PRIVOP_IN: return in(r);
	case PRIVOP_OUT: return true;
	default: return string_io(r);
	}
}
