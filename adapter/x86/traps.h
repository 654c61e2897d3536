/* SPDX-License-Identifier: MIT */
/* Exceptions and interrupts: which are ours, which are the guest's. */
#ifndef XENOLITH_X86_TRAPS_H
#define XENOLITH_X86_TRAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapter/x86/frame.h"

enum trap_vector {
	TRAP_DE = 0,
	TRAP_DB = 1,
	TRAP_NMI = 2,
	TRAP_BP = 3,
	TRAP_OF = 4,
	TRAP_UD = 6,
	TRAP_NM = 7,
	TRAP_DF = 8,
	TRAP_TS = 10,
	TRAP_NP = 11,
	TRAP_SS = 12,
	TRAP_GP = 13,
	TRAP_PF = 14,
	TRAP_AC = 17,
	TRAP_MC = 18,
	TRAP_EXCEPTIONS = 32,
};

/* #PF error code. */
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_USER    4u

/* #GP and friends: the selector part names an IDT vector. */
#define XEC_IDT 2u

#define FRAME_SYSCALL32 0x101u
#define FRAME_SYSENTER  0x102u
#define FRAME_FAILSAFE \
	0x103u /* an iretq to the guest faulted; the frame is the one it was to load */

/* Makes the IDT, once. */
void idt_init(void);
void idt_load(void);

/*
 * For a processor that has no GDT, TSS and stacks of its own yet (vp_load), on any stack of the image's or a VP's: an exception is told, and ends the
 * partition. Without a table it resets the partition without a word.
 */
void idt_load_early(void);

/* Another handler for a vector; its page, for whoever maps it elsewhere. */
void idt_set(unsigned vector, const uint8_t *handler);
const uint8_t *idt_page(void);

/* Shows registers, in the order that people of this field expect. */
void frame_show(const struct frame *f);

/* The guest cannot go on: says why, shows the registers, ends the partition. */
_Noreturn void guest_crash(const struct frame *f, const char *why);

/* Whether `address` is one that the guest may name in a hypercall: not the adapter's. Not canonical is found out by use. */
static inline bool guest_address(uint64_t address)
{
	return address - 0xffff800000000000 >= 0x0000080000000000;
}

static inline bool canonical_address(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static inline bool guest_range(const void *address, size_t bytes)
{
	uint64_t a = (uint64_t)address;

	return guest_address(a) && a + bytes >= a && guest_address(a + bytes - (bytes != 0));
}

/* 0, or nonzero when the guest's side is not mapped (so). Nothing is known of what was copied then. */
long guest_copy(void *to, const void *from, size_t bytes);
bool guest_store(uint64_t *to, uint64_t value);
bool load_gs_user(uint16_t selector);

/* Instructions that may raise #GP; false then. */
bool try_rdmsr(uint32_t msr, uint64_t *value);
bool try_wrmsr(uint32_t msr, uint64_t value);
bool try_xsetbv(uint32_t index, uint64_t value);

/* Copies with the range checked: -XEN_EFAULT's cause, as a truth value: true when it went well. */
static inline bool copy_from_guest(void *to, const void *from, size_t bytes)
{
	return guest_range(from, bytes) && guest_copy(to, from, bytes) == 0;
}

static inline bool copy_to_guest(void *to, const void *from, size_t bytes)
{
	return guest_range(to, bytes) && guest_copy(to, from, bytes) == 0;
}

#endif
