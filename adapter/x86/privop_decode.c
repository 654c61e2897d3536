/* SPDX-License-Identifier: MIT */
/*
 * The decoder: prefixes, one- and two-byte opcodes of the instructions that privop.h lists, ModRM as far as the length
 * needs it. Encodings are from the Intel SDM volume 2.
 */
#include "adapter/x86/privop.h"

#include "core/string.h"

#define REX_W 8u
#define REX_R 4u
#define REX_B 1u

#define MODRM_NONE 0xffu

struct decoder {
	const uint8_t *bytes;
	size_t n, at;
	enum privop_mode mode;
	bool operand_prefix, address_prefix, lock, repne, rep;
	uint8_t rex;
	bool short_of_bytes;
	struct privop *op;
};

static uint8_t next(struct decoder *d)
{
	if (d->at < d->n && d->at < PRIVOP_LENGTH_MAX)
		return d->bytes[d->at++];
	/* Beyond 15 bytes it is no instruction, however many bytes there are. */
	if (d->at < PRIVOP_LENGTH_MAX)
		d->short_of_bytes = true;
	d->at = PRIVOP_LENGTH_MAX + 1;
	return 0;
}

static bool overrun(const struct decoder *d)
{
	return d->at > PRIVOP_LENGTH_MAX;
}

static void skip(struct decoder *d, unsigned n)
{
	while (n--)
		next(d);
}

/* In 64-bit mode ES, CS, SS and DS prefixes are ignored, but they undo an earlier FS or GS no more than that. */
static void segment_prefix(struct decoder *d, enum privop_segment segment)
{
	if (d->mode != PRIVOP_MODE_64 || segment >= PRIVOP_FS)
		d->op->segment = segment;
}

static bool legacy_prefix(struct decoder *d, uint8_t byte)
{
	switch (byte) {
	case 0x26: segment_prefix(d, PRIVOP_ES); return true;
	case 0x2e: segment_prefix(d, PRIVOP_CS); return true;
	case 0x36: segment_prefix(d, PRIVOP_SS); return true;
	case 0x3e: segment_prefix(d, PRIVOP_DS); return true;
	case 0x64: segment_prefix(d, PRIVOP_FS); return true;
	case 0x65: segment_prefix(d, PRIVOP_GS); return true;
	case 0x66: d->operand_prefix = true; return true;
	case 0x67: d->address_prefix = true; return true;
	case 0xf0: d->lock = true; return true;
	case 0xf2:
		d->repne = true;
		d->rep = false;
		return true;
	case 0xf3:
		d->rep = true;
		d->repne = false;
		return true;
	default: return false;
	}
}

/* Returns the opcode's first byte. A REX prefix counts only right before it. */
static uint8_t prefixes(struct decoder *d)
{
	for (;;) {
		uint8_t byte = next(d);

		if (legacy_prefix(d, byte)) {
			d->rex = 0;
		} else if (d->mode == PRIVOP_MODE_64 && (byte & 0xf0) == 0x40) {
			d->rex = byte;
		} else {
			return byte;
		}
	}
}

static void sizes(struct decoder *d)
{
	struct privop *op = d->op;

	switch (d->mode) {
	case PRIVOP_MODE_16:
		op->operand = d->operand_prefix ? 4 : 2;
		op->address = d->address_prefix ? 4 : 2;
		break;
	case PRIVOP_MODE_32:
		op->operand = d->operand_prefix ? 2 : 4;
		op->address = d->address_prefix ? 2 : 4;
		break;
	case PRIVOP_MODE_64:
		op->operand = d->rex & REX_W ? 8 : d->operand_prefix ? 2 : 4;
		op->address = d->address_prefix ? 4 : 8;
		break;
	}
}

static void skip_memory_operand(struct decoder *d, uint8_t modrm)
{
	uint8_t mod = modrm >> 6, rm = modrm & 7;

	if (mod == 3)
		return;
	if (d->op->address == 2) {
		skip(d, mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
		return;
	}
	if (rm == 4) {
		uint8_t sib = next(d);

		if (mod == 0 && (sib & 7) == 5)
			skip(d, 4);
	} else if (mod == 0 && rm == 5) {
		skip(d, 4);
	}
	skip(d, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static bool set(struct decoder *d, enum privop_kind kind)
{
	d->op->kind = kind;
	return true;
}

static bool port_io(struct decoder *d, enum privop_kind kind, uint8_t opcode, bool dx)
{
	struct privop *op = d->op;

	op->port_in_dx = dx;
	if (!dx)
		op->immediate = next(d);
	/* The low opcode bit tells bytes from words; no port is 8 bytes wide. */
	op->operand = !(opcode & 1) ? 1 : op->operand == 8 ? 4 : op->operand;
	return set(d, kind);
}

static bool one_byte(struct decoder *d, uint8_t opcode)
{
	switch (opcode) {
	case 0x6c:
	case 0x6d: return port_io(d, PRIVOP_INS, opcode, true);
	case 0x6e:
	case 0x6f: return port_io(d, PRIVOP_OUTS, opcode, true);
	case 0xe4:
	case 0xe5: return port_io(d, PRIVOP_IN, opcode, false);
	case 0xe6:
	case 0xe7: return port_io(d, PRIVOP_OUT, opcode, false);
	case 0xec:
	case 0xed: return port_io(d, PRIVOP_IN, opcode, true);
	case 0xee:
	case 0xef: return port_io(d, PRIVOP_OUT, opcode, true);
	case 0xcd: d->op->immediate = next(d); return set(d, PRIVOP_INT);
	case 0xcf: return set(d, PRIVOP_IRET);
	case 0xf4: return set(d, PRIVOP_HLT);
	case 0xfa: return set(d, PRIVOP_CLI);
	case 0xfb: return set(d, PRIVOP_STI);
	default: return false;
	}
}

/* 0F 01, whose register forms are instructions of their own. */
static bool group7(struct decoder *d)
{
	uint8_t modrm = next(d);

	switch (modrm) {
	case 0xd1: return !d->operand_prefix && !d->rep && !d->repne && set(d, PRIVOP_XSETBV);
	case 0xf8: return d->mode == PRIVOP_MODE_64 && set(d, PRIVOP_SWAPGS);
	case 0xf9: return set(d, PRIVOP_RDTSCP);
	}
	skip_memory_operand(d, modrm);
	switch (modrm >> 3 & 7) {
	case 2: return modrm < 0xc0 && set(d, PRIVOP_LGDT);
	case 3: return modrm < 0xc0 && set(d, PRIVOP_LIDT);
	case 6: return set(d, PRIVOP_LMSW);
	case 7: return modrm < 0xc0 && set(d, PRIVOP_INVLPG);
	default: return false;
	}
}

static bool group6(struct decoder *d)
{
	uint8_t modrm = next(d);

	skip_memory_operand(d, modrm);
	switch (modrm >> 3 & 7) {
	case 2: return set(d, PRIVOP_LLDT);
	case 3: return set(d, PRIVOP_LTR);
	default: return false;
	}
}

/* The mod field is ignored: the operand is always a register. */
static bool control_register(struct decoder *d, enum privop_kind kind)
{
	uint8_t modrm = next(d);

	d->op->control = (modrm >> 3 & 7) | (d->rex & REX_R ? 8 : 0);
	d->op->reg = (modrm & 7) | (d->rex & REX_B ? 8 : 0);
	d->op->operand = d->mode == PRIVOP_MODE_64 ? 8 : 4;
	return set(d, kind);
}

static bool two_byte(struct decoder *d)
{
	switch (next(d)) {
	case 0x00: return group6(d);
	case 0x01: return group7(d);
	case 0x06: return set(d, PRIVOP_CLTS);
	case 0x08: return set(d, PRIVOP_INVD);
	case 0x09: return set(d, PRIVOP_WBINVD);
	case 0x20: return control_register(d, PRIVOP_READ_CR);
	case 0x21: return control_register(d, PRIVOP_READ_DR);
	case 0x22: return control_register(d, PRIVOP_WRITE_CR);
	case 0x23: return control_register(d, PRIVOP_WRITE_DR);
	case 0x30: return set(d, PRIVOP_WRMSR);
	case 0x31: return set(d, PRIVOP_RDTSC);
	case 0x32: return set(d, PRIVOP_RDMSR);
	case 0x33: return set(d, PRIVOP_RDPMC);
	case 0xa2: return set(d, PRIVOP_CPUID);
	default: return false;
	}
}

/* XEN_EMULATE_PREFIX (xen/arch-x86/xen.h), then CPUID without prefixes of its own. */
static const uint8_t xen_cpuid[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};

static enum privop_decoded decode_xen_cpuid(const uint8_t *bytes, size_t n, struct privop *op)
{
	if (memcmp(bytes, xen_cpuid, n < sizeof(xen_cpuid) ? n : sizeof(xen_cpuid)))
		return PRIVOP_UNKNOWN;
	if (n < sizeof(xen_cpuid))
		return PRIVOP_SHORT;
	op->kind = PRIVOP_XEN_CPUID;
	op->length = sizeof(xen_cpuid);
	return PRIVOP_DECODED;
}

enum privop_decoded privop_decode(const uint8_t *bytes, size_t n, enum privop_mode mode,
				  struct privop *op)
{
	struct decoder d = {.bytes = bytes, .n = n, .mode = mode, .op = op};
	uint8_t opcode;
	bool known;

	*op = (struct privop){.segment = PRIVOP_DS};
	if (n >= 2 && bytes[0] == 0x0f && bytes[1] == 0x0b)
		return decode_xen_cpuid(bytes, n, op);

	opcode = prefixes(&d);
	sizes(&d);
	known = opcode == 0x0f ? two_byte(&d) : one_byte(&d, opcode);
	if (d.short_of_bytes)
		return PRIVOP_SHORT;
	/* LOCK makes any of these #UD, except that AMD gives mov to and from CR0 with it the meaning CR8. */
	if (!known || overrun(&d) || d.lock)
		return PRIVOP_UNKNOWN;
	op->rep = (d.rep || d.repne) && (op->kind == PRIVOP_INS || op->kind == PRIVOP_OUTS);
	op->length = (uint8_t)d.at;
	return PRIVOP_DECODED;
}
