/* SPDX-License-Identifier: MIT */
/*
 * The executor on any code, registers and answers of the virtual processor: it ends, stays inside the frame, touches only
 * memory that it was given, and never lets a process write into the kernel's half.
 */
#include <stdlib.h>
#include <string.h>

#include "adapter/x86/privop.h"

#define USER_END 0x0000800000000000ull

struct input {
	const uint8_t *at, *end;
	struct cpuid_view view;
	bool kernel;
	uint64_t left; /* of memory accesses that succeed */
};

static uint64_t take(struct input *in)
{
	uint64_t v = 0;
	size_t n = (size_t)(in->end - in->at);

	if (n > sizeof(v))
		n = sizeof(v);
	memcpy(&v, in->at, n);
	in->at += n;
	return v;
}

static bool op_read(void *ctx, uint64_t va, void *to, size_t n)
{
	struct input *in = ctx;

	(void)va;
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t v = take(in);

		memcpy((uint8_t *)to + i, &v, n - i < sizeof(v) ? n - i : sizeof(v));
	}
	return in->left && in->left--;
}

static bool op_write(void *ctx, uint64_t va, const void *from, size_t n)
{
	struct input *in = ctx;

	if (!in->kernel && va + n > USER_END)
		abort();
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *)from)[i] != 0xff)
			abort();
	return in->left && in->left--;
}

static uint16_t op_selector(void *ctx, enum privop_segment segment)
{
	(void)segment;
	return (uint16_t)take(ctx);
}

/* The code segment first: 64-bit, 32-bit or 16-bit. */
static uint64_t op_descriptor(void *ctx, uint16_t selector)
{
	(void)selector;
	return take(ctx);
}

static unsigned op_iopl(void *ctx)
{
	return take(ctx) & 3;
}

static bool op_io_bitmap(void *ctx, uint16_t port, unsigned bytes)
{
	(void)port;
	if (bytes != 1 && bytes != 2 && bytes != 4)
		abort();
	return take(ctx) & 1;
}

static uint64_t op_get_cr(void *ctx, unsigned cr)
{
	if (cr > 4 || cr == 1)
		abort();
	return take(ctx);
}

static bool op_set_cr(void *ctx, unsigned cr, uint64_t value)
{
	const struct input *in = ctx;

	(void)value;
	if (cr > 4 || cr == 1 || !in->kernel)
		abort();
	return true;
}

static uint64_t op_host_cr4(void *ctx)
{
	return take(ctx);
}

static bool op_get_dr(void *ctx, unsigned dr, uint64_t *value)
{
	if (dr > 15)
		abort();
	*value = take(ctx);
	return *value & 1;
}

static bool op_set_dr(void *ctx, unsigned dr, uint64_t value)
{
	const struct input *in = ctx;

	(void)value;
	if (dr > 15 || !in->kernel)
		abort();
	return true;
}

static bool op_rdmsr(void *ctx, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = take(ctx);
	return *value & 1;
}

static bool op_wrmsr(void *ctx, uint32_t msr, uint64_t value)
{
	const struct input *in = ctx;

	(void)msr;
	(void)value;
	if (!in->kernel)
		abort();
	return true;
}

static bool op_xsetbv(void *ctx, uint32_t index, uint64_t value)
{
	const struct input *in = ctx;

	if (index || !in->kernel || !(value & 1))
		abort();
	return true;
}

static uint64_t op_rdtsc(void *ctx)
{
	return take(ctx);
}

static struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
	uint32_t v = leaf * 2654435761u + subleaf;

	return (struct cpuid_regs){v, v >> 3, v >> 5, v >> 7};
}

static const struct cpuid_view *op_cpuid_view(void *ctx)
{
	return &((struct input *)ctx)->view;
}

static unsigned op_vcpu(void *ctx)
{
	return take(ctx) & 63;
}

static bool op_has_gp_handler(void *ctx)
{
	return take(ctx) & 1;
}

static const struct privop_ops ops = {
    .read = op_read,
    .write = op_write,
    .selector = op_selector,
    .descriptor = op_descriptor,
    .iopl = op_iopl,
    .io_bitmap = op_io_bitmap,
    .get_cr = op_get_cr,
    .set_cr = op_set_cr,
    .host_cr4 = op_host_cr4,
    .get_dr = op_get_dr,
    .set_dr = op_set_dr,
    .rdmsr = op_rdmsr,
    .wrmsr = op_wrmsr,
    .xsetbv = op_xsetbv,
    .rdtsc = op_rdtsc,
    .cpuid_view = op_cpuid_view,
    .vcpu = op_vcpu,
    .has_gp_handler = op_has_gp_handler,
};

/* Whatever happens: privilege, stack and flags but RF are the guest's own affair. */
static void check(const struct frame *before, const struct frame *after, enum privop_result result,
		  const struct privop_fault *fault)
{
	if (before->cs != after->cs || before->ss != after->ss ||
	    (before->rflags & ~RFLAGS_RF) != (after->rflags & ~RFLAGS_RF))
		abort();
	if (result == PRIVOP_FAULTED) {
		if (before->rip != after->rip)
			abort();
		if (fault->vector != 6 && fault->vector != 13 && fault->vector != 14)
			abort();
	} else if ((uint32_t)(after->rip - before->rip) > PRIVOP_LENGTH_MAX) {
		abort();
	}
}

/* An iretq gives the kernel nothing but its own selectors, and no flags that are not its own to set. */
static void check_iret(const struct frame *before, const struct frame *after,
		       enum privop_result result, const struct privop_fault *fault)
{
	if (result == PRIVOP_FAULTED) {
		if (memcmp(before, after, sizeof(*before)) || fault->vector != 13)
			abort();
		return;
	}
	if (before->cs != 0xe019 || after->cs != 0xe019 || after->ss != 0xe039 ||
	    (after->rflags & 0x1a7202) != 0x202 || after->rflags >> 32)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.at = data, .end = data + size, .view = {.host = host_cpuid}};
	struct frame f = {0}, before;
	struct privop_fault fault = {0};
	uint64_t choice = take(&in);
	enum privop_result result;

	in.kernel = choice & 1;
	in.view.vendor = (choice >> 1) % 3;
	in.left = choice >> 4 & 0xfff;
	f.cs = in.kernel ? 0xe019 : 0xe033;
	f.rip = choice >> 16;
	f.rax = take(&in);
	f.rcx = take(&in);
	f.rdx = take(&in);
	f.rsi = take(&in);
	f.rdi = take(&in);
	f.rflags = take(&in);
	if (choice >> 62 == 3) {
		f.error = take(&in) & 0xffff;
		before = f;
		result = privop_iret(&f, &ops, &in, &fault);
		check_iret(&before, &f, result, &fault);
		return 0;
	}
	before = f;
	result = choice & 8 ? privop_emulate_ud(&f, &ops, &in, &fault)
			    : privop_emulate(&f, &ops, &in, &fault);
	check(&before, &f, result, &fault);
	return 0;
}
