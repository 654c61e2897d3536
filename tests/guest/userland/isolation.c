/* SPDX-License-Identifier: MIT */
/* What a process must not reach: the kernel, what is beneath it, and the processor's own controls. */
#include "check.h"

#include <signal.h>
#include <stdio.h>

static const struct place {
	const char *name;
	uintptr_t address;
} forbidden[] = {
    {"NULL", 0},
    {"the start of the upper half", 0xffff800000000000}, /* Xen PV: the machine-to-physical table */
    {"the middle of the M2P", 0xffff800000100000},
    {"the hypervisor's own half", 0xffff82d000000000},
    {"the hypervisor's image", 0xffff82d040000000},
    {"the hypervisor's direct map", 0xffff830000000000},
    {"the kernel's direct map", 0xffff888000000000},
    {"the kernel's direct map at 16 MiB", 0xffff888001000000},
    {"the kernel's text", 0xffffffff81000000},
    {"the kernel's data", 0xffffffff82600000},
    {"the fixmap", 0xffffffffff5ff000},
    {"the last page", 0xfffffffffffff000},
    {"the middle of nowhere", 0x8000000000000000},
};

static void load(void *arg)
{
	(void)*(volatile char *)arg;
}

static void store(void *arg)
{
	*(volatile char *)arg = 0x5a;
}

static void jump(void *arg)
{
	((void (*)(void))arg)();
}

static const char *refused_everywhere(void (*access)(void *))
{
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		int sig = signal_of(access, (void *)forbidden[i].address, NULL, NULL);

		if (sig != SIGSEGV)
			return failure("%s (%#lx): signal %d", forbidden[i].name,
				       (unsigned long)forbidden[i].address, sig);
	}
	return NULL;
}

static const char *reading_beyond_user_space_faults(void)
{
	return refused_everywhere(load);
}

static const char *writing_beyond_user_space_faults(void)
{
	return refused_everywhere(store);
}

static const char *executing_beyond_user_space_faults(void)
{
	return refused_everywhere(jump);
}

#define INSTRUCTION(name, text)                                                 \
	static void do_##name(void *arg)                                        \
	{                                                                       \
		(void)arg;                                                      \
		__asm__ volatile(text ::: "rax", "rcx", "rdx", "memory", "cc"); \
	}

INSTRUCTION(cli, "cli")
INSTRUCTION(sti, "sti")
INSTRUCTION(hlt, "hlt")
INSTRUCTION(in, "mov $0x71, %%dx; in %%dx, %%al")
INSTRUCTION(out, "mov $0xcf9, %%dx; mov $0, %%al; out %%al, %%dx")
INSTRUCTION(rdmsr, "mov $0xc0000080, %%ecx; rdmsr")
INSTRUCTION(wrmsr, "mov $0x40000001, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr")
INSTRUCTION(cr0, "mov %%cr0, %%rax")
INSTRUCTION(cr3, "mov %%cr3, %%rax; mov %%rax, %%cr3")
INSTRUCTION(dr7, "mov %%dr7, %%rax")
INSTRUCTION(lgdt, "lgdt (%%rsp)")
INSTRUCTION(invlpg, "invlpg (%%rsp)")
INSTRUCTION(swapgs, "swapgs")
INSTRUCTION(int_14, "int $14")
INSTRUCTION(int_32, "int $0x20")
INSTRUCTION(int_xen, "xor %%eax, %%eax; int $0x82") /* a 32-bit Xen guest's hypercall */
INSTRUCTION(int_last, "int $0xff")
INSTRUCTION(far_call, "pushq $0xe030; pushq $0; lretq")
INSTRUCTION(clts, "clts")
INSTRUCTION(sysret, "xor %%ecx, %%ecx; sysretq")
INSTRUCTION(noncanonical_stack, "movabs $0x8000000000000000, %%rax; mov (%%rax), %%rcx")

static const struct {
	const char *name;
	void (*run)(void *);
} privileged[] = {
    {"cli", do_cli},
    {"sti", do_sti},
    {"hlt", do_hlt},
    {"in", do_in},
    {"out", do_out},
    {"rdmsr", do_rdmsr},
    {"wrmsr", do_wrmsr},
    {"mov from cr0", do_cr0},
    {"mov to cr3", do_cr3},
    {"mov from dr7", do_dr7},
    {"lgdt", do_lgdt},
    {"invlpg", do_invlpg},
    {"swapgs", do_swapgs},
    {"int 14", do_int_14},
    {"int 0x20", do_int_32},
    {"int 0x82", do_int_xen},
    {"int 0xff", do_int_last},
    {"far return to the kernel", do_far_call},
    {"clts", do_clts},
    {"sysret", do_sysret},
    {"a non-canonical access", do_noncanonical_stack},
};

static const char *privileged_instructions_fault(void)
{
	for (size_t i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++) {
		int sig = signal_of(privileged[i].run, NULL, NULL, NULL);

		/* Linux gives SIGSEGV for #GP and SIGILL where the processor says #UD. */
		if (sig != SIGSEGV && sig != SIGILL)
			return failure("%s: signal %d", privileged[i].name, sig);
	}
	return NULL;
}

/* A system call by number, whatever that number means to anyone beneath the kernel. */
static long raw_call(long nr, long a, long b, long c)
{
	register long r10 __asm__("r10") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

static const char *a_system_call_is_never_taken_for_a_hypercall(void)
{
	char line[64];

	/* 39 is getpid; as a Xen hypercall number it does not exist. 24 is sched_yield and Xen's vcpu_op. */
	REQUIRE(raw_call(24, 0, 0, 0) == 0);
	REQUIRE(raw_call(12345, 0, 0, 0) == -38);
	REQUIRE(raw_call(-1, 0, 0, 0) == -38);
	/* 29 is shmget and Xen's sched_op: shutdown (2) would end the guest. */
	raw_call(29, 2, (long)line, 0);
	return NULL;
}

const struct check isolation_checks[] = {
    {"reading beyond user space faults", reading_beyond_user_space_faults},
    {"writing beyond user space faults", writing_beyond_user_space_faults},
    {"executing beyond user space faults", executing_beyond_user_space_faults},
    {"privileged instructions fault", privileged_instructions_fault},
    {"a system call is never taken for a hypercall", a_system_call_is_never_taken_for_a_hypercall},
    {NULL, NULL},
};
