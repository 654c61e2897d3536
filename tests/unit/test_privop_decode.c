/* SPDX-License-Identifier: MIT */
/* The decoder, on what the assembler makes of each instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/x86/privop.h"

#define SAMPLE(name, code) \
	asm(".pushsection .rodata\nsample_" name ":\n" code "\nsample_" name "_end:\n.popsection")
#define SAMPLE64(name, code) SAMPLE(#name, ".code64\n" code)
#define SAMPLE32(name, code) SAMPLE(#name, ".code32\n" code "\n.code64")
#define SAMPLE16(name, code) SAMPLE(#name, ".code16\n" code "\n.code64")

/* name, mode, assembly, expectation */
#define SAMPLES(S)                                                                                \
	S(in_imm8, 64, "in $0x61, %al", .kind = PRIVOP_IN, .operand = 1, .immediate = 0x61)       \
	S(in_imm32, 64, "in $0x61, %eax", .kind = PRIVOP_IN, .operand = 4, .immediate = 0x61)     \
	S(in_imm16, 64, "in $0x61, %ax", .kind = PRIVOP_IN, .operand = 2, .immediate = 0x61)      \
	S(in_dx8, 64, "in %dx, %al", .kind = PRIVOP_IN, .operand = 1, .port_in_dx = true)         \
	S(in_dx16, 64, "in %dx, %ax", .kind = PRIVOP_IN, .operand = 2, .port_in_dx = true)        \
	S(in_dx32, 64, "in %dx, %eax", .kind = PRIVOP_IN, .operand = 4, .port_in_dx = true)       \
	S(in_rexw, 64, ".byte 0x48; in %dx, %eax", .kind = PRIVOP_IN, .operand = 4,               \
	  .port_in_dx = true)                                                                     \
	S(out_imm8, 64, "out %al, $0x80", .kind = PRIVOP_OUT, .operand = 1, .immediate = 0x80)    \
	S(out_dx32, 64, "out %eax, %dx", .kind = PRIVOP_OUT, .operand = 4, .port_in_dx = true)    \
	S(out_dx16_mode16, 16, "out %ax, %dx", .kind = PRIVOP_OUT, .operand = 2,                  \
	  .port_in_dx = true)                                                                     \
	S(insb, 64, "insb", .kind = PRIVOP_INS, .operand = 1, .address = 8, .port_in_dx = true)   \
	S(rep_insl, 64, "rep insl", .kind = PRIVOP_INS, .operand = 4, .address = 8, .rep = true,  \
	  .port_in_dx = true)                                                                     \
	S(rep_insw_addr32, 64, "addr32 rep insw", .kind = PRIVOP_INS, .operand = 2, .address = 4, \
	  .rep = true, .port_in_dx = true)                                                        \
	S(outsb_fs, 64, "outsb %fs:(%rsi), %dx", .kind = PRIVOP_OUTS, .operand = 1, .address = 8, \
	  .segment = PRIVOP_FS, .port_in_dx = true)                                               \
	S(rep_outsl_es_32, 32, "rep outsl %es:(%esi), %dx", .kind = PRIVOP_OUTS, .operand = 4,    \
	  .address = 4, .segment = PRIVOP_ES, .rep = true, .port_in_dx = true)                    \
	S(outsl_es_ignored, 64, ".byte 0x26; outsl", .kind = PRIVOP_OUTS, .operand = 4,           \
	  .address = 8, .port_in_dx = true)                                                       \
	S(cli, 64, "cli", .kind = PRIVOP_CLI)                                                     \
	S(sti, 32, "sti", .kind = PRIVOP_STI)                                                     \
	S(sti_prefixed, 64, ".byte 0x66, 0x2e, 0x48; sti", .kind = PRIVOP_STI)                    \
	S(hlt, 64, "hlt", .kind = PRIVOP_HLT)                                                     \
	S(rdmsr, 64, "rdmsr", .kind = PRIVOP_RDMSR)                                               \
	S(wrmsr, 64, "wrmsr", .kind = PRIVOP_WRMSR)                                               \
	S(rdpmc, 64, "rdpmc", .kind = PRIVOP_RDPMC)                                               \
	S(rdtsc, 64, "rdtsc", .kind = PRIVOP_RDTSC)                                               \
	S(rdtscp, 64, "rdtscp", .kind = PRIVOP_RDTSCP)                                            \
	S(cpuid, 64, "cpuid", .kind = PRIVOP_CPUID)                                               \
	S(xen_cpuid, 64, "ud2a; .ascii \"xen\"; cpuid", .kind = PRIVOP_XEN_CPUID)                 \
	S(xsetbv, 64, "xsetbv", .kind = PRIVOP_XSETBV)                                            \
	S(clts, 64, "clts", .kind = PRIVOP_CLTS)                                                  \
	S(invd, 64, "invd", .kind = PRIVOP_INVD)                                                  \
	S(wbinvd, 64, "wbinvd", .kind = PRIVOP_WBINVD)                                            \
	S(swapgs, 64, "swapgs", .kind = PRIVOP_SWAPGS)                                            \
	S(iretq, 64, "iretq", .kind = PRIVOP_IRET, .operand = 8)                                  \
	S(iretd, 64, "iretl", .kind = PRIVOP_IRET, .operand = 4)                                  \
	S(int80, 64, "int $0x80", .kind = PRIVOP_INT, .immediate = 0x80)                          \
	S(int82_32, 32, "int $0x82", .kind = PRIVOP_INT, .immediate = 0x82)                       \
	S(read_cr0, 64, "mov %cr0, %rax", .kind = PRIVOP_READ_CR, .control = 0, .operand = 8)     \
	S(read_cr2, 64, "mov %cr2, %r13", .kind = PRIVOP_READ_CR, .control = 2, .reg = 13,        \
	  .operand = 8)                                                                           \
	S(read_cr8, 64, "mov %cr8, %rdi", .kind = PRIVOP_READ_CR, .control = 8, .reg = 7,         \
	  .operand = 8)                                                                           \
	S(write_cr3, 64, "mov %rbx, %cr3", .kind = PRIVOP_WRITE_CR, .control = 3, .reg = 3,       \
	  .operand = 8)                                                                           \
	S(write_cr4_32, 32, "mov %ecx, %cr4", .kind = PRIVOP_WRITE_CR, .control = 4, .reg = 1,    \
	  .operand = 4)                                                                           \
	S(read_dr7, 64, "mov %dr7, %r8", .kind = PRIVOP_READ_DR, .control = 7, .reg = 8,          \
	  .operand = 8)                                                                           \
	S(write_dr0, 64, "mov %rsp, %dr0", .kind = PRIVOP_WRITE_DR, .control = 0, .reg = 4,       \
	  .operand = 8)                                                                           \
	S(lmsw_reg, 64, "lmsw %ax", .kind = PRIVOP_LMSW)                                          \
	S(lmsw_mem, 64, "lmsw 8(%rsp)", .kind = PRIVOP_LMSW)                                      \
	S(invlpg_base, 64, "invlpg (%rax)", .kind = PRIVOP_INVLPG)                                \
	S(invlpg_sib, 64, "invlpg 0x12345678(%r12,%r9,8)", .kind = PRIVOP_INVLPG)                 \
	S(invlpg_sib_nobase, 64, "invlpg 0x1234(,%rax,4)", .kind = PRIVOP_INVLPG)                 \
	S(invlpg_rip, 64, "invlpg 0x1234(%rip)", .kind = PRIVOP_INVLPG)                           \
	S(invlpg_disp8, 64, "invlpg -8(%rbp)", .kind = PRIVOP_INVLPG)                             \
	S(invlpg_gs, 64, "invlpg %gs:16(%r13)", .kind = PRIVOP_INVLPG, .segment = PRIVOP_GS)      \
	S(invlpg_addr16, 16, "invlpg 0x1234", .kind = PRIVOP_INVLPG)                              \
	S(invlpg_bx_si, 16, "invlpg 0x1234(%bx,%si)", .kind = PRIVOP_INVLPG)                      \
	S(lgdt, 64, "lgdt (%rdi)", .kind = PRIVOP_LGDT)                                           \
	S(lidt, 64, "lidt 16(%rsp)", .kind = PRIVOP_LIDT)                                         \
	S(lldt, 64, "lldt %ax", .kind = PRIVOP_LLDT)                                              \
	S(ltr_mem, 64, "ltr 4(%rcx)", .kind = PRIVOP_LTR)

#define EMIT(name, mode, code, ...) SAMPLE##mode(name, code);
SAMPLES(EMIT)
#define DECLARE(name, mode, code, ...) extern const uint8_t sample_##name[], sample_##name##_end[];
SAMPLES(DECLARE)

/* A field that an expectation leaves at 0 is not compared, except `rep`. */
static const struct sample {
	const char *name;
	enum privop_mode mode;
	const uint8_t *code, *end;
	struct privop expect;
} samples[] = {
#define ROW(name, mode, code, ...) \
	{#name, PRIVOP_MODE_##mode, sample_##name, sample_##name##_end, {__VA_ARGS__}},
    SAMPLES(ROW)};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void every_instruction_decodes_with_its_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		const struct sample *s = &samples[i];
		uint8_t bytes[PRIVOP_LENGTH_MAX];
		struct privop op;

		/* What follows an instruction does not matter. */
		memset(bytes, 0xcc, sizeof(bytes));
		memcpy(bytes, s->code, (size_t)(s->end - s->code));
		print_message("# %s\n", s->name);
		assert_int_equal(privop_decode(bytes, sizeof(bytes), s->mode, &op), PRIVOP_DECODED);
		assert_int_equal(op.length, s->end - s->code);
		assert_int_equal(op.kind, s->expect.kind);
		assert_int_equal(op.rep, s->expect.rep);
		assert_int_equal(op.port_in_dx, s->expect.port_in_dx);
		assert_int_equal(op.immediate, s->expect.immediate);
		assert_int_equal(op.control, s->expect.control);
		assert_int_equal(op.reg, s->expect.reg);
		if (s->expect.operand)
			assert_int_equal(op.operand, s->expect.operand);
		if (s->expect.address)
			assert_int_equal(op.address, s->expect.address);
		assert_int_equal(op.segment, s->expect.segment ? s->expect.segment : op.segment);
	}
}

static void a_cut_instruction_asks_for_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		const struct sample *s = &samples[i];
		struct privop op;

		for (size_t n = 0; n < (size_t)(s->end - s->code); n++)
			assert_int_equal(privop_decode(s->code, n, s->mode, &op), PRIVOP_SHORT);
	}
}

static void segments_default_to_ds(void **state)
{
	struct privop op;

	(void)state;
	assert_int_equal(privop_decode((const uint8_t *)"\x6e", 1, PRIVOP_MODE_64, &op),
			 PRIVOP_DECODED);
	assert_int_equal(op.segment, PRIVOP_DS);
	assert_int_equal(privop_decode((const uint8_t *)"\x26\x6e", 2, PRIVOP_MODE_64, &op),
			 PRIVOP_DECODED);
	assert_int_equal(op.segment, PRIVOP_DS);
}

static void other_instructions_are_unknown(void **state)
{
	static const struct {
		enum privop_mode mode;
		uint8_t n, bytes[PRIVOP_LENGTH_MAX];
	} cases[] = {
	    {PRIVOP_MODE_64, 1, {0x90}},                      /* nop */
	    {PRIVOP_MODE_64, 2, {0x0f, 0x05}},                /* syscall */
	    {PRIVOP_MODE_64, 3, {0x0f, 0x01, 0xc8}},          /* monitor */
	    {PRIVOP_MODE_64, 3, {0x0f, 0x01, 0xe0}},          /* smsw, which does not trap */
	    {PRIVOP_MODE_64, 3, {0x0f, 0x00, 0xc0}},          /* sldt */
	    {PRIVOP_MODE_32, 3, {0x0f, 0x01, 0xf8}},          /* swapgs needs 64-bit mode */
	    {PRIVOP_MODE_64, 2, {0xf0, 0xfa}},                /* lock cli */
	    {PRIVOP_MODE_32, 2, {0x48, 0xfa}},                /* dec eax, then cli */
	    {PRIVOP_MODE_64, 4, {0x66, 0x0f, 0x01, 0xd1}},    /* xsetbv takes no prefix */
	    {PRIVOP_MODE_64, 7, {0x0f, 0x0b, 'x', 'e', 'm'}}, /* not Xen's prefix */
	    {PRIVOP_MODE_64, 7, {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0x0b}},
	};
	struct privop op;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(privop_decode(cases[i].bytes, cases[i].n, cases[i].mode, &op),
				 PRIVOP_UNKNOWN);
	}
}

/* 14 prefixes and one byte are an instruction; 15 and one are not. */
static void fifteen_bytes_are_the_limit(void **state)
{
	uint8_t bytes[PRIVOP_LENGTH_MAX + 1];
	struct privop op;

	(void)state;
	memset(bytes, 0x66, sizeof(bytes));
	bytes[14] = 0xfa;
	assert_int_equal(privop_decode(bytes, 16, PRIVOP_MODE_64, &op), PRIVOP_DECODED);
	assert_int_equal(op.length, 15);
	bytes[14] = 0x66;
	bytes[15] = 0xfa;
	assert_int_equal(privop_decode(bytes, 16, PRIVOP_MODE_64, &op), PRIVOP_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_instruction_decodes_with_its_length),
	    cmocka_unit_test(a_cut_instruction_asks_for_more),
	    cmocka_unit_test(segments_default_to_ds),
	    cmocka_unit_test(other_instructions_are_unknown),
	    cmocka_unit_test(fifteen_bytes_are_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
