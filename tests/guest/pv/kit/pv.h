/* SPDX-License-Identifier: MIT */
/*
 * What a test kernel needs: a 64-bit Xen PV guest of a few pages, without an operating system. One folder beside this one
 * is one test; it defines test_main, which runs on vCPU 0 with event upcalls masked, and ends by returning.
 *
 * A test says what it saw. check() is about what must hold; fact() is about what Xen happens to answer: its lines are
 * compared with those that Xen 4.17 gave (tests/guest/pv/NAME/facts).
 */
#ifndef PV_KIT_H
#define PV_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/string.h"
#include "core/xen_abi.h"

#include "tests/guest/pv/kit/hypercall.h"

#define PAGE_SIZE 4096
#ifdef PV_LOW
#define VIRT_BASE 0ul
#else
#define VIRT_BASE 0xffffffff80000000
#endif
#define KERNEL_CS FLAT_KERNEL_CS
#define KERNEL_SS FLAT_KERNEL_SS
#define USER_CS   FLAT_USER_CS64
#define USER_SS   FLAT_USER_SS64

#define PTE_P  0x001ull
#define PTE_W  0x002ull
#define PTE_U  0x004ull
#define PTE_A  0x020ull
#define PTE_D  0x040ull
#define PTE_NX (1ull << 63)

#define PAGE_ALIGNED __attribute__((aligned(PAGE_SIZE)))

void test_main(void);

/* report.c: the four outcomes. success is what happens when nothing else did. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/* The subject is wrong: go on, the test will end as a failure. */
__attribute__((format(printf, 1, 2))) void failure(const char *format, ...);
/* The test itself is wrong, or lacks what it needs. These end it. */
_Noreturn __attribute__((format(printf, 1, 2))) void error(const char *format, ...);
_Noreturn __attribute__((format(printf, 1, 2))) void skip(const char *format, ...);
__attribute__((format(printf, 1, 2))) void fact(const char *format, ...);
#define check(condition)                                                      \
	do {                                                                  \
		if (!(condition))                                             \
			failure("%s:%d: %s", __FILE__, __LINE__, #condition); \
	} while (0)
/* Says both when they differ. */
#define check_equal(a, b) check_equal_at((uint64_t)(a), (uint64_t)(b), #a, __FILE__, __LINE__)
void check_equal_at(uint64_t a, uint64_t b, const char *what, const char *file, int line);
/* The result of a hypercall: "NAME: 0", "NAME: -EINVAL". */
void fact_result(const char *name, long result);

/* console.c: the console ring of a domU, console_io of the hardware domain. */
void console_init(void);
void console_print(const char *text, size_t length);

/* start.S, start.c */
extern struct start_info *start_info;
extern struct shared_info *shared_info; /* mapped */
bool is_hardware_domain(void);
_Noreturn void shutdown(unsigned reason);

/* memory.c */
uint64_t va_to_mfn(const void *va); /* of the kernel image and what the builder mapped */
uint64_t va_to_ma(const void *va);
void *mfn_to_va(uint64_t mfn);
/* The machine address of the L1 entry that maps va, or 0; and the entry. */
uint64_t l1_entry_ma(const void *va);
uint64_t l1_entry(const void *va);
long set_l1_entry(const void *va, uint64_t entry, unsigned long flags); /* update_va_mapping */

/* trap.c, trap.S */
struct regs {
	uint64_t r15, r14, r13, r12, rbp, rbx;
	uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

#define VECTOR_EVENT    256
#define VECTOR_FAILSAFE 257
#define VECTOR_SYSCALL  258
#define VECTORS         259

typedef void trap_handler_t(struct regs *r);
void set_trap_handler(unsigned vector, trap_handler_t *handler); /* NULL: unexpected */
void trap_init_vcpu(void);

/* The last exception that an instruction of TRY raised; vector is NO_TRAP where it raised none. */
#define NO_TRAP 0xffff
struct caught {
	uint64_t vector, error, rip, cr2;
};
extern struct caught caught;

/* Runs one instruction (or a few); an exception at the first of them ends them. Operands and clobbers as in asm. */
#define TRY(code, ...)                                                                      \
	do {                                                                                \
		caught.vector = NO_TRAP;                                                    \
		asm volatile(                                                               \
		    "1: " code "\n2:\n"                                                     \
		    ".pushsection .extable, \"a\"\n.quad 1b, 2b\n.popsection" __VA_ARGS__); \
	} while (0)

/* "NAME: nothing", "NAME: #GP(0x10)", "NAME: #PF(0x2) at 8": the address relative to `base`. */
void fact_caught(const char *name, const void *base);

/* event.c: 2-level ports of vCPU 0. */
typedef void event_handler_t(unsigned port);
void event_init(event_handler_t *handler);
void events_allow(void);
void events_mask(void);

/* vcpu.c: starts another vCPU in `main` with its own stack and trap handlers; it must not return. */
long vcpu_start(unsigned vcpu, void (*main)(void));

/* time.c: nanoseconds since Xen started, by vCPU 0's page. */
#define SECOND 1000000000ull
uint64_t system_time(void);
/* Spins until the condition holds, at most for ten seconds. */
#define wait_until(condition)                                                \
	do {                                                                 \
		for (uint64_t end_ = system_time() + 10 * SECOND;            \
		     !(condition) && system_time() < end_;)                  \
			hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0); \
		check(condition);                                            \
	} while (0)

/* A small random number generator; the same sequence each time. */
uint64_t random64(uint64_t *state);

#endif
