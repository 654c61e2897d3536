/* SPDX-License-Identifier: MIT */
/* Event channels by the 2-level ABI: life of a port, its errors, delivery, masks. */
#include "tests/guest/pv/kit/pv.h"

#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

static volatile unsigned upcalls, last_port;

static void on_event(unsigned port)
{
	upcalls++;
	last_port = port;
}

static long op(int cmd, void *arg)
{
	return hypercall2(__HYPERVISOR_event_channel_op, cmd, arg);
}

static bool pending(unsigned port)
{
	return shared_info->evtchn_pending[port / 64] >> port % 64 & 1;
}

static void set_mask(unsigned port, bool on)
{
	if (on)
		shared_info->evtchn_mask[port / 64] |= 1ul << port % 64;
	else
		shared_info->evtchn_mask[port / 64] &= ~(1ul << port % 64);
}

static long send(unsigned port)
{
	struct evtchn_send s = {.port = port};

	return op(EVTCHNOP_send, &s);
}

static long close(unsigned port)
{
	struct evtchn_close c = {.port = port};

	return op(EVTCHNOP_close, &c);
}

static void fact_status(const char *name, unsigned port)
{
	struct evtchn_status s = {.dom = DOMID_SELF, .port = port};
	long result = op(EVTCHNOP_status, &s);

	if (result)
		fact_result(name, result);
	else
		fact("%s: status %u vcpu %u", name, s.status, s.vcpu);
}

static void errors(void)
{
	struct evtchn_alloc_unbound alloc = {.dom = 1000, .remote_dom = DOMID_SELF};
	struct evtchn_bind_interdomain inter = {.remote_dom = DOMID_SELF, .remote_port = 4000};
	struct evtchn_bind_virq virq = {.virq = 1000};
	struct evtchn_bind_ipi ipi = {.vcpu = 1000};
	struct evtchn_bind_vcpu vcpu = {.port = 4000};
	struct evtchn_unmask unmask = {.port = 1u << 20};

	fact_result("send to port 0", send(0));
	fact_result("send to port 1000", send(1000));
	fact_result("send to port 1 << 20", send(1u << 20));
	fact_result("close port 0", close(0));
	fact_result("close port 1000", close(1000));
	fact_result("alloc_unbound for domain 1000", op(EVTCHNOP_alloc_unbound, &alloc));
	fact_result("bind_interdomain to a free port", op(EVTCHNOP_bind_interdomain, &inter));
	fact_result("bind_virq 1000", op(EVTCHNOP_bind_virq, &virq));
	fact_result("bind_ipi to vCPU 1000", op(EVTCHNOP_bind_ipi, &ipi));
	fact_result("bind_vcpu of a free port", op(EVTCHNOP_bind_vcpu, &vcpu));
	fact_result("unmask port 1 << 20", op(EVTCHNOP_unmask, &unmask));
	fact_status("status of port 1 << 20", 1u << 20);
}

static void loopback(void)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};
	struct evtchn_unmask unmask;

	check_equal(op(EVTCHNOP_alloc_unbound, &a), 0);
	fact_status("unbound", a.port);
	fact_result("send to an unbound port", send(a.port));
	b.remote_port = a.port;
	check_equal(op(EVTCHNOP_bind_interdomain, &b), 0);
	fact_status("interdomain", b.local_port);
	fact_result("bind_interdomain once more", op(EVTCHNOP_bind_interdomain, &b));

	/* Masked: pending, and nothing more. */
	set_mask(a.port, true);
	check_equal(send(b.local_port), 0);
	check(pending(a.port));
	/* Binding might have lost an event, so it makes one. */
	fact("pending on the end that was bound: %d", pending(b.local_port));
	events_allow();
	check_equal(upcalls, 0);
	/* Unmasking by hypercall delivers it. */
	unmask.port = a.port;
	check_equal(op(EVTCHNOP_unmask, &unmask), 0);
	check_equal(upcalls, 1);
	check_equal(last_port, a.port);
	check(!pending(a.port));
	/* Unmasked: at once. */
	check_equal(send(b.local_port), 0);
	check_equal(upcalls, 2);
	events_mask();
	/* With upcalls off: when they are on again. */
	check_equal(send(b.local_port), 0);
	check_equal(upcalls, 2);
	events_allow();
	check_equal(upcalls, 3);
	events_mask();

	check_equal(close(b.local_port), 0);
	fact_status("the end that stayed", a.port);
	check_equal(close(a.port), 0);
	fact_status("closed", a.port);
}

static void ipi(void)
{
	struct evtchn_bind_ipi b = {.vcpu = 0};

	check_equal(op(EVTCHNOP_bind_ipi, &b), 0);
	fact_status("ipi", b.port);
	set_mask(b.port, false);
	upcalls = 0;
	events_allow();
	check_equal(send(b.port), 0);
	check_equal(upcalls, 1);
	check_equal(last_port, b.port);
	events_mask();
	check_equal(close(b.port), 0);
}

/* Polls `nr` ports that nobody sends to while the timer's event is due soon. Returns how long it took. */
static uint64_t poll_beside_timer(unsigned nr)
{
	struct evtchn_alloc_unbound idle = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct vcpu_set_singleshot_timer set = {0};
	struct sched_poll poll = {.nr_ports = nr};
	uint64_t start;
	unsigned ports[2];

	check_equal(op(EVTCHNOP_alloc_unbound, &idle), 0);
	ports[0] = ports[1] = idle.port;
	poll.ports.p = ports;
	start = system_time();
	set.timeout_abs_ns = start + SECOND / 100;
	poll.timeout = start + 20 * SECOND;
	check_equal(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &set), 0);
	check_equal(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll), 0);
	check_equal(close(idle.port), 0);
	return system_time() - start;
}

/*
 * A vCPU that polls one port with upcalls on takes the events of others meanwhile: whoever holds the lock that it waits for may
 * be waiting for it to answer.
 */
static void polled_beside(unsigned timer)
{
	upcalls = 0;
	events_allow();
	check(poll_beside_timer(1) < 10 * SECOND);
	check_equal(upcalls, 1);
	check_equal(last_port, timer);
	events_mask();
}

/* Of several ports none is remembered: an event of any port ends the poll, a masked one's too. */
static void polled_several(unsigned timer)
{
	upcalls = 0;
	set_mask(timer, true);
	check(poll_beside_timer(2) < 10 * SECOND);
	check(pending(timer));
	check_equal(upcalls, 0);
}

/* A timer of 1 ms wakes a blocked vCPU. */
static void timer(void)
{
	struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER, .vcpu = 0};
	struct vcpu_set_singleshot_timer set = {0};
	const struct vcpu_time_info *t = &shared_info->vcpu_info[0].time;
	struct evtchn_bind_virq again = virq;

	check_equal(op(EVTCHNOP_bind_virq, &virq), 0);
	fact_status("virq", virq.port);
	fact_result("bind_virq once more", op(EVTCHNOP_bind_virq, &again));
	fact_result("send to a virq", send(virq.port));
	set_mask(virq.port, false);
	upcalls = 0;
	check_equal(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
	set.timeout_abs_ns = t->system_time; /* has passed */
	check_equal(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &set), 0);
	/* block allows events by itself */
	while (!upcalls)
		check_equal(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0), 0);
	check_equal(last_port, virq.port);
	events_mask();
	polled_beside(virq.port);
	polled_several(virq.port);
	check_equal(close(virq.port), 0);
}

void test_main(void)
{
	memset(shared_info->evtchn_mask, 0xff, sizeof(shared_info->evtchn_mask));
	event_init(on_event);
	errors();
	loopback();
	ipi();
	timer();
}
