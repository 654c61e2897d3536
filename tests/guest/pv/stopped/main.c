/* SPDX-License-Identifier: MIT */
/*
 * A kernel that stops for a while, as one does that spins on a lost lock with its interrupts off: an event is due and it does not take it. Then it lives
 * on, idle. tests/host/services looks at its heartbeat; it does not end by itself.
 */
#include "tests/guest/pv/kit/pv.h"

#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define SECOND 1000000000ull

/* xen.h, struct vcpu_time_info; this kernel asks on one vCPU, whose scale does not change meanwhile. */
static uint64_t now(void)
{
	const struct vcpu_time_info *t = &shared_info->vcpu_info[0].time;
	uint64_t ticks = __builtin_ia32_rdtsc() - t->tsc_timestamp;

	ticks = t->tsc_shift < 0 ? ticks >> -t->tsc_shift : ticks << t->tsc_shift;
	return t->system_time + (uint64_t)((unsigned __int128)ticks * t->tsc_to_system_mul >> 32);
}

static void timer_in(uint64_t ns)
{
	struct vcpu_set_singleshot_timer t = {.timeout_abs_ns = now() + ns};

	check_equal(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &t), 0);
}

static void tick(unsigned port)
{
	(void)port;
}

void test_main(void)
{
	struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = 0};
	uint64_t until;

	event_init(tick);
	check_equal(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, &bind), 0);
	shared_info->evtchn_mask[bind.port / 64] &= ~(1ul << bind.port % 64);
	timer_in(SECOND / 10);
	say("stops");
	for (until = now() + 25 * SECOND; now() < until;)
		asm volatile("pause");
	say("goes on");
	events_allow();
	for (;;) {
		timer_in(SECOND);
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
	}
}
