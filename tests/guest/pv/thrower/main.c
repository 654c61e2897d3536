/* SPDX-License-Identifier: MIT */
/*
 * Random and boundary hypercalls from two vCPUs at once: every one returns, and the guest goes on. The calls that end a
 * guest or take a vCPU away on purpose are left out; so is what would take away the memory that this runs in.
 *
 * On Xen this kernel would be the hardware domain, which may do harm, so there it is skipped.
 */
#include "tests/guest/pv/kit/pv.h"

#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define ROUNDS 20000

static uint8_t arena[2][4 * PAGE_SIZE] PAGE_ALIGNED;
static volatile unsigned long rounds[2];
static volatile bool other_done;

/* Pointers that a guest should not give, and some that it may. */
static uint64_t any_pointer(uint64_t *seed, unsigned self)
{
	uint64_t r = random64(seed);

	switch (r % 12) {
	case 0: return 0;
	case 1: return ~0ul;
	case 2: return 0x8000000000000000;
	case 3: return 0x00007ffffffffff8;
	case 4: return 0xffff7ffffffffff8;
	case 5: return 0xffff800000000000;             /* the M2P */
	case 6: return 0xffff830000000000 + (r >> 32); /* the hypervisor's */
	case 7: return 0xffff87fffffffffc;
	case 8: return (uint64_t)arena[self] + 4 * PAGE_SIZE - 1 - r / 12 % 64;
	case 9: return (uint64_t)arena[self] + r / 12 % PAGE_SIZE;
	default: return (uint64_t)arena[self] + (r / 12 % 4) * PAGE_SIZE;
	}
}

static uint64_t any_number(uint64_t *seed)
{
	static const uint64_t edges[] = {
	    0,          1,         2,         3,         7,         31,         63,
	    64,         255,       4095,      4096,      0x7ff0,    0x7fffffff, 0x80000000,
	    0xffffffff, 1ul << 32, 1ul << 52, 1ul << 63, ~0ul >> 1, ~0ul - 1,   ~0ul};
	uint64_t r = random64(seed);

	switch (r & 3) {
	case 0: return r >> 2;
	case 1: return r >> 2 & 15;
	default: return edges[(r >> 2) % (sizeof(edges) / sizeof(edges[0]))];
	}
}

/* An argument may be either; the call decides. */
static uint64_t any(uint64_t *seed, unsigned self)
{
	return random64(seed) & 1 ? any_pointer(seed, self) : any_number(seed);
}

/* Structures are full of numbers and pointers too. */
static void scribble(uint64_t *seed, unsigned self)
{
	uint64_t *words = (uint64_t *)arena[self];

	for (unsigned i = 0; i < 16; i++) {
		unsigned page = (unsigned)(random64(seed) % 4) * (PAGE_SIZE / 8);

		words[page + i] = any(seed, self);
	}
}

/* Calls that by their nature do not leave the guest as it was. */
static bool harmful(unsigned nr, uint64_t cmd)
{
	uint32_t c = (uint32_t)cmd;

	switch (nr) {
	case __HYPERVISOR_set_trap_table:
	case __HYPERVISOR_set_callbacks:
	case __HYPERVISOR_callback_op:
	case __HYPERVISOR_nmi_op:
	case __HYPERVISOR_iret:
	case __HYPERVISOR_stack_switch:
	case __HYPERVISOR_set_gdt:
	case __HYPERVISOR_update_va_mapping:
	case __HYPERVISOR_update_va_mapping_otherdomain:
	case __HYPERVISOR_mmu_update:
	case __HYPERVISOR_mmuext_op:
	case __HYPERVISOR_set_debugreg:
	case __HYPERVISOR_multicall: return true;
	case __HYPERVISOR_sched_op_compat:
	case __HYPERVISOR_sched_op:
		return c == SCHEDOP_shutdown || c == SCHEDOP_block || c == SCHEDOP_poll ||
		       c == SCHEDOP_watchdog || c == SCHEDOP_remote_shutdown;
	case __HYPERVISOR_vcpu_op:
		return c == VCPUOP_down || c == VCPUOP_initialise || c == VCPUOP_register_vcpu_info;
	case __HYPERVISOR_memory_op:
		c &= 0x3f; /* above is where a continuation goes on */
		return c == XENMEM_decrease_reservation || c == XENMEM_exchange ||
		       c == XENMEM_remove_from_physmap;
	case __HYPERVISOR_event_channel_op:
		return c == EVTCHNOP_reset || c == EVTCHNOP_close || c == EVTCHNOP_init_control;
	case __HYPERVISOR_console_io: return true; /* it would print what it finds */
	default: return false;
	}
}

static void throw_one(uint64_t *seed, unsigned self)
{
	unsigned nr = (unsigned)(random64(seed) % 60);
	uint64_t a1 = random64(seed) & 3 ? random64(seed) % 48 : any(seed, self);
	uint64_t a2 = any(seed, self), a3 = any(seed, self);

	if (harmful(nr, a1))
		return;
	/* Each operation gets a status, behind the arena too: in this kernel's own data, and in its console's ring. */
	if (nr == __HYPERVISOR_grant_table_op && a2 >= (uint64_t)arena[0] && (uint32_t)a3 > 16)
		a3 = 16;
	hypercall5(nr, a1, a2, a3, any(seed, self), any(seed, self));
}

/* The harmful calls with arguments of which none can be right. */
static void throw_wrong(uint64_t *seed, unsigned self)
{
	static const uint64_t bad[] = {8, 0x8000000000000000, 0xffff830000000000,
				       0xffff7ffffffffff8, ~0ul - 7};
	static const uint8_t calls[] = {__HYPERVISOR_set_trap_table, __HYPERVISOR_mmu_update,
					__HYPERVISOR_mmuext_op,      __HYPERVISOR_multicall,
					__HYPERVISOR_callback_op,    __HYPERVISOR_set_gdt,
					__HYPERVISOR_sched_op,       __HYPERVISOR_memory_op,
					__HYPERVISOR_vcpu_op,        __HYPERVISOR_event_channel_op};
	uint64_t p = bad[random64(seed) % 5];
	unsigned nr = calls[random64(seed) % sizeof(calls)];
	uint64_t count = 1 + random64(seed) % 100000;
	long result;

	(void)self;
	switch (nr) {
	case __HYPERVISOR_set_trap_table: result = hypercall1(nr, p); break;
	case __HYPERVISOR_mmu_update:
	case __HYPERVISOR_mmuext_op: result = hypercall4(nr, p, count, 0, DOMID_SELF); break;
	case __HYPERVISOR_multicall:
	case __HYPERVISOR_set_gdt: result = hypercall2(nr, p, 1 + count % 512); break;
	case __HYPERVISOR_callback_op: result = hypercall2(nr, CALLBACKOP_register, p); break;
	case __HYPERVISOR_sched_op:
		result = hypercall2(nr, random64(seed) & 1 ? SCHEDOP_poll : SCHEDOP_shutdown, p);
		break;
	case __HYPERVISOR_memory_op: result = hypercall2(nr, XENMEM_decrease_reservation, p); break;
	case __HYPERVISOR_vcpu_op: result = hypercall3(nr, VCPUOP_initialise, 1, p); break;
	default: result = hypercall2(nr, EVTCHNOP_close, p);
	}
	if (result >= 0)
		failure("hypercall %u took a bad pointer %#lx: %ld", nr, p, result);
}

static void run(unsigned self)
{
	uint64_t seed = 0x1234 + self;

	for (unsigned long i = 0; i < ROUNDS; i++) {
		scribble(&seed, self);
		throw_one(&seed, self);
		throw_wrong(&seed, self);
		rounds[self] = i;
	}
}

static void other(void)
{
	run(1);
	other_done = true;
	for (;;)
		hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_down, 1, 0);
}

/* VCPUOP_send_nmi is among what is thrown. */
static void on_nmi(struct regs *r)
{
	(void)r;
}

void test_main(void)
{
	uint8_t self_seen;

	if (is_hardware_domain())
		skip("the hardware domain may do harm");
	set_trap_handler(2, on_nmi);
	/* An upcall would find no handler that knows the ports that get bound. */
	check_equal(shared_info->vcpu_info[0].evtchn_upcall_mask, 1);
	check_equal(vcpu_start(1, other), 0);
	run(0);
	while (!other_done)
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	TRY("ud2");
	check_equal(caught.vector, 6);
	self_seen = (uint8_t)rounds[1];
	say("%lu and %lu rounds, %u", rounds[0] + 1, rounds[1] + 1, self_seen);
}
