/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/pv.h"

#include <xen/vcpu.h>

#define STACK_SIZE 16384
#define VCPUS      4

extern const char vcpu_entry[];
_Noreturn void vcpu_begin(void (*main)(void));

static uint8_t stacks[VCPUS][STACK_SIZE] PAGE_ALIGNED;

_Noreturn void vcpu_begin(void (*main)(void))
{
	trap_init_vcpu();
	main();
	error("a vCPU's main function returned");
}

long vcpu_start(unsigned vcpu, void (*main)(void))
{
	static struct vcpu_guest_context c;
	long result;

	if (vcpu >= VCPUS)
		error("no stack for vCPU %u", vcpu);
	memset(&c, 0, sizeof(c));
	c.flags = VGCF_in_kernel | VGCF_online;
	c.user_regs.rip = (uint64_t)vcpu_entry;
	c.user_regs.rdi = (uint64_t)main;
	c.user_regs.rsp = (uint64_t)(stacks[vcpu] + STACK_SIZE);
	c.user_regs.cs = KERNEL_CS;
	c.user_regs.ss = KERNEL_SS;
	c.user_regs.rflags = 0x200;
	c.kernel_ss = KERNEL_SS;
	c.kernel_sp = (uint64_t)(stacks[vcpu] + STACK_SIZE);
	c.ctrlreg[3] = xen_pfn_to_cr3(va_to_mfn((const void *)start_info->pt_base));
	result = hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, vcpu, &c);
	return result ? result : hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_up, vcpu, 0);
}
