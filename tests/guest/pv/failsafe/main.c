/* SPDX-License-Identifier: MIT */
/*
 * Frames that nobody can return to: the kernel hears of it, and is itself afterwards: its GS base and the process's are
 * where they were.
 */
#include "tests/guest/pv/kit/user.h"

#define BEYOND_GDT 0x1233
#define NO_CANON   0x0000800000000000ul
#define KERNEL_GS  0xffffffff80001000ul
#define PROCESS_GS 0x12345000ul
#define STACK      (USER_STACK + PAGE_SIZE - 64)

USER_SNIPPET(trap, "ud2");

static uint64_t gs_base(void)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(0xc0000101));
	return lo | (uint64_t)hi << 32;
}

static uint64_t gs_base_of_process(void)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(0xc0000102));
	return lo | (uint64_t)hi << 32;
}

static void go(const char *name, uint64_t rip, uint64_t rsp, uint64_t cs, uint64_t ss,
	       uint64_t flags)
{
	struct user_end e = user_try(rip, rsp, cs, ss, 0, flags);

	/* Xen 4.17 delivers the exception as the process's, the adapter the failsafe callback: kernels take either. */
	fact("%s: %s", name, e.regs.vector == 6 ? "runs" : "refused");
	say("vector %lu", e.regs.vector);
	check_equal(gs_base(), KERNEL_GS);
	check_equal(gs_base_of_process(), PROCESS_GS);
	TRY("ud2");
	check_equal(caught.vector, 6);
}

void test_main(void)
{
	user_init();
	hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, KERNEL_GS);
	hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, PROCESS_GS);
	user_run(USER_CODE_OF(trap), 0, 0);

	go("a good frame", USER_CODE, STACK, USER_CS, USER_SS, 0);
	go("cs beyond the GDT", USER_CODE, STACK, BEYOND_GDT, USER_SS, 0);
	go("cs null", USER_CODE, STACK, 3, USER_SS, 0);
	go("cs of data", USER_CODE, STACK, USER_SS, USER_SS, 0);
	go("ss beyond the GDT", USER_CODE, STACK, USER_CS, BEYOND_GDT, 0);
	go("ss of code", USER_CODE, STACK, USER_CS, USER_CS, 0);
	go("rip not canonical", NO_CANON, STACK, USER_CS, USER_SS, 0);
	go("rip not canonical, as from a system call", NO_CANON, STACK, USER_CS, USER_SS,
	   VGCF_in_syscall);
	go("rsp not canonical", USER_CODE, NO_CANON, USER_CS, USER_SS, 0);
	go("rip in the hypervisor", 0xffff830000000000, STACK, USER_CS, USER_SS, 0);
	go("rip where nothing is", USER_NONE, STACK, USER_CS, USER_SS, VGCF_in_syscall);
	go("a good frame again", USER_CODE, STACK, USER_CS, USER_SS, VGCF_in_syscall);
}
