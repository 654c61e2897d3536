/* SPDX-License-Identifier: MIT */
/* Event channels by the FIFO ABI: set-up and its errors, words, queues, priorities. */
#include "tests/guest/pv/kit/pv.h"

#include <xen/event_channel.h>

static uint8_t control_page[PAGE_SIZE] PAGE_ALIGNED;
static uint8_t array_page[PAGE_SIZE] PAGE_ALIGNED;
static struct evtchn_fifo_control_block *const control = (void *)control_page;
static volatile event_word_t *const array = (void *)array_page;

static long op(int cmd, void *arg)
{
	return hypercall2(__HYPERVISOR_event_channel_op, cmd, arg);
}

static bool bit(unsigned port, unsigned n)
{
	return array[port] >> n & 1;
}

static unsigned bind_ipi(void)
{
	struct evtchn_bind_ipi b = {.vcpu = 0};

	check_equal(op(EVTCHNOP_bind_ipi, &b), 0);
	return b.port;
}

static long send(unsigned port)
{
	struct evtchn_send s = {.port = port};

	return op(EVTCHNOP_send, &s);
}

static void set_up(void)
{
	struct evtchn_init_control init = {
	    .control_gfn = va_to_mfn(control_page), .offset = 4096 - 8, .vcpu = 0};
	struct evtchn_expand_array expand = {.array_gfn = va_to_mfn(array_page)};

	fact_result("expand_array before init_control", op(EVTCHNOP_expand_array, &expand));
	fact_result("init_control over a page's end", op(EVTCHNOP_init_control, &init));
	init.offset = 4;
	fact_result("init_control at offset 4", op(EVTCHNOP_init_control, &init));
	init.offset = 0;
	init.vcpu = 1000;
	fact_result("init_control of vCPU 1000", op(EVTCHNOP_init_control, &init));
	init.vcpu = 0;
	init.control_gfn = ~0ul >> 12;
	fact_result("init_control of no frame", op(EVTCHNOP_init_control, &init));
	init.control_gfn = va_to_mfn(control_page);
	check_equal(op(EVTCHNOP_init_control, &init), 0);
	fact("link bits: %u", init.link_bits);
	fact_result("init_control once more", op(EVTCHNOP_init_control, &init));
	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*array); i++)
		array[i] = 1u << EVTCHN_FIFO_MASKED;
	check_equal(op(EVTCHNOP_expand_array, &expand), 0);
}

static void priorities(unsigned port)
{
	struct evtchn_set_priority p = {.port = port, .priority = EVTCHN_FIFO_PRIORITY_MIN + 1};

	fact_result("priority too low", op(EVTCHNOP_set_priority, &p));
	p.port = 100000;
	p.priority = 0;
	fact_result("priority of no port", op(EVTCHNOP_set_priority, &p));
	p.port = port;
	p.priority = EVTCHN_FIFO_PRIORITY_MAX;
	check_equal(op(EVTCHNOP_set_priority, &p), 0);
}

void test_main(void)
{
	unsigned a, b, first;
	struct evtchn_unmask unmask;

	set_up();
	a = bind_ipi();
	b = bind_ipi();
	array[a] &= ~(1u << EVTCHN_FIFO_MASKED);

	/* Queued at the default priority, and linked in order. */
	check_equal(send(a), 0);
	check(bit(a, EVTCHN_FIFO_PENDING));
	check(bit(a, EVTCHN_FIFO_LINKED));
	check_equal(control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], a);
	check_equal(control->ready & (1u << EVTCHN_FIFO_PRIORITY_DEFAULT),
		    1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
	check(shared_info->vcpu_info[0].evtchn_upcall_pending);

	/* A masked one is pending, not linked, until it is unmasked. */
	check_equal(send(b), 0);
	check(bit(b, EVTCHN_FIFO_PENDING));
	fact("masked, linked: %d", bit(b, EVTCHN_FIFO_LINKED));
	unmask.port = b;
	check_equal(op(EVTCHNOP_unmask, &unmask), 0);
	check(!bit(b, EVTCHN_FIFO_MASKED));
	check(bit(b, EVTCHN_FIFO_LINKED));
	first = control->head[EVTCHN_FIFO_PRIORITY_DEFAULT];
	check_equal(first, a);
	check_equal(array[a] & EVTCHN_FIFO_LINK_MASK, b);

	/* Consumed by the guest, sent again: a queue that is empty begins anew. */
	array[a] = 0;
	array[b] = 0;
	control->ready = 0;
	control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] = 0;
	priorities(a);
	check_equal(send(a), 0);
	check_equal(control->head[EVTCHN_FIFO_PRIORITY_MAX], a);
	check(control->ready & 1u << EVTCHN_FIFO_PRIORITY_MAX);
}
