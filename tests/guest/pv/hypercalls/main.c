/* SPDX-License-Identifier: MIT */
/* Errors of the hypercalls that every guest has: bad pointers, bad numbers, bad sub-operations. */
#include "tests/guest/pv/kit/pv.h"

#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define NOWHERE    8ul
#define HYPERVISOR 0xffff830000001000ul
#define NO_CANON   0x8000000000000000ul

static uint8_t buffer[PAGE_SIZE] PAGE_ALIGNED;

static void bad_numbers(void)
{
	fact_result("hypercall 11", hypercall1(11, 0));
	fact_result("hypercall 55", hypercall1(55, 0));
	fact_result("hypercall 63", hypercall1(63, 0));
#ifdef PV_INLINE /* the page has no room for more */
	check_equal(hypercall1(64, 0), -XEN_ENOSYS);
	check_equal(hypercall1(0x7fffffff, 0), -XEN_ENOSYS);
#endif
}

static void bad_sub_operations(void)
{
	fact_result("xen_version 1000", hypercall2(__HYPERVISOR_xen_version, 1000, buffer));
	fact_result("sched_op 1000", hypercall2(__HYPERVISOR_sched_op, 1000, buffer));
	fact_result("event_channel_op 1000",
		    hypercall2(__HYPERVISOR_event_channel_op, 1000, buffer));
	fact_result("memory_op 1000", hypercall2(__HYPERVISOR_memory_op, 1000, buffer));
	fact_result("vcpu_op 1000", hypercall3(__HYPERVISOR_vcpu_op, 1000, 0, buffer));
	fact_result("physdev_op 1000", hypercall2(__HYPERVISOR_physdev_op, 1000, buffer));
	fact_result("grant_table_op 1000",
		    hypercall3(__HYPERVISOR_grant_table_op, 1000, buffer, 1));
	fact_result("callback_op 1000", hypercall2(__HYPERVISOR_callback_op, 1000, buffer));
	fact_result("nmi_op 1000", hypercall2(__HYPERVISOR_nmi_op, 1000, buffer));
	fact_result("vm_assist 1000", hypercall2(__HYPERVISOR_vm_assist, 1000, 0));
	fact_result("vm_assist, type 1000", hypercall2(__HYPERVISOR_vm_assist, 0, 1000));
	fact_result("console_io 1000", hypercall3(__HYPERVISOR_console_io, 1000, 1, buffer));
	fact_result("set_segment_base 1000", hypercall2(__HYPERVISOR_set_segment_base, 1000, 0));
}

static void bad_pointers(unsigned long where, const char *name)
{
	say("pointers: %s", name);
	fact_result("xen_version extraversion",
		    hypercall2(__HYPERVISOR_xen_version, XENVER_extraversion, where));
	fact_result("xen_version get_features",
		    hypercall2(__HYPERVISOR_xen_version, XENVER_get_features, where));
	fact_result("sched_op poll", hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, where));
	fact_result("sched_op shutdown",
		    hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, where));
	fact_result("event_channel_op send",
		    hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, where));
	fact_result("memory_op memory_map",
		    hypercall2(__HYPERVISOR_memory_op, XENMEM_memory_map, where));
	fact_result("vcpu_op runstate_info",
		    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, where));
	fact_result("vcpu_op set_singleshot",
		    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, where));
	fact_result("physdev_op set_iopl",
		    hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, where));
	fact_result("grant_table_op query_size",
		    hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, where, 1));
	fact_result("callback_op register",
		    hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, where));
	fact_result("set_trap_table", hypercall1(__HYPERVISOR_set_trap_table, where));
	fact_result("set_gdt", hypercall2(__HYPERVISOR_set_gdt, where, 16));
	if (where == HYPERVISOR)
		return; /* the adapter is not protected from its guest's kernel: hot calls do not look */
	fact_result("mmu_update", hypercall4(__HYPERVISOR_mmu_update, where, 1, 0, DOMID_SELF));
	fact_result("mmuext_op", hypercall4(__HYPERVISOR_mmuext_op, where, 1, 0, DOMID_SELF));
	fact_result("multicall", hypercall2(__HYPERVISOR_multicall, where, 1));
}

static void bad_vcpus(void)
{
	fact_result("is_up of vCPU 1000", hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1000, 0));
	fact_result("up of vCPU 0", hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_up, 0, 0));
	fact_result("is_up of vCPU 0", hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 0, 0));
	memset(buffer, 0xff, sizeof(buffer));
	fact_result("initialise of vCPU 0",
		    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 0, buffer));
}

static void bad_periods(void)
{
	struct vcpu_set_periodic_timer timer = {.period_ns = 999999};

	fact_result("set_periodic_timer of less than 1 ms",
		    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, &timer));
	timer.period_ns = ~0ull;
	fact_result("set_periodic_timer of 584 years",
		    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, &timer));
}

static void bad_arguments(void)
{
	struct physdev_set_iopl iopl = {.iopl = 4};
	struct callback_register callback = {.type = 1000, .address = (uint64_t)buffer};
	struct multicall_entry calls[2] = {{.op = 63}, {.op = __HYPERVISOR_xen_version}};
	struct sched_poll poll = {.nr_ports = 1000};
	struct mmuext_op op = {.cmd = 1000};
	unsigned done = 1000;

	fact_result("set_iopl 4", hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl));
	fact_result("callback type 1000",
		    hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback));
	callback = (struct callback_register){.type = CALLBACKTYPE_event, .address = NO_CANON};
	fact_result("callback not canonical",
		    hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback));
	fact_result("set_gdt of 10000 entries", hypercall2(__HYPERVISOR_set_gdt, buffer, 10000));
	fact_result("poll of 1000 ports", hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
	fact_result("multicall", hypercall2(__HYPERVISOR_multicall, calls, 2));
	fact_result("its first call", (long)calls[0].result);
	check(calls[1].result >> 16 == 4);
	fact_result("mmuext_op 1000",
		    hypercall4(__HYPERVISOR_mmuext_op, &op, 1, &done, DOMID_SELF));
	fact("mmuext_op done: %u", done);
	fact_result("mmuext_op of domain 1000",
		    hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, 1000));
	fact_result("stack_switch, not canonical",
		    hypercall2(__HYPERVISOR_stack_switch, KERNEL_SS, NO_CANON));
	fact_result("set_segment_base FS, not canonical",
		    hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_FS, NO_CANON));
	fact_result("set_segment_base user selector 0",
		    hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0));
}

void test_main(void)
{
	bad_numbers();
	bad_sub_operations();
	bad_pointers(NOWHERE, "unmapped");
	bad_pointers(HYPERVISOR, "the hypervisor's");
	bad_pointers(NO_CANON, "not canonical");
	bad_vcpus();
	bad_periods();
	bad_arguments();
	say("the guest still runs");
}
