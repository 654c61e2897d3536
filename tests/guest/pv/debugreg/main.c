/* SPDX-License-Identifier: MIT */
/* Debug registers by hypercall and by instruction; a data breakpoint and a single step of the kernel. */
#include "tests/guest/pv/kit/pv.h"

#define DR7_LOCAL_0 1ul
#define DR7_WRITE_4 0x000d0000ul
#define DR6_B0      1ul
#define DR6_BS      0x4000ul

static uint32_t watched;
static unsigned hits;
static uint64_t dr6;

static long set(unsigned reg, uint64_t value)
{
	return hypercall2(__HYPERVISOR_set_debugreg, reg, value);
}

static uint64_t get(unsigned reg)
{
	return (uint64_t)hypercall1(__HYPERVISOR_get_debugreg, reg);
}

static void on_debug(struct regs *r)
{
	hits++;
	dr6 = get(6);
	set(6, 0);
	r->rflags &= ~0x100ul;
}

static void values(void)
{
	fact_result("dr0 = kernel address", set(0, (uint64_t)&watched));
	check_equal(get(0), &watched);
	fact_result("dr1 = hypervisor address", set(1, 0xffff830000000000));
	fact_result("dr2 = 0x1000", set(2, 0x1000));
	check_equal(get(2), 0x1000);
	fact_result("dr4", set(4, 0));
	fact_result("dr5", set(5, 0));
	fact_result("dr8", set(8, 0));
	fact("get dr8: %ld", (long)get(8));
	fact_result("dr6 with upper bits", set(6, 1ul << 32));
	fact_result("dr7 with upper bits", set(7, 1ul << 32));
	fact_result("dr7, general detect", set(7, 0x2000));
	fact("get dr7: %#lx", get(7));
	fact_result("dr7, I/O breakpoint", set(7, 0x00020001));
	fact_result("dr7 = 0", set(7, 0));
	set(6, 0);
	fact("get dr6: %#lx", get(6));
	set(2, 0);
}

static void breakpoint(void)
{
	set_trap_handler(1, on_debug);
	check_equal(set(0, (uint64_t)&watched), 0);
	check_equal(set(7, DR7_LOCAL_0 | DR7_WRITE_4), 0);
	hits = 0;
	*(volatile uint32_t *)&watched = 1;
	/* QEMU's SVM does not arm what VMRUN loads into DR7, under Xen neither. */
	if (!hits)
		say("the processor beneath does not watch data");
	else
		check(hits == 1 && (dr6 & DR6_B0));
	check_equal(set(7, 0), 0);
	hits = 0;
	*(volatile uint32_t *)&watched = 2;
	check_equal(hits, 0);
}

static void single_step(void)
{
	hits = 0;
	asm volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop" : : : "memory", "cc");
	check_equal(hits, 1);
	check(dr6 & DR6_BS);
	set_trap_handler(1, NULL);
}

static void by_instruction(void)
{
	uint64_t v;

	asm volatile("mov %0, %%dr3" : : "r"(0x2000ul));
	asm volatile("mov %%dr3, %0" : "=r"(v));
	check_equal(v, 0x2000);
	check_equal(get(3), 0x2000);
	TRY("mov %0, %%dr1", : : "r"(0xffff830000000000));
	fact_caught("mov to dr1, hypervisor address", NULL);
}

void test_main(void)
{
	values();
	breakpoint();
	single_step();
	by_instruction();
}
