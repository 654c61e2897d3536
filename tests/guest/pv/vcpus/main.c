/* SPDX-License-Identifier: MIT */
/* Another vCPU is taken down and brought back wherever it is, and an NMI reaches it there. */
#include "tests/guest/pv/kit/pv.h"

#include <xen/sched.h>
#include <xen/vcpu.h>

static volatile unsigned long rounds, nmis;
static volatile bool block;

static long op(unsigned cmd)
{
	return hypercall3(__HYPERVISOR_vcpu_op, cmd, 1, 0);
}

static void on_nmi(struct regs *r)
{
	(void)r;
	nmis++;
}

/* Marks in callee-saved registers show that nothing of it is lost while it is down. */
static void other(void)
{
	register uint64_t mark asm("r15") = 0x1122334455667788;

	for (;;) {
		asm volatile("" : "+r"(mark));
		if (mark != 0x1122334455667788)
			error("a register has changed");
		rounds++;
		if (block)
			hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
	}
}

static void goes_on(void)
{
	unsigned long before = rounds;

	wait_until(rounds != before);
}

static void settle(void)
{
	for (uint64_t end = system_time() + SECOND / 5; system_time() < end;)
		;
}

static bool stands_still(void)
{
	unsigned long before;

	settle();
	before = rounds;
	settle();
	return rounds == before;
}

static void down_and_up(void)
{
	fact_result("down of a running vCPU", op(VCPUOP_down));
	fact_result("it is up", op(VCPUOP_is_up));
	check(stands_still());
	fact_result("down of a vCPU that is down", op(VCPUOP_down));
	fact_result("up", op(VCPUOP_up));
	fact_result("it is up", op(VCPUOP_is_up));
	goes_on();
	fact_result("up of a vCPU that is up", op(VCPUOP_up));
}

static void nmi_while_running(void)
{
	nmis = 0;
	fact_result("NMI to a running vCPU", op(VCPUOP_send_nmi));
	wait_until(nmis == 1);
	goes_on();
}

static void nmi_while_blocked(void)
{
	block = true;
	check(stands_still());
	nmis = 0;
	fact_result("NMI to a blocked vCPU", op(VCPUOP_send_nmi));
	wait_until(nmis == 1);
}

/* Down, it stays down when it is called; what it was sent it finds later. */
static void nmi_while_down(void)
{
	check_equal(op(VCPUOP_down), 0);
	check(stands_still());
	nmis = 0;
	fact_result("NMI to a vCPU that is down", op(VCPUOP_send_nmi));
	settle();
	check_equal(nmis, 0);
	check_equal(op(VCPUOP_up), 0);
	wait_until(nmis == 1);
}

void test_main(void)
{
	set_trap_handler(2, on_nmi);
	fact_result("up before it was initialised", op(VCPUOP_up));
	fact_result("down before it was initialised", op(VCPUOP_down));
	check_equal(vcpu_start(1, other), 0);
	/* Xen on the lab's processors begins it only after the first event for it, sometimes. */
	if (!is_hardware_domain())
		goes_on();
	down_and_up();
	nmi_while_running();
	nmi_while_blocked();
	nmi_while_down();
	block = false;
	check_equal(op(VCPUOP_send_nmi), 0);
	goes_on();
	for (unsigned i = 0; i < 1000; i++) {
		check_equal(op(VCPUOP_down), 0);
		check_equal(op(VCPUOP_up), 0);
	}
	goes_on();
}
