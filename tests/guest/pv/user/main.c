/* SPDX-License-Identifier: MIT */
/*
 * A process: its ways into the kernel, and all that it must not reach: the kernel, the hypervisor, ports, registers of the
 * machine, the kernel's selectors.
 */
#include "tests/guest/pv/kit/user.h"

#define MACHINE_TO_PHYS   0xffff800000000000ul
#define HYPERVISOR_IMAGE  0xffff82d000000000ul
#define HYPERVISOR_DIRECT 0xffff830000000000ul

USER_SNIPPET(syscall, "mov $0x77, %eax; mov $0x99, %r12d; syscall");
USER_SNIPPET(int80, "mov $0x78, %eax; int $0x80");
USER_SNIPPET(int3, "int3");
USER_SNIPPET(int_0d, "int $0x0d");
USER_SNIPPET(ud2, "ud2");
USER_SNIPPET(load, "mov (%rdi), %rax; ud2");
USER_SNIPPET(store, "movb $1, (%rdi); ud2");
USER_SNIPPET(call, "call *%rdi; ud2");
USER_SNIPPET(hlt, "hlt");
USER_SNIPPET(cli, "cli");
USER_SNIPPET(in, "in $0x84, %al");
USER_SNIPPET(rdmsr, "mov $0xc0000080, %ecx; rdmsr");
USER_SNIPPET(wrmsr, "mov $0xc0000082, %ecx; wrmsr");
USER_SNIPPET(read_cr3, "mov %cr3, %rax");
USER_SNIPPET(write_cr3, "mov %rax, %cr3");
USER_SNIPPET(lgdt, "lgdt (%rsp)");
USER_SNIPPET(invlpg, "invlpg (%rsp)");
USER_SNIPPET(swapgs, "swapgs");
USER_SNIPPET(load_ss, "mov %edi, %ss; ud2");
/* rdi: cs in its upper half, ss in the lower. */
USER_SNIPPET(iretq, "mov %rsp, %rax; movzwl %di, %ecx; shr $16, %rdi\n"
		    "push %rcx; push %rax; pushf; push %rdi; lea 1f(%rip), %rax; push %rax\n"
		    "iretq; 1: ud2");
USER_SNIPPET(iopl, "pushf; orl $0x3000, (%rsp); popf; pushf; pop %rax; ud2");

static struct user_end run(const uint8_t *code, size_t bytes, uint64_t arg)
{
	return user_run(code, bytes, arg, 0);
}

static void fact_end(const char *name, const struct user_end *e)
{
	caught = (struct caught){.vector = e->regs.vector, .error = e->regs.error, .cr2 = e->cr2};
	if (e->regs.vector == VECTOR_SYSCALL)
		fact("%s: system call", name);
	else
		fact_caught(name, (const void *)USER_CODE);
}

#define FACT(name, snippet, arg)                                     \
	do {                                                         \
		struct user_end e = run(USER_CODE_OF(snippet), arg); \
		fact_end(name, &e);                                  \
	} while (0)

static void ways_in(uint64_t flags)
{
	struct user_end e = user_run(USER_CODE_OF(syscall), 0, flags);

	check_equal(e.regs.vector, VECTOR_SYSCALL);
	check_equal(e.regs.rax, 0x77);
	check_equal(e.regs.r12, 0x99);
	check_equal(e.regs.rcx, e.regs.rip);
	check_equal(e.regs.rip, USER_CODE + (uint64_t)(user_code_syscall_end - user_code_syscall));
	check_equal(e.regs.rsp, USER_STACK + PAGE_SIZE - 64);
	check_equal(e.regs.cs & 3, 3);
	check_equal(e.regs.ss & 3, 3);
	check(e.regs.rflags & 0x200);

	e = user_run(USER_CODE_OF(int80), 0, flags);
	check_equal(e.regs.vector, 0x80);
	check_equal(e.regs.rax, 0x78);
	check_equal(e.regs.rip, USER_CODE + (uint64_t)(user_code_int80_end - user_code_int80));
	check_equal(e.regs.cs & 0xffff, USER_CS);
	check_equal(e.regs.ss & 0xffff, USER_SS);
	e = user_run(USER_CODE_OF(int3), 0, flags);
	check_equal(e.regs.vector, 3);
	check_equal(e.regs.rip, USER_CODE + 1);
}

/* Which bits of the error code there are depends on whose page tables are in use; that it is a process's fault does not. */
static void no_way_to(const char *name, uint64_t address)
{
	struct user_end e = run(USER_CODE_OF(load), address);

	if (e.regs.vector != 14 || e.cr2 != address || !(e.regs.error & 4))
		failure("a process reads %s at %#lx: vector %lu", name, address, e.regs.vector);
	e = run(USER_CODE_OF(store), address);
	if (e.regs.vector != 14 || e.cr2 != address || (e.regs.error & 6) != 6)
		failure("a process writes %s at %#lx: vector %lu", name, address, e.regs.vector);
	e = run(USER_CODE_OF(call), address);
	if (e.regs.vector != 14 || e.cr2 != address)
		failure("a process runs %s at %#lx: vector %lu", name, address, e.regs.vector);
}

static void memory(void)
{
	no_way_to("the kernel", (uint64_t)&caught & ~7ul);
	no_way_to("the kernel's code", (uint64_t)test_main);
	no_way_to("the page tables", start_info->pt_base);
	no_way_to("nothing", USER_NONE);
	no_way_to("the hypervisor", HYPERVISOR_DIRECT + 0x200000);
	no_way_to("the hypervisor's image", HYPERVISOR_IMAGE);
	/* Xen lets everybody read its table; the adapter nobody but the kernel. */
	if (!is_hardware_domain())
		no_way_to("the M2P", MACHINE_TO_PHYS);
	FACT("store to its own code", store, USER_CODE + 0x800);
	FACT("call of its stack", call, USER_STACK);
	FACT("load, not canonical", load, 0x8000000000000000);
}

static void machine(void)
{
	FACT("int 0x0d", int_0d, 0);
	FACT("ud2", ud2, 0);
	FACT("hlt", hlt, 0);
	FACT("cli", cli, 0);
	FACT("in", in, 0);
	FACT("rdmsr", rdmsr, 0);
	FACT("wrmsr", wrmsr, 0);
	FACT("mov from cr3", read_cr3, 0);
	FACT("mov to cr3", write_cr3, 0);
	FACT("lgdt", lgdt, 0);
	FACT("invlpg", invlpg, 0);
	FACT("swapgs", swapgs, 0);
}

/* No selector, and no flag, makes a process anything else. */
static void privilege(void)
{
	struct user_end e;

	for (unsigned selector = 0xe000; selector < 0xe100; selector++) {
		e = run(USER_CODE_OF(load_ss), selector);
		if (e.regs.vector != 13 && (e.regs.vector != 6 || (e.regs.cs & 3) != 3))
			failure("ss = %#x: vector %lu cs %#lx", selector, e.regs.vector, e.regs.cs);
	}
	for (uint64_t cs = 0xe000; cs < 0xe100; cs++) {
		e = run(USER_CODE_OF(iretq), cs << 16 | USER_SS);
		if ((e.regs.cs & 3) != 3)
			failure("iretq to cs %#lx: cs %#lx", cs, e.regs.cs);
	}
	e = run(USER_CODE_OF(iopl), 0);
	check_equal(e.regs.rax & 0x3000, 0);
}

void test_main(void)
{
	user_init();
	ways_in(0);
	ways_in(VGCF_in_syscall);
	memory();
	machine();
	privilege();
}
