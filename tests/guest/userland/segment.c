/* SPDX-License-Identifier: MIT */
/* Segments: bases that a context switch carries, the LDT, and 32-bit programs. */
#include "check.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int hold_gs_base(unsigned long base)
{
	unsigned long seen;

	if (syscall(SYS_arch_prctl, ARCH_SET_GS, base))
		return -1;
	for (int i = 0; i < 500; i++) {
		sched_yield();
		if (syscall(SYS_arch_prctl, ARCH_GET_GS, &seen) || seen != base)
			return -1;
	}
	return 0;
}

static const char *gs_bases_survive_context_switches(void)
{
	int status;
	pid_t pid[4];

	pin_to(0);
	for (int i = 0; i < 4; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(hold_gs_base(0x10000ul * (i + 1)) ? 1 : 0);
	}
	for (int i = 0; i < 4; i++)
		REQUIRE(waitpid(pid[i], &status, 0) == pid[i] && status == 0);
	return NULL;
}

static const char *gs_relative_loads_use_the_base(void)
{
	static unsigned long cell = 0x1234567890abcdef;
	unsigned long got;

	REQUIRE(syscall(SYS_arch_prctl, ARCH_SET_GS, &cell) == 0);
	sched_yield();
	__asm__ volatile("mov %%gs:0, %0" : "=r"(got));
	REQUIRE(got == cell);
	return NULL;
}

static const char *an_ldt_segment_can_be_loaded(void)
{
	struct user_desc d = {
	    .entry_number = 3, .base_addr = 0, .limit = 4095, .seg_32bit = 1, .useable = 1};
	unsigned short selector = 3 << 3 | 4 | 3; /* entry 3, LDT, RPL 3 */
	unsigned short got;

	if (syscall(SYS_modify_ldt, 1, &d, sizeof(d)))
		return "skip: the kernel has no modify_ldt";
	/* In 64-bit mode es has no base: only that the descriptor loads, and reads back, can be seen. */
	__asm__ volatile("mov %1, %%es\n\tmov %%es, %0" : "=r"(got) : "r"(selector));
	REQUIRE(got == selector);
	return NULL;
}

static void load_bad_selector(void *arg)
{
	unsigned short selector = (intptr_t)arg;

	__asm__ volatile("mov %0, %%es" ::"r"(selector));
}

static const char *a_selector_of_no_segment_faults(void)
{
	/* Beyond the GDT, in an LDT that is not there, and a kernel's code segment. */
	static const int selectors[] = {0xfff8 | 3, 0x1000 | 7, 0x10};

	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++)
		REQUIRE(signal_of(load_bad_selector, (void *)(intptr_t)selectors[i], NULL, NULL) ==
			SIGSEGV);
	return NULL;
}

/* The 32-bit program says by its exit status which of its checks failed; 99 is "not offered here". */
static const char *in_32_bits(const char *what)
{
	int status = run_program((char *[]){"/bin/compat", (char *)what, NULL});

	if (status == 99)
		return "skip: not offered to 32-bit programs here";
	if (status == 126 || status == 127)
		return "skip: the kernel runs no 32-bit programs";
	return status == 0 ? NULL : failure("compat %s: status %d", what, status);
}

#define IN_32_BITS(what)                       \
	static const char *compat_##what(void) \
	{                                      \
		return in_32_bits(#what);      \
	}

IN_32_BITS(int80)
IN_32_BITS(vsyscall)
IN_32_BITS(signals)
IN_32_BITS(segments)
IN_32_BITS(threads)
IN_32_BITS(isolation)
IN_32_BITS(fork)

const struct check segment_checks[] = {
    {"GS bases survive context switches", gs_bases_survive_context_switches},
    {"GS-relative loads use the base", gs_relative_loads_use_the_base},
    {"an LDT segment can be loaded", an_ldt_segment_can_be_loaded},
    {"a selector of no segment faults", a_selector_of_no_segment_faults},
    {"32-bit: system calls by int 0x80", compat_int80},
    {"32-bit: system calls by sysenter or syscall", compat_vsyscall},
    {"32-bit: signals and faults", compat_signals},
    {"32-bit: segments of its own", compat_segments},
    {"32-bit: threads", compat_threads},
    {"32-bit: what is beyond user space faults", compat_isolation},
    {"32-bit: fork and wait", compat_fork},
    {NULL, NULL},
};
