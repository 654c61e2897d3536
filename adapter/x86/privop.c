/* SPDX-License-Identifier: MIT */
#include "adapter/x86/privop_int.h"

#include "adapter/x86/layout.h"

#define OPCODE_CLI 0xfa
#define OPCODE_STI 0xfb

#define MSR_TSC_AUX 0xc0000103u

#define CR4_TSD (1u << 2)

uint64_t cr4_policy(uint64_t wanted, uint64_t host)
{
	const uint64_t guest = CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE;
	const uint64_t visible = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	/* Of these the hardware must be capable; the host's CR4 has them on where it is. */
	const uint64_t capable = (host & (CR4_FSGSBASE | CR4_OSXSAVE)) | CR4_TSD | CR4_DE;

	return (wanted & guest & capable) | (host & visible);
}

uint64_t *frame_reg(struct frame *f, unsigned n)
{
	uint64_t *const regs[16] = {
	    &f->rax, &f->rcx, &f->rdx, &f->rbx, &f->rsp, &f->rbp, &f->rsi, &f->rdi,
	    &f->r8,  &f->r9,  &f->r10, &f->r11, &f->r12, &f->r13, &f->r14, &f->r15,
	};

	return regs[n & 15];
}

void reg_write(uint64_t *reg, uint64_t value, unsigned bytes)
{
	switch (bytes) {
	case 1: *reg = (*reg & ~0xffull) | (value & 0xff); break;
	case 2: *reg = (*reg & ~0xffffull) | (value & 0xffff); break;
	case 4: *reg = (uint32_t)value; break;
	default: *reg = value;
	}
}

bool privop_gp(struct privop_run *r)
{
	*r->fault = (struct privop_fault){.vector = VECTOR_GP};
	return false;
}

bool privop_pf(struct privop_run *r, uint64_t address, uint32_t error)
{
	*r->fault = (struct privop_fault){.vector = VECTOR_PF, .error = error, .address = address};
	return false;
}

static bool finish(struct privop_run *r, bool ok)
{
	return ok || privop_gp(r);
}

/* The rest is about what edx:eax and ecx mean. */
static uint64_t edx_eax(const struct frame *f)
{
	return (uint32_t)f->rax | f->rdx << 32;
}

static void set_edx_eax(struct frame *f, uint64_t value)
{
	f->rax = (uint32_t)value;
	f->rdx = value >> 32;
}

static bool read_msr(struct privop_run *r)
{
	uint32_t msr = (uint32_t)r->f->rcx;
	uint64_t value = 0;

	/* As Xen: a kernel that has no #GP handler yet reads 0 from a register that is there, rather than die. */
	if (!privop_rdmsr(r->ops, r->ctx, msr, &value)) {
		if (r->ops->has_gp_handler(r->ctx) || !r->ops->rdmsr(r->ctx, msr, &value))
			return privop_gp(r);
		value = 0;
	}
	set_edx_eax(r->f, value);
	return true;
}

static bool write_msr(struct privop_run *r)
{
	return finish(r, privop_wrmsr(r->ops, r->ctx, (uint32_t)r->f->rcx, edx_eax(r->f)));
}

static bool read_cr(struct privop_run *r)
{
	unsigned cr = r->op.control;

	if (cr != 0 && cr != 2 && cr != 3 && cr != 4)
		return privop_gp(r);
	reg_write(frame_reg(r->f, r->op.reg), r->ops->get_cr(r->ctx, cr), r->op.operand);
	return true;
}

static bool write_cr(struct privop_run *r)
{
	uint64_t value = *frame_reg(r->f, r->op.reg);

	if (r->op.operand == 4)
		value = (uint32_t)value;
	switch (r->op.control) {
	case 0:
		if ((value ^ r->ops->get_cr(r->ctx, 0)) & ~(uint64_t)CR0_TS)
			return privop_gp(r);
		break;
	case 2:
	case 3: break;
	case 4: value = cr4_policy(value, r->ops->host_cr4(r->ctx)); break;
	default: return privop_gp(r);
	}
	return finish(r, r->ops->set_cr(r->ctx, r->op.control, value));
}

static bool clear_ts(struct privop_run *r)
{
	return finish(r, r->ops->set_cr(r->ctx, 0, r->ops->get_cr(r->ctx, 0) & ~(uint64_t)CR0_TS));
}

static bool read_dr(struct privop_run *r)
{
	uint64_t value;

	if (!r->ops->get_dr(r->ctx, r->op.control, &value))
		return privop_gp(r);
	reg_write(frame_reg(r->f, r->op.reg), value, r->op.operand);
	return true;
}

static bool write_dr(struct privop_run *r)
{
	uint64_t value = *frame_reg(r->f, r->op.reg);

	if (r->op.operand == 4)
		value = (uint32_t)value;
	return finish(r, r->ops->set_dr(r->ctx, r->op.control, value));
}

static bool set_xcr(struct privop_run *r)
{
	uint64_t value = edx_eax(r->f);

	if ((uint32_t)r->f->rcx != 0 || !xcr0_valid(r->ops->cpuid_view(r->ctx), value))
		return privop_gp(r);
	return finish(r, r->ops->xsetbv(r->ctx, 0, value));
}

/* Arrives only while CR4.TSD is set, which is the guest's kernel's word against its processes. */
static bool read_tsc(struct privop_run *r)
{
	uint64_t aux = 0;

	if (!r->kernel && (r->ops->get_cr(r->ctx, 4) & CR4_TSD))
		return privop_gp(r);
	if (r->op.kind == PRIVOP_RDTSCP) {
		if (!r->ops->rdmsr(r->ctx, MSR_TSC_AUX, &aux))
			return privop_gp(r);
		r->f->rcx = (uint32_t)aux;
	}
	set_edx_eax(r->f, r->ops->rdtsc(r->ctx));
	return true;
}

static bool do_cpuid(struct privop_run *r, bool forced)
{
	struct cpuid_view view = *r->ops->cpuid_view(r->ctx);
	struct cpuid_regs c;

	view.force_osxsave = forced && r->kernel;
	c = cpuid_policy(&view, (uint32_t)r->f->rax, (uint32_t)r->f->rcx);
	r->f->rax = c.eax;
	r->f->rbx = c.ebx;
	r->f->rcx = c.ecx;
	r->f->rdx = c.edx;
	return true;
}

/* What a process may do if its kernel gave it the right; all else is the kernel's. */
static bool run_unprivileged(struct privop_run *r, bool *known)
{
	*known = true;
	switch (r->op.kind) {
	case PRIVOP_IN:
	case PRIVOP_OUT:
	case PRIVOP_INS:
	case PRIVOP_OUTS: return privop_io(r);
	case PRIVOP_CLI:
	case PRIVOP_STI:
		/* Nothing happens: popf, which cannot be trapped, would not undo it. As Xen. */
		return r->kernel || r->ops->iopl(r->ctx) == 3 || privop_gp(r);
	case PRIVOP_RDTSC:
	case PRIVOP_RDTSCP: return read_tsc(r);
	case PRIVOP_CPUID: return do_cpuid(r, false);
	default: *known = false; return false;
	}
}

static bool run_privileged(struct privop_run *r)
{
	switch (r->op.kind) {
	case PRIVOP_RDMSR: return read_msr(r);
	case PRIVOP_WRMSR: return write_msr(r);
	case PRIVOP_READ_CR: return read_cr(r);
	case PRIVOP_WRITE_CR: return write_cr(r);
	case PRIVOP_READ_DR: return read_dr(r);
	case PRIVOP_WRITE_DR: return write_dr(r);
	case PRIVOP_CLTS: return clear_ts(r);
	case PRIVOP_WBINVD:
		return true; /* no device of the guest looks at memory past the caches */
	case PRIVOP_XSETBV: return set_xcr(r);
	default: return privop_gp(r);
	}
}

static bool run(struct privop_run *r)
{
	bool known, ok = run_unprivileged(r, &known);

	if (known)
		return ok;
	return r->kernel ? run_privileged(r) : privop_gp(r);
}

/*
 * Reads and decodes the instruction at rip. Bytes behind a page's end are read only if the instruction goes on there,
 * because that page may not exist.
 */
bool privop_fetch(struct privop_run *r)
{
	uint8_t bytes[PRIVOP_LENGTH_MAX];
	uint64_t d = r->ops->descriptor(r->ctx, (uint16_t)r->f->cs);
	uint64_t va = r->f->rip;
	size_t here = PAGE_SIZE - (va & (PAGE_SIZE - 1));
	enum privop_decoded decoded;

	r->mode = d & DESC_LONG      ? PRIVOP_MODE_64
		  : d & DESC_DEFAULT ? PRIVOP_MODE_32
				     : PRIVOP_MODE_16;
	if (r->mode != PRIVOP_MODE_64)
		va = (uint32_t)(va + ((d >> 16 & 0xffffff) | (d >> 56 << 24)));
	here = PAGE_SIZE - (va & (PAGE_SIZE - 1));
	if (here > sizeof(bytes))
		here = sizeof(bytes);
	if (!r->ops->read(r->ctx, va, bytes, here))
		return privop_pf(r, va, PF_ERROR_FETCH | (r->kernel ? 0 : PF_ERROR_USER));
	decoded = privop_decode(bytes, here, r->mode, &r->op);
	if (decoded == PRIVOP_SHORT && here < sizeof(bytes)) {
		if (!r->ops->read(r->ctx, va + here, bytes + here, sizeof(bytes) - here))
			return privop_pf(r, va + here,
					 PF_ERROR_FETCH | (r->kernel ? 0 : PF_ERROR_USER));
		decoded = privop_decode(bytes, sizeof(bytes), r->mode, &r->op);
	}
	return finish(r, decoded == PRIVOP_DECODED);
}

static enum privop_result retire(struct privop_run *r, unsigned length)
{
	r->f->rflags &= ~RFLAGS_RF;
	if (!r->unfinished) {
		r->f->rip += length;
		if (r->mode != PRIVOP_MODE_64)
			r->f->rip = (uint32_t)r->f->rip;
	}
	return r->f->rflags & RFLAGS_TF ? PRIVOP_STEPPED : PRIVOP_DONE;
}

enum privop_result privop_emulate(struct frame *f, const struct privop_ops *ops, void *ctx,
				  struct privop_fault *fault)
{
	struct privop_run r = {
	    .f = f, .ops = ops, .ctx = ctx, .fault = fault, .mode = PRIVOP_MODE_64};
	uint8_t first;

	r.kernel = frame_from_kernel(f);
	/* By far the commonest, from kernels that run pushf; cli; popf; and their code segment is flat. */
	if (r.kernel && ops->read(ctx, f->rip, &first, 1) &&
	    (first == OPCODE_CLI || first == OPCODE_STI))
		return retire(&r, 1);
	if (!privop_fetch(&r))
		return PRIVOP_FAULTED;
	return run(&r) ? retire(&r, r.op.length) : PRIVOP_FAULTED;
}

enum privop_result privop_emulate_ud(struct frame *f, const struct privop_ops *ops, void *ctx,
				     struct privop_fault *fault)
{
	struct privop_run r = {.f = f, .ops = ops, .ctx = ctx, .fault = fault};

	r.kernel = frame_from_kernel(f);
	if (!privop_fetch(&r) || r.op.kind != PRIVOP_XEN_CPUID) {
		*fault = (struct privop_fault){.vector = VECTOR_UD};
		return PRIVOP_FAULTED;
	}
	do_cpuid(&r, true);
	return retire(&r, r.op.length);
}

unsigned privop_int_length(const struct frame *f, const struct privop_ops *ops, void *ctx,
			   uint8_t vector)
{
	struct frame copy = *f;
	struct privop_fault fault;
	struct privop_run r = {.f = &copy, .ops = ops, .ctx = ctx, .fault = &fault};

	r.kernel = frame_from_kernel(f);
	if (!privop_fetch(&r) || r.op.kind != PRIVOP_INT || r.op.immediate != vector)
		return 0;
	return r.op.length;
}
