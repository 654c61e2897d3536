/* SPDX-License-Identifier: MIT */
/*
 * The decoder against Capstone: what it decodes has the length and the meaning that Capstone gives it. First byte: mode;
 * the rest: code.
 */
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>

#include "adapter/x86/privop.h"

/* What Capstone may call it; 0 ends. */
static const unsigned names[][7] = {
    [PRIVOP_IN] = {X86_INS_IN},
    [PRIVOP_OUT] = {X86_INS_OUT},
    [PRIVOP_INS] = {X86_INS_INSB, X86_INS_INSW, X86_INS_INSD},
    [PRIVOP_OUTS] = {X86_INS_OUTSB, X86_INS_OUTSW, X86_INS_OUTSD},
    [PRIVOP_CLI] = {X86_INS_CLI},
    [PRIVOP_STI] = {X86_INS_STI},
    [PRIVOP_RDMSR] = {X86_INS_RDMSR},
    [PRIVOP_WRMSR] = {X86_INS_WRMSR},
    [PRIVOP_READ_CR] = {X86_INS_MOV},
    [PRIVOP_WRITE_CR] = {X86_INS_MOV},
    [PRIVOP_READ_DR] = {X86_INS_MOV},
    [PRIVOP_WRITE_DR] = {X86_INS_MOV},
    [PRIVOP_CLTS] = {X86_INS_CLTS},
    [PRIVOP_WBINVD] = {X86_INS_WBINVD},
    [PRIVOP_XSETBV] = {X86_INS_XSETBV},
    [PRIVOP_RDTSC] = {X86_INS_RDTSC},
    [PRIVOP_RDTSCP] = {X86_INS_RDTSCP},
    [PRIVOP_CPUID] = {X86_INS_CPUID},
    [PRIVOP_IRET] = {X86_INS_IRET, X86_INS_IRETD, X86_INS_IRETQ},
    [PRIVOP_INT] = {X86_INS_INT},
    [PRIVOP_RDPMC] = {X86_INS_RDPMC},
    [PRIVOP_LMSW] = {X86_INS_LMSW},
    [PRIVOP_HLT] = {X86_INS_HLT},
    [PRIVOP_INVLPG] = {X86_INS_INVLPG},
    [PRIVOP_INVD] = {X86_INS_INVD},
    [PRIVOP_LGDT] = {X86_INS_LGDT},
    [PRIVOP_LIDT] = {X86_INS_LIDT},
    [PRIVOP_LLDT] = {X86_INS_LLDT},
    [PRIVOP_LTR] = {X86_INS_LTR},
    [PRIVOP_SWAPGS] = {X86_INS_SWAPGS},
};

static csh handles[3];
static cs_insn *insn;

static void open_capstone(void)
{
	static const cs_mode modes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};

	for (int i = 0; i < 3; i++) {
		if (cs_open(CS_ARCH_X86, modes[i], &handles[i]) != CS_ERR_OK)
			abort();
	}
	insn = cs_malloc(handles[0]);
}

static void check_name(enum privop_kind kind, unsigned id)
{
	for (unsigned i = 0; names[kind][i]; i++) {
		if (names[kind][i] == id)
			return;
	}
	abort();
}

/* Whatever the length, less of it is never another instruction. */
static void check_prefixes(const uint8_t *code, const struct privop *op, enum privop_mode mode)
{
	struct privop other;

	for (size_t n = 0; n < op->length; n++) {
		if (privop_decode(code, n, mode, &other) != PRIVOP_SHORT)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum privop_mode mode;
	struct privop op;
	const uint8_t *code;
	size_t n;
	uint64_t address = 0;

	if (!insn)
		open_capstone();
	if (!size)
		return 0;
	mode = data[0] % 3;
	code = data + 1;
	n = size - 1;
	if (privop_decode(code, n, mode, &op) != PRIVOP_DECODED)
		return 0;
	if (op.length > n || op.length > PRIVOP_LENGTH_MAX)
		abort();
	check_prefixes(code, &op, mode);
	if (op.kind == PRIVOP_XEN_CPUID)
		return 0;
	/* Capstone knows fewer prefixes in a row than the processor; where it gives up there is nothing to compare. */
	if (!cs_disasm_iter(handles[mode], &code, &n, &address, insn))
		return 0;
	if (insn->size != op.length)
		abort();
	check_name(op.kind, insn->id);
	return 0;
}
