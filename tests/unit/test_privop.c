/* SPDX-License-Identifier: MIT */
/* The executor, on a made-up virtual processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/x86/privop.h"

#define CODE          0x401000
#define DATA          0x600000
#define CODE_PAGES    2
#define SEL_KERNEL    0xe019 /* 64-bit, ring 1 */
#define SEL_USER      0xe033 /* 64-bit */
#define SEL_USER32    0xe023
#define SEL_USER16    0x000f
#define SEL_SAVED     0xe01b /* what a kernel makes of a saved frame's: RPL 3 */
#define DESC_CODE64   0x00affb000000ffffull
#define DESC_CODE64_1 0x00afbb000000ffffull
#define DESC_DATA_1   0x00cfb3000000ffffull
#define DESC_CODE32   0x00cffb000000ffffull
#define DESC_CODE16   0x000ffb000000ffffull
#define DESC_DATA     0x00cff3000000ffffull
/* base 0x600000 */
#define DESC_DATA_BASED 0x00cff3600000ffffull

#define MSR_TEST_HW 0x1234u /* the hardware has it, the guest does not */

struct vcpu {
	struct frame f;
	struct privop_fault fault;
	uint8_t code[CODE_PAGES * 4096];
	uint8_t data[4096];
	unsigned code_pages;
	uint64_t high_base; /* data once more, or 0 */
	unsigned iopl;
	bool bitmap_open;
	uint64_t cr[5];
	uint64_t dr[8];
	uint64_t gs_base, xcr0;
	bool no_gp_handler;
	uint16_t es;
	struct cpuid_view view;
};

static bool resolve(struct vcpu *v, uint64_t va, size_t n, uint8_t **to)
{
	if (va >= CODE && va + n <= CODE + v->code_pages * 4096) {
		*to = v->code + (va - CODE);
		return true;
	}
	if (v->high_base && va >= v->high_base)
		va = va - v->high_base + DATA;
	if (va >= DATA && va + n <= DATA + sizeof(v->data)) {
		*to = v->data + (va - DATA);
		return true;
	}
	return false;
}

static bool op_read(void *ctx, uint64_t va, void *to, size_t n)
{
	uint8_t *at;

	if (!resolve(ctx, va, n, &at))
		return false;
	memcpy(to, at, n);
	return true;
}

static bool op_write(void *ctx, uint64_t va, const void *from, size_t n)
{
	uint8_t *at;

	if (!resolve(ctx, va, n, &at))
		return false;
	memcpy(at, from, n);
	return true;
}

static uint16_t op_selector(void *ctx, enum privop_segment segment)
{
	return segment == PRIVOP_ES ? ((struct vcpu *)ctx)->es : 0;
}

static uint64_t op_descriptor(void *ctx, uint16_t selector)
{
	(void)ctx;
	switch (selector) {
	case SEL_KERNEL:
	case SEL_USER: return DESC_CODE64;
	case SEL_USER32: return DESC_CODE32;
	case SEL_USER16: return DESC_CODE16;
	case SEL_SAVED:
	case 0x13: return DESC_CODE64_1;
	case 0x1b: return DESC_CODE64_1 & ~(1ull << 47); /* not present */
	case 0x23: return DESC_CODE64_1 | 1ull << 42;    /* conforming */
	case 0xe03b: return DESC_DATA_1;
	case 0xe02b: return DESC_DATA;
	case 0x17: return DESC_DATA_BASED;
	default: return 0;
	}
}

static unsigned op_iopl(void *ctx)
{
	return ((struct vcpu *)ctx)->iopl;
}

static bool op_io_bitmap(void *ctx, uint16_t port, unsigned bytes)
{
	return ((struct vcpu *)ctx)->bitmap_open && port + bytes <= 0x400;
}

static uint64_t op_get_cr(void *ctx, unsigned cr)
{
	return ((struct vcpu *)ctx)->cr[cr];
}

static bool op_set_cr(void *ctx, unsigned cr, uint64_t value)
{
	struct vcpu *v = ctx;

	if (cr == 3 && value == 0xbad000)
		return false;
	v->cr[cr] = value;
	return true;
}

static uint64_t op_host_cr4(void *ctx)
{
	(void)ctx;
	return CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_SMEP;
}

static bool op_get_dr(void *ctx, unsigned dr, uint64_t *value)
{
	if (dr > 7)
		return false;
	*value = ((struct vcpu *)ctx)->dr[dr];
	return true;
}

static bool op_set_dr(void *ctx, unsigned dr, uint64_t value)
{
	if (dr > 7)
		return false;
	((struct vcpu *)ctx)->dr[dr] = value;
	return true;
}

static bool op_rdmsr(void *ctx, uint32_t msr, uint64_t *value)
{
	struct vcpu *v = ctx;

	switch (msr) {
	case MSR_GS_BASE: *value = v->gs_base; return true;
	case MSR_EFER:
		*value = 0x1d01; /* SVME too */
		return true;
	case MSR_TEST_HW: *value = 77; return true;
	case 0xc0000103: *value = 5; return true;
	default: return false;
	}
}

static bool op_wrmsr(void *ctx, uint32_t msr, uint64_t value)
{
	if (msr != MSR_GS_BASE || (int64_t)(value << 16) >> 16 != (int64_t)value)
		return false;
	((struct vcpu *)ctx)->gs_base = value;
	return true;
}

static bool op_xsetbv(void *ctx, uint32_t index, uint64_t value)
{
	assert_int_equal(index, 0);
	((struct vcpu *)ctx)->xcr0 = value;
	return true;
}

static uint64_t op_rdtsc(void *ctx)
{
	(void)ctx;
	return 0x1122334455667788;
}

static const struct cpuid_view *op_cpuid_view(void *ctx)
{
	return &((struct vcpu *)ctx)->view;
}

static unsigned op_vcpu(void *ctx)
{
	(void)ctx;
	return 0;
}

static bool op_has_gp_handler(void *ctx)
{
	return !((struct vcpu *)ctx)->no_gp_handler;
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

/* A processor with XSAVE and AVX, by AMD. */
static struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case 0: return (struct cpuid_regs){0xd, 0x68747541, 0x444d4163, 0x69746e65};
	case 1: return (struct cpuid_regs){0x800f12, 0x02040800, 0x14000000, 0x0388fbff};
	case 0xd:
		return subleaf == 0   ? (struct cpuid_regs){7, 832, 832, 0}
		       : subleaf == 2 ? (struct cpuid_regs){256, 576, 0, 0}
				      : (struct cpuid_regs){0};
	case 0x80000000: return (struct cpuid_regs){.eax = 0x8000001f};
	default: return (struct cpuid_regs){0};
	}
}

static struct vcpu v;

static void prepare(uint64_t cs, const void *code, size_t n)
{
	memset(&v, 0, sizeof(v));
	v.code_pages = CODE_PAGES;
	v.iopl = 1;
	v.es = 0xe02b;
	v.view = (struct cpuid_view){.host = host_cpuid, .vendor = CPUID_VENDOR_AMD};
	v.f.cs = cs;
	v.f.rip = CODE;
	v.f.rflags = RFLAGS_IF | RFLAGS_RF;
	memcpy(v.code, code, n);
}

#define PREPARE(cs, bytes) prepare(cs, bytes, sizeof(bytes) - 1)

static enum privop_result emulate(void)
{
	return privop_emulate(&v.f, &ops, &v, &v.fault);
}

static void done(unsigned length)
{
	assert_int_equal(emulate(), PRIVOP_DONE);
	assert_int_equal(v.f.rip, CODE + length);
	assert_int_equal(v.f.rflags & RFLAGS_RF, 0);
}

static void faulted(uint8_t vector)
{
	assert_int_equal(emulate(), PRIVOP_FAULTED);
	assert_int_equal(v.fault.vector, vector);
	assert_int_equal(v.f.rip, CODE);
}

static void ports_read_ones_and_swallow_writes(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\xec"); /* in %dx, %al */
	v.f.rax = 0x1122334455667700;
	done(1);
	assert_int_equal(v.f.rax, 0x11223344556677ff);
	PREPARE(SEL_KERNEL, "\x66\xed");
	v.f.rax = 0;
	done(2);
	assert_int_equal(v.f.rax, 0xffff);
	PREPARE(SEL_KERNEL, "\xe5\x70");
	v.f.rax = UINT64_MAX;
	done(2);
	assert_int_equal(v.f.rax, 0xffffffff);
	PREPARE(SEL_KERNEL, "\xe6\x80");
	done(2);
}

static void ports_need_iopl_or_bitmap(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\xec");
	v.iopl = 0;
	faulted(13);
	PREPARE(SEL_USER, "\xec");
	faulted(13);
	PREPARE(SEL_USER, "\xec");
	v.iopl = 3;
	done(1);
	PREPARE(SEL_USER, "\xec");
	v.bitmap_open = true;
	v.f.rdx = 0x3f8;
	done(1);
	PREPARE(SEL_USER, "\xec");
	v.bitmap_open = true;
	v.f.rdx = 0x400;
	faulted(13);
}

static void string_input_fills_memory(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\xf3\x6d"); /* rep insl */
	v.f.rcx = 10;
	v.f.rdi = DATA + 8;
	done(2);
	assert_int_equal(v.f.rcx, 0);
	assert_int_equal(v.f.rdi, DATA + 48);
	assert_int_equal(v.data[7], 0);
	assert_int_equal(v.data[8], 0xff);
	assert_int_equal(v.data[47], 0xff);
	assert_int_equal(v.data[48], 0);

	PREPARE(SEL_KERNEL, "\xf3\x6c"); /* rep insb, backwards */
	v.f.rcx = 3;
	v.f.rdi = DATA + 2;
	v.f.rflags |= RFLAGS_DF;
	done(2);
	assert_int_equal(v.f.rdi, DATA - 1);
	assert_int_equal(v.data[0], 0xff);

	PREPARE(SEL_KERNEL, "\xf3\x6c");
	v.f.rcx = 0;
	v.f.rdi = 0xdead0000;
	done(2);
}

/* The elements before the fault are done, as the processor would. */
static void string_input_stops_at_a_page_fault(void **state)
{
	(void)state;
	PREPARE(SEL_USER, "\xf3\x6c");
	v.iopl = 3;
	v.f.rcx = 10;
	v.f.rdi = DATA + 4096 - 4;
	faulted(14);
	assert_int_equal(v.fault.address, DATA + 4096);
	assert_int_equal(v.fault.error, 6);
	assert_int_equal(v.f.rcx, 6);
	assert_int_equal(v.f.rdi, DATA + 4096);
	assert_int_equal(v.data[4095], 0xff);
}

/* A process with all I/O rights cannot make the adapter write where the process itself could not. */
static void string_input_of_a_process_stays_out_of_the_kernels_half(void **state)
{
	(void)state;
	PREPARE(SEL_USER, "\x6d");
	v.iopl = 3;
	v.high_base = 0xffff880000000000;
	v.f.rdi = v.high_base;
	faulted(14);
	assert_int_equal(v.fault.address, v.high_base);
	assert_int_equal(v.fault.error, 6);
	assert_int_equal(v.data[0], 0);
	PREPARE(SEL_KERNEL, "\x6d");
	v.high_base = 0xffff880000000000;
	v.f.rdi = v.high_base;
	done(1);
	assert_int_equal(v.data[0], 0xff);
}

static void long_strings_are_restarted(void **state)
{
	uint64_t rounds = 0;

	(void)state;
	PREPARE(SEL_KERNEL, "\xf3\x6e"); /* rep outsb, from one long read-only stretch */
	v.f.rcx = 4096;
	v.f.rsi = DATA;
	do {
		assert_int_equal(emulate(), PRIVOP_DONE);
		rounds++;
	} while (v.f.rip == CODE);
	assert_int_equal(v.f.rcx, 0);
	assert_true(rounds > 1 && rounds < 100);
}

static void string_io_honours_segments_of_32_bit_code(void **state)
{
	(void)state;
	PREPARE(SEL_USER32, "\x6c");
	v.iopl = 3;
	v.es = 0x17;
	v.f.rdi = 5;
	done(1);
	assert_int_equal(v.data[5], 0xff);
	PREPARE(SEL_USER32, "\x6c");
	v.iopl = 3;
	v.es = 0; /* null */
	v.f.rdi = DATA;
	faulted(13);
}

static void cli_and_sti_do_nothing(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\xfa");
	v.iopl = 0;
	done(1);
	assert_true(v.f.rflags & RFLAGS_IF);
	PREPARE(SEL_KERNEL, "\xfb");
	done(1);
	PREPARE(SEL_USER, "\xfa");
	v.iopl = 1;
	faulted(13);
	PREPARE(SEL_USER, "\xfa");
	v.iopl = 3;
	done(1);
}

static void single_step_is_reported(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\xfa");
	v.f.rflags |= RFLAGS_TF;
	assert_int_equal(emulate(), PRIVOP_STEPPED);
	assert_int_equal(v.f.rip, CODE + 1);
}

static void control_registers_follow_the_policy(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\x41\x0f\x20\xdd"); /* mov %cr3, %r13 */
	v.cr[3] = 0x1234000;
	done(4);
	assert_int_equal(v.f.r13, 0x1234000);

	PREPARE(SEL_KERNEL, "\x0f\x22\xc0"); /* mov %rax, %cr0 */
	v.cr[0] = v.f.rax = 0x80050033;
	v.f.rax |= CR0_TS;
	done(3);
	assert_true(v.cr[0] & CR0_TS);
	PREPARE(SEL_KERNEL, "\x0f\x22\xc0");
	v.cr[0] = 0x80050033;
	v.f.rax = v.cr[0] & ~(uint64_t)CR0_WP;
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x06"); /* clts */
	v.cr[0] = 0x80050033 | CR0_TS;
	done(2);
	assert_int_equal(v.cr[0], 0x80050033);

	PREPARE(SEL_KERNEL, "\x0f\x22\xe0"); /* mov %rax, %cr4 */
	v.f.rax = UINT64_MAX;
	done(3);
	assert_int_equal(v.cr[4], 4 | CR4_DE | CR4_OSXSAVE | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);

	PREPARE(SEL_KERNEL, "\x0f\x22\xd8"); /* mov %rax, %cr3 */
	v.f.rax = 0xbad000;
	faulted(13);
	PREPARE(SEL_KERNEL, "\x44\x0f\x20\xc0"); /* mov %cr8, %rax */
	faulted(13);
	PREPARE(SEL_USER, "\x0f\x20\xd8");
	faulted(13);
}

static void debug_registers_are_asked_for(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\x0f\x23\xf8"); /* mov %rax, %dr7 */
	v.f.rax = 0x401;
	done(3);
	assert_int_equal(v.dr[7], 0x401);
	PREPARE(SEL_KERNEL, "\x0f\x21\xfb"); /* mov %dr7, %rbx */
	v.dr[7] = 0x402;
	done(3);
	assert_int_equal(v.f.rbx, 0x402);
	PREPARE(SEL_USER, "\x0f\x21\xfb");
	faulted(13);
}

static void read_msr(uint32_t msr, uint64_t expected)
{
	PREPARE(SEL_KERNEL, "\x0f\x32");
	v.f.rcx = 0xffffffff00000000 | msr;
	v.f.rdx = v.f.rax = UINT64_MAX;
	done(2);
	assert_int_equal(v.f.rax, (uint32_t)expected);
	assert_int_equal(v.f.rdx, expected >> 32);
}

static void msrs_follow_the_table(void **state)
{
	(void)state;
	read_msr(MSR_EFER, 0xd01);
	read_msr(MSR_APIC_BASE, 0xfee00900);
	read_msr(0x10, 0x1122334455667788);
	read_msr(MSR_PAT, 0x050100070406);
	read_msr(0xc0010015, 0);
	read_msr(0x179, 2);
	read_msr(0x400, UINT64_MAX);
	read_msr(0x401, 0);

	PREPARE(SEL_KERNEL, "\x0f\x30");
	v.f.rcx = MSR_GS_BASE;
	v.f.rax = 0xffffffff81000000;
	v.f.rdx = 0xffffffff;
	done(2);
	assert_int_equal(v.gs_base, 0xffffffff81000000);
	PREPARE(SEL_KERNEL, "\x0f\x30");
	v.f.rcx = MSR_GS_BASE;
	v.f.rdx = 0x00800000; /* not canonical */
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x30");
	v.f.rcx = MSR_EFER;
	v.f.rax = 0xd01;
	done(2);
	PREPARE(SEL_KERNEL, "\x0f\x30");
	v.f.rcx = MSR_EFER;
	v.f.rax = 0xd00;
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x30");
	v.f.rcx = MSR_LSTAR;
	faulted(13);
	PREPARE(SEL_USER, "\x0f\x32");
	v.f.rcx = MSR_EFER;
	faulted(13);
}

static void unknown_msrs_fault_once_there_is_a_handler(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\x0f\x32");
	v.f.rcx = MSR_TEST_HW;
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x32");
	v.f.rcx = MSR_TEST_HW;
	v.f.rax = 1;
	v.no_gp_handler = true;
	done(2);
	assert_int_equal(v.f.rax, 0);
	PREPARE(SEL_KERNEL, "\x0f\x32");
	v.f.rcx = 0x4321;
	v.no_gp_handler = true;
	faulted(13);
}

static void xsetbv_takes_what_cpuid_promises(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\x0f\x01\xd1");
	v.f.rax = 7;
	done(3);
	assert_int_equal(v.xcr0, 7);
	PREPARE(SEL_KERNEL, "\x0f\x01\xd1");
	v.f.rax = 5; /* AVX without SSE */
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x01\xd1");
	v.f.rax = 0xe7; /* AVX-512 that the processor lacks */
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x01\xd1");
	v.f.rax = 7;
	v.f.rcx = 1;
	faulted(13);
}

static void rdtsc_is_for_whom_the_kernel_lets(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\x0f\x01\xf9");
	v.cr[4] = 4;
	done(3);
	assert_int_equal(v.f.rax, 0x55667788);
	assert_int_equal(v.f.rdx, 0x11223344);
	assert_int_equal(v.f.rcx, 5);
	PREPARE(SEL_USER, "\x0f\x31");
	v.cr[4] = 4;
	faulted(13);
}

static void what_xen_does_not_emulate_is_the_guests_fault(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\xf4"); /* hlt */
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x01\x38"); /* invlpg (%rax) */
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x01\xf8"); /* swapgs */
	faulted(13);
	PREPARE(SEL_KERNEL, "\x90");
	faulted(13);
	PREPARE(SEL_KERNEL, "\x0f\x09"); /* wbinvd: ignored */
	done(2);
	PREPARE(SEL_KERNEL, "\x0f\x08"); /* invd: not, it would lose data */
	faulted(13);
}

static void cpuid_by_prefix_shows_xen(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "\x0f\x0bxen\x0f\xa2");
	v.f.rax = 0x40000000;
	assert_int_equal(privop_emulate_ud(&v.f, &ops, &v, &v.fault), PRIVOP_DONE);
	assert_int_equal(v.f.rip, CODE + 7);
	assert_int_equal(v.f.rax, 0x40000005);
	assert_int_equal(v.f.rbx, 0x566e6558);
	PREPARE(SEL_KERNEL, "\x0f\x0bxxx\x0f\xa2");
	assert_int_equal(privop_emulate_ud(&v.f, &ops, &v, &v.fault), PRIVOP_FAULTED);
	assert_int_equal(v.fault.vector, 6);
	assert_int_equal(v.f.rip, CODE);
}

static void instructions_may_end_at_a_hole(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, "");
	v.code_pages = 1;
	v.f.rip = CODE + 4095;
	v.code[4095] = 0xec;
	assert_int_equal(emulate(), PRIVOP_DONE);
	PREPARE(SEL_KERNEL, "");
	v.code_pages = 1;
	v.f.rip = CODE + 4095;
	v.code[4095] = 0x0f;
	assert_int_equal(emulate(), PRIVOP_FAULTED);
	assert_int_equal(v.fault.vector, 14);
	assert_int_equal(v.fault.address, CODE + 4096);
}

static void int_is_measured(void **state)
{
	(void)state;
	PREPARE(SEL_USER, "\xcd\x80");
	assert_int_equal(privop_int_length(&v.f, &ops, &v, 0x80), 2);
	assert_int_equal(privop_int_length(&v.f, &ops, &v, 0x81), 0);
	PREPARE(SEL_USER, "\x66\xcd\x80");
	assert_int_equal(privop_int_length(&v.f, &ops, &v, 0x80), 3);
	PREPARE(SEL_USER, "\xcc");
	assert_int_equal(privop_int_length(&v.f, &ops, &v, 3), 0);
}

/* The frame that the instruction at CODE is to load lies at DATA. */
static enum privop_result plain_iret(uint64_t cs, uint64_t rip, uint64_t rflags)
{
	uint64_t frame[5] = {rip, cs, rflags, 0x7777, 0xe03b};

	memcpy(v.data, frame, sizeof(frame));
	v.f.rsp = DATA;
	v.f.error = cs & 0xfffc;
	return privop_iret(&v.f, &ops, &v, &v.fault);
}

static void iret_refused(uint64_t cs, uint64_t rip, uint32_t error)
{
	struct frame before;

	assert_int_equal(plain_iret(cs, rip, 0), PRIVOP_FAULTED);
	before = v.f;
	assert_int_equal(v.fault.vector, 13);
	assert_int_equal(v.fault.error, error);
	assert_int_equal(before.rip, CODE);
	assert_int_equal(before.rsp, DATA);
}

#define IRETQ "\x48\xcf"

static void iret_to_the_kernel_itself_is_carried_out(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, IRETQ);
	assert_int_equal(plain_iret(SEL_SAVED | 1ull << 32, 0xffffffff80001234, 0x3d7fd5),
			 PRIVOP_DONE);
	assert_int_equal(v.f.rip, 0xffffffff80001234);
	assert_int_equal(v.f.rsp, 0x7777);
	assert_int_equal(v.f.cs, SEL_KERNEL);
	assert_int_equal(v.f.ss, 0xe039);
	/* IF is always on in the hardware; IOPL, NT, VM, VIF and VIP are not the kernel's to set. */
	assert_int_equal(v.f.rflags, (0x3d7fd5 & ~0x1a7000) | 0x202);
	PREPARE(SEL_KERNEL, IRETQ);
	assert_int_equal(plain_iret(0x13, 0x1000, 0), PRIVOP_DONE);
	PREPARE(SEL_KERNEL, IRETQ);
	v.f.rflags |= RFLAGS_TF;
	assert_int_equal(plain_iret(SEL_SAVED, 0x1000, 0), PRIVOP_STEPPED);
}

static void iret_to_anything_else_is_an_error(void **state)
{
	(void)state;
	PREPARE(SEL_KERNEL, IRETQ);
	iret_refused(SEL_SAVED & ~3, 0x1000, 0xe018); /* as on Xen, whose kernels are in ring 3 */
	iret_refused(SEL_KERNEL, 0x1000, 0xe018);
	iret_refused(SEL_USER, 0x1000, 0xe030);
	iret_refused(0x1b, 0x1000, 0x18);
	iret_refused(0x23, 0x1000, 0x20);
	iret_refused(0xe03b, 0x1000, 0xe038);
	iret_refused(0x8003, 0x1000, 0x8000);
	iret_refused(SEL_SAVED, 0x0000800000000000, 0);
	PREPARE(SEL_KERNEL, "\xcf"); /* iretl */
	iret_refused(SEL_SAVED, 0x1000, 0xe018);
	PREPARE(SEL_KERNEL, "\x8e\xd8"); /* mov %eax, %ds */
	iret_refused(SEL_SAVED, 0x1000, 0xe018);
	PREPARE(SEL_USER, IRETQ);
	iret_refused(SEL_SAVED, 0x1000, 0xe018);
	PREPARE(SEL_KERNEL, IRETQ);
	v.f.rsp = DATA + sizeof(v.data) - 39;
	v.f.error = 0xe018;
	assert_int_equal(privop_iret(&v.f, &ops, &v, &v.fault), PRIVOP_FAULTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ports_read_ones_and_swallow_writes),
	    cmocka_unit_test(ports_need_iopl_or_bitmap),
	    cmocka_unit_test(string_input_fills_memory),
	    cmocka_unit_test(string_input_stops_at_a_page_fault),
	    cmocka_unit_test(string_input_of_a_process_stays_out_of_the_kernels_half),
	    cmocka_unit_test(long_strings_are_restarted),
	    cmocka_unit_test(string_io_honours_segments_of_32_bit_code),
	    cmocka_unit_test(cli_and_sti_do_nothing),
	    cmocka_unit_test(single_step_is_reported),
	    cmocka_unit_test(control_registers_follow_the_policy),
	    cmocka_unit_test(debug_registers_are_asked_for),
	    cmocka_unit_test(msrs_follow_the_table),
	    cmocka_unit_test(unknown_msrs_fault_once_there_is_a_handler),
	    cmocka_unit_test(xsetbv_takes_what_cpuid_promises),
	    cmocka_unit_test(rdtsc_is_for_whom_the_kernel_lets),
	    cmocka_unit_test(what_xen_does_not_emulate_is_the_guests_fault),
	    cmocka_unit_test(cpuid_by_prefix_shows_xen),
	    cmocka_unit_test(instructions_may_end_at_a_hole),
	    cmocka_unit_test(int_is_measured),
	    cmocka_unit_test(iret_to_the_kernel_itself_is_carried_out),
	    cmocka_unit_test(iret_to_anything_else_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
