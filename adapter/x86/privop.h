/* SPDX-License-Identifier: MIT */
/*
 * Instructions that the guest may not run: they arrive as #GP (or, with Xen's prefix, as #UD) and do here what they do
 * for an unprivileged PV guest of Xen. Where Xen 4.17 and this differ, the .c says so and why.
 *
 * Everything here is pure but for the calls in struct privop_ops, so it runs hosted.
 */
#ifndef XENOLITH_X86_PRIVOP_H
#define XENOLITH_X86_PRIVOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapter/x86/asm.h"
#include "adapter/x86/cpuid_policy.h"
#include "adapter/x86/frame.h"

/*
 * The decoder.
 */

#define PRIVOP_LENGTH_MAX 15 /* Intel SDM volume 2, 2.3.11 */

enum privop_mode { PRIVOP_MODE_16, PRIVOP_MODE_32, PRIVOP_MODE_64 };

enum privop_kind {
	PRIVOP_IN,
	PRIVOP_OUT,
	PRIVOP_INS,
	PRIVOP_OUTS,
	PRIVOP_CLI,
	PRIVOP_STI,
	PRIVOP_RDMSR,
	PRIVOP_WRMSR,
	PRIVOP_READ_CR,
	PRIVOP_WRITE_CR,
	PRIVOP_READ_DR,
	PRIVOP_WRITE_DR,
	PRIVOP_CLTS,
	PRIVOP_WBINVD,
	PRIVOP_XSETBV,
	PRIVOP_RDTSC,
	PRIVOP_RDTSCP,
	PRIVOP_CPUID,
	PRIVOP_XEN_CPUID, /* ud2a; .ascii "xen"; cpuid */
	PRIVOP_IRET,
	PRIVOP_INT,
	/* What Xen leaves to the guest's own #GP handler. */
	PRIVOP_RDPMC,
	PRIVOP_LMSW,
	PRIVOP_HLT,
	PRIVOP_INVLPG,
	PRIVOP_INVD,
	PRIVOP_LGDT,
	PRIVOP_LIDT,
	PRIVOP_LLDT,
	PRIVOP_LTR,
	PRIVOP_SWAPGS,
};

enum privop_segment { PRIVOP_ES, PRIVOP_CS, PRIVOP_SS, PRIVOP_DS, PRIVOP_FS, PRIVOP_GS };

struct privop {
	enum privop_kind kind;
	enum privop_segment segment; /* of a memory operand that may be overridden: OUTS only */
	uint8_t length;              /* bytes, prefixes included */
	uint8_t operand;             /* bytes of the data: 1, 2, 4 or 8 */
	uint8_t address;             /* bytes of an address: 2, 4 or 8 */
	bool rep;
	bool port_in_dx;
	uint8_t immediate; /* port or vector */
	uint8_t control;   /* CR or DR number */
	uint8_t reg;       /* general register, in the processor's numbering */
};

enum privop_decoded {
	PRIVOP_DECODED,
	PRIVOP_UNKNOWN, /* not one of these instructions */
	PRIVOP_SHORT,   /* perhaps one, if there are more bytes */
};

enum privop_decoded privop_decode(const uint8_t *bytes, size_t n, enum privop_mode mode,
				  struct privop *op);

/*
 * The executor.
 */

/* What it asks of the virtual processor. `ctx` is the caller's. */
struct privop_ops {
	/* Guest memory as the interrupted code sees it; false: some of it is not accessible, nothing is promised then. */
	bool (*read)(void *ctx, uint64_t va, void *to, size_t n);
	bool (*write)(void *ctx, uint64_t va, const void *from, size_t n);

	/* What the interrupted code has in DS, ES, FS or GS, which the adapter has not touched since. */
	uint16_t (*selector)(void *ctx, enum privop_segment segment);

	/* The segment descriptor that a selector names, from the guest's GDT or LDT; 0 where there is none. */
	uint64_t (*descriptor)(void *ctx, uint16_t selector);

	/* PHYSDEVOP_set_iopl (0 to 3), and whether PHYSDEVOP_set_iobitmap lets `bytes` ports from `port` on through. */
	unsigned (*iopl)(void *ctx);
	bool (*io_bitmap)(void *ctx, uint16_t port, unsigned bytes);

	/* CR0 (the hardware's, with the guest's TS), CR2, CR3 (guest frames), CR4 (the guest's). */
	uint64_t (*get_cr)(void *ctx, unsigned cr);
	/* CR0: only TS has changed. CR4: went through cr4_policy. False: the guest may not. */
	bool (*set_cr)(void *ctx, unsigned cr, uint64_t value);
	uint64_t (*host_cr4)(void *ctx);

	/* As HYPERVISOR_get_debugreg and set_debugreg. */
	bool (*get_dr)(void *ctx, unsigned dr, uint64_t *value);
	bool (*set_dr)(void *ctx, unsigned dr, uint64_t value);

	/* The hardware; false where the instruction itself raises #GP. */
	bool (*rdmsr)(void *ctx, uint32_t msr, uint64_t *value);
	bool (*wrmsr)(void *ctx, uint32_t msr, uint64_t value);
	bool (*xsetbv)(void *ctx, uint32_t index, uint64_t value);
	uint64_t (*rdtsc)(void *ctx);

	/* What CPUID shall show this VP now; see cpuid_policy.h. Lives until the next call. */
	const struct cpuid_view *(*cpuid_view)(void *ctx);
	unsigned (*vcpu)(void *ctx); /* vCPU number */
	bool (*has_gp_handler)(void *ctx);
};

/* What the guest gets instead. */
struct privop_fault {
	uint8_t vector;   /* 6 #UD, 13 #GP, 14 #PF */
	uint32_t error;   /* error code; none with #UD */
	uint64_t address; /* with #PF */
};

enum privop_result {
	PRIVOP_DONE, /* the frame is behind the instruction, or at it for a rep that is not through */
	PRIVOP_STEPPED, /* so too, and the guest single-steps: it gets #DB with DR6.BS */
	PRIVOP_FAULTED, /* the frame is at the instruction; `fault` is for the guest */
};

/* A #GP whose error code is 0. */
enum privop_result privop_emulate(struct frame *f, const struct privop_ops *ops, void *ctx,
				  struct privop_fault *fault);

/*
 * A #GP whose error code names a selector: an iretq by which the guest's kernel returns to itself with the RPL 3 that it has on Xen
 * (privop_iret.c). Anything else FAULTS with that error code.
 */
enum privop_result privop_iret(struct frame *f, const struct privop_ops *ops, void *ctx,
			       struct privop_fault *fault);

/* A #UD: runs Xen's emulation prefix with CPUID. Anything else FAULTS with #UD. */
enum privop_result privop_emulate_ud(struct frame *f, const struct privop_ops *ops, void *ctx,
				     struct privop_fault *fault);

/* A #GP whose error code names IDT vector `vector`: the length of the int instruction at rip, or 0 if it is none. */
unsigned privop_int_length(const struct frame *f, const struct privop_ops *ops, void *ctx,
			   uint8_t vector);

/*
 * CR4 as the guest sees it after it wrote `wanted`: its own choice of TSD, DE, FSGSBASE and OSXSAVE, the hardware's
 * choice of the rest that a guest may see.
 */
uint64_t cr4_policy(uint64_t wanted, uint64_t host);

/*
 * Model-specific registers (privop_msr.c). False: #GP.
 */
bool privop_rdmsr(const struct privop_ops *ops, void *ctx, uint32_t msr, uint64_t *value);
bool privop_wrmsr(const struct privop_ops *ops, void *ctx, uint32_t msr, uint64_t value);

#endif
