/* SPDX-License-Identifier: MIT */
/* Event channels as a guest uses them, in both ABIs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/evtchn.h"

#define VCPUS     4
#define PORTS     5000
#define INTERNALS 4
#define PAGES     16 /* guest pages 100 to 115 */

struct world {
	struct evtchn ev;
	struct evtchn_vcpu vcpus[VCPUS];
	struct evtchn_port ports[PORTS];
	struct evtchn_internal internals[INTERNALS];
	struct shared_info shared;
	_Alignas(4096) char pages[PAGES][4096];
	unsigned kicks[VCPUS];
	int mapped;
	unsigned head[VCPUS][EVTCHN_FIFO_MAX_QUEUES]; /* the guest's own place in each queue */
};

static void kick(void *ctx, unsigned vcpu)
{
	struct world *w = ctx;

	w->kicks[vcpu]++;
}

static void *map(void *ctx, uint64_t gfn)
{
	struct world *w = ctx;

	if (gfn < 100 || gfn >= 100 + PAGES)
		return NULL;
	w->mapped++;
	return w->pages[gfn - 100];
}

static void unmap(void *ctx, void *page)
{
	struct world *w = ctx;

	(void)page;
	w->mapped--;
}

static const struct evtchn_env env = {kick, map, unmap};

static int setup_bits(void **state, unsigned bits)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);

	memset(w, 0, sizeof(*w));
	struct evtchn_config c = {
	    .env = &env,
	    .ctx = w,
	    .domid = 1,
	    .guest_bits = bits,
	    .shared_info = &w->shared,
	    .vcpus = w->vcpus,
	    .nr_vcpus = VCPUS,
	    .ports = w->ports,
	    .nr_ports = PORTS,
	    .internals = w->internals,
	    .nr_internals = INTERNALS,
	};
	assert_int_equal(evtchn_init(&w->ev, &c), 0);
	*state = w;
	return 0;
}

static int setup(void **state)
{
	return setup_bits(state, 64);
}

static int setup_32(void **state)
{
	return setup_bits(state, 32);
}

/* vCPU i's control block at the start of page 100 + i, the array's first page is 110. */
static int setup_fifo(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	for (unsigned i = 0; i < VCPUS; i++) {
		struct evtchn_init_control control = {
		    .control_gfn = 100 + i, .offset = 8 * i, .vcpu = i};

		assert_int_equal(evtchn_init_control(&w->ev, &control), 0);
		assert_int_equal(control.link_bits, 17);
	}
	assert_int_equal(evtchn_expand_array(&w->ev, &(struct evtchn_expand_array){110}), 0);
	memset(w->kicks, 0, sizeof(w->kicks));
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	evtchn_reset(&w->ev, &(struct evtchn_reset){DOMID_SELF});
	assert_int_equal(w->mapped, 0);
	free(w);
	return 0;
}

static evtchn_port_t ipi(struct world *w, unsigned vcpu)
{
	struct evtchn_bind_ipi arg = {.vcpu = vcpu};

	assert_int_equal(evtchn_bind_ipi(&w->ev, &arg), 0);
	return arg.port;
}

static evtchn_port_t unbound(struct world *w, domid_t remote)
{
	struct evtchn_alloc_unbound arg = {.dom = DOMID_SELF, .remote_dom = remote};

	assert_int_equal(evtchn_alloc_unbound(&w->ev, &arg), 0);
	return arg.port;
}

static int send(struct world *w, evtchn_port_t port)
{
	return evtchn_send(&w->ev, &(struct evtchn_send){port});
}

static int close_port(struct world *w, evtchn_port_t port)
{
	return evtchn_close(&w->ev, &(struct evtchn_close){port});
}

static uint32_t status_of(struct world *w, evtchn_port_t port)
{
	struct evtchn_status arg = {.dom = DOMID_SELF, .port = port};

	assert_int_equal(evtchn_status(&w->ev, &arg), 0);
	return arg.status;
}

static bool upcall(struct world *w, unsigned vcpu)
{
	struct vcpu_info *info = &w->shared.vcpu_info[vcpu];
	bool pending = info->evtchn_upcall_pending;

	info->evtchn_upcall_pending = 0;
	return pending;
}

/* The guest's upcall in the 2-level ABI: one pending, unmasked port, or 0. */
static evtchn_port_t next_2l(struct world *w, unsigned vcpu)
{
	struct vcpu_info *info = &w->shared.vcpu_info[vcpu];

	for (unsigned i = 0; i < 64; i++) {
		uint64_t ready = w->shared.evtchn_pending[i] & ~w->shared.evtchn_mask[i];

		if (!(info->evtchn_pending_sel >> i & 1))
			continue;
		if (ready) {
			unsigned bit = __builtin_ctzll(ready);

			w->shared.evtchn_pending[i] &= ~(1ull << bit);
			return i * 64 + bit;
		}
		info->evtchn_pending_sel &= ~(1ull << i);
	}
	return 0;
}

static uint32_t *event_word(struct world *w, evtchn_port_t port)
{
	return (uint32_t *)w->pages[10] + port;
}

static struct evtchn_fifo_control_block *control_of(struct world *w, unsigned vcpu)
{
	return (struct evtchn_fifo_control_block *)(w->pages[vcpu] + 8 * vcpu);
}

/* The guest's upcall in the FIFO ABI, as the design tells guests to do it: the next event, or 0. */
static evtchn_port_t next_fifo(struct world *w, unsigned vcpu)
{
	struct evtchn_fifo_control_block *control = control_of(w, vcpu);

	while (control->ready) {
		unsigned q = __builtin_ctz(control->ready);
		evtchn_port_t port = w->head[vcpu][q] ? w->head[vcpu][q] : control->head[q];
		uint32_t *word = event_word(w, port), old = *word;

		*word &= ~(1u << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK);
		w->head[vcpu][q] = old & EVTCHN_FIFO_LINK_MASK;
		if (!w->head[vcpu][q])
			control->ready &= ~(1u << q);
		if (old >> EVTCHN_FIFO_PENDING & 1 && !(old >> EVTCHN_FIFO_MASKED & 1)) {
			*word &= ~(1u << EVTCHN_FIFO_PENDING);
			return port;
		}
	}
	return 0;
}

static void an_ipi_reaches_its_vcpu_once(void **state)
{
	struct world *w = *state;
	evtchn_port_t a = ipi(w, 2), b = ipi(w, 2);

	assert_int_equal(a, 1);
	assert_int_equal(b, 2);
	assert_int_equal(send(w, a), 0);
	assert_int_equal(send(w, a), 0);
	assert_int_equal(send(w, b), 0);
	assert_int_equal(w->kicks[2], 1);
	assert_true(upcall(w, 2));
	assert_false(upcall(w, 0));
	assert_int_equal(next_2l(w, 2), a);
	assert_int_equal(next_2l(w, 2), b);
	assert_int_equal(next_2l(w, 2), 0);
	send(w, a);
	assert_int_equal(w->kicks[2], 2);
}

static void a_masked_event_waits_for_the_unmask(void **state)
{
	struct world *w = *state;
	evtchn_port_t port = ipi(w, 1);

	w->shared.evtchn_mask[0] |= 1ull << port;
	send(w, port);
	assert_false(upcall(w, 1));
	assert_true(evtchn_is_pending(&w->ev, port));
	assert_int_equal(evtchn_unmask(&w->ev, &(struct evtchn_unmask){port}), 0);
	assert_true(upcall(w, 1));
	assert_int_equal(next_2l(w, 1), port);
	assert_int_equal(evtchn_unmask(&w->ev, &(struct evtchn_unmask){port}), 0);
	assert_false(upcall(w, 1));
	assert_int_equal(evtchn_unmask(&w->ev, &(struct evtchn_unmask){77}), -XEN_EINVAL);
}

static void a_32_bit_guest_finds_its_bits(void **state)
{
	struct world *w = *state;
	char *shared = (char *)&w->shared;
	evtchn_port_t port = 0;

	for (unsigned i = 0; i < 40; i++)
		port = ipi(w, 1);
	send(w, port); /* 40 */
	assert_int_equal(*(uint32_t *)(shared + 2048 + 4), 1u << 8);
	assert_int_equal(*(uint32_t *)(shared + 64 + 4), 1u << 1); /* vCPU 1's selector */
	*(uint32_t *)(shared + 2048 + 128 + 4) = 1u << 7;          /* mask port 39 */
	send(w, 39);
	assert_int_equal(w->kicks[1], 1);
	for (unsigned i = 40; i < 1023; i++)
		ipi(w, 0);
	assert_int_equal(evtchn_bind_ipi(&w->ev, &(struct evtchn_bind_ipi){0, 0}), -XEN_ENOSPC);
}

static void ports_run_out_and_come_back(void **state)
{
	struct world *w = *state;
	struct evtchn_bind_ipi arg = {0, 0};

	for (unsigned i = 1; i < 4096; i++)
		assert_int_equal(ipi(w, 0), i);
	assert_int_equal(evtchn_bind_ipi(&w->ev, &arg), -XEN_ENOSPC);
	assert_int_equal(close_port(w, 77), 0);
	assert_int_equal(close_port(w, 77), -XEN_EINVAL);
	assert_int_equal(ipi(w, 0), 77);
}

static void a_closed_port_is_not_pending(void **state)
{
	struct world *w = *state;
	evtchn_port_t port = ipi(w, 0);

	send(w, port);
	close_port(w, port);
	assert_int_equal(send(w, port), -XEN_EINVAL);
	assert_int_equal(ipi(w, 0), port);
	assert_false(evtchn_is_pending(&w->ev, port));
}

static void a_loop_connects_two_ports(void **state)
{
	struct world *w = *state;
	evtchn_port_t a = unbound(w, 1);
	struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF, .remote_port = a};
	struct evtchn_status status = {.dom = 1, .port = a};

	assert_int_equal(send(w, a), 0); /* unbound: dropped */
	assert_int_equal(evtchn_bind_interdomain(&w->ev, &bind), 0);
	assert_int_equal(next_2l(w, 0), bind.local_port); /* told to look */
	assert_int_equal(evtchn_status(&w->ev, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_interdomain);
	assert_int_equal(status.u.interdomain.dom, 1);
	assert_int_equal(status.u.interdomain.port, bind.local_port);
	send(w, bind.local_port);
	assert_int_equal(next_2l(w, 0), a);
	send(w, a);
	assert_int_equal(next_2l(w, 0), bind.local_port);
	assert_int_equal(evtchn_bind_interdomain(&w->ev, &bind), -XEN_EINVAL);
	assert_int_equal(close_port(w, a), 0);
	assert_int_equal(status_of(w, bind.local_port), EVTCHNSTAT_unbound);
	assert_int_equal(send(w, bind.local_port), 0);
	assert_int_equal(next_2l(w, 0), 0);
}

static void foreign_domains_are_refused(void **state)
{
	struct world *w = *state;
	struct evtchn_alloc_unbound alloc = {.dom = 0, .remote_dom = 0};
	struct evtchn_bind_interdomain bind = {.remote_dom = 0, .remote_port = 1};
	struct evtchn_status status = {.dom = 0, .port = 1};

	assert_int_equal(evtchn_alloc_unbound(&w->ev, &alloc), -XEN_EPERM);
	alloc.dom = 7;
	assert_int_equal(evtchn_alloc_unbound(&w->ev, &alloc), -XEN_ESRCH);
	assert_int_equal(evtchn_bind_interdomain(&w->ev, &bind), -XEN_EINVAL);
	bind.remote_dom = 7;
	assert_int_equal(evtchn_bind_interdomain(&w->ev, &bind), -XEN_ESRCH);
	assert_int_equal(evtchn_status(&w->ev, &status), -XEN_EPERM);
	assert_int_equal(evtchn_reset(&w->ev, &(struct evtchn_reset){0}), -XEN_EPERM);
	assert_int_equal(evtchn_bind_pirq(&w->ev, &(struct evtchn_bind_pirq){.pirq = 1}),
			 -XEN_EPERM);
	bind.remote_dom = DOMID_SELF;
	bind.remote_port = unbound(w, 0); /* waits for domain 0, not for us */
	assert_int_equal(evtchn_bind_interdomain(&w->ev, &bind), -XEN_EINVAL);
}

static void virqs_are_per_vcpu_or_global(void **state)
{
	struct world *w = *state;
	struct evtchn_bind_virq timer[2] = {{VIRQ_TIMER, 0, 0}, {VIRQ_TIMER, 1, 0}};
	struct evtchn_bind_virq global = {VIRQ_ARGO, 0, 0};
	struct evtchn_bind_vcpu move;

	assert_int_equal(evtchn_bind_virq(&w->ev, &timer[0]), 0);
	assert_int_equal(evtchn_bind_virq(&w->ev, &timer[1]), 0);
	assert_int_equal(evtchn_bind_virq(&w->ev, &timer[1]), -XEN_EEXIST);
	assert_int_equal(evtchn_bind_virq(&w->ev, &(struct evtchn_bind_virq){VIRQ_TIMER, VCPUS, 0}),
			 -XEN_ENOENT);
	assert_int_equal(evtchn_bind_virq(&w->ev, &(struct evtchn_bind_virq){NR_VIRQS, 0, 0}),
			 -XEN_EINVAL);
	assert_int_equal(evtchn_bind_virq(&w->ev, &(struct evtchn_bind_virq){VIRQ_ARGO, 1, 0}),
			 -XEN_EINVAL);
	assert_int_equal(evtchn_bind_virq(&w->ev, &global), 0);

	assert_true(evtchn_virq_bound(&w->ev, 1, VIRQ_TIMER));
	assert_false(evtchn_virq_bound(&w->ev, 2, VIRQ_TIMER));
	evtchn_raise_virq(&w->ev, 1, VIRQ_TIMER);
	evtchn_raise_virq(&w->ev, 2, VIRQ_TIMER);
	assert_int_equal(next_2l(w, 1), timer[1].port);
	assert_int_equal(next_2l(w, 2), 0);
	assert_int_equal(send(w, timer[1].port), -XEN_EINVAL);

	move = (struct evtchn_bind_vcpu){global.port, 3};
	assert_int_equal(evtchn_bind_vcpu(&w->ev, &move), 0);
	evtchn_raise_virq(&w->ev, 0, VIRQ_ARGO);
	assert_int_equal(next_2l(w, 3), global.port);
	move.port = timer[0].port;
	assert_int_equal(evtchn_bind_vcpu(&w->ev, &move), -XEN_EINVAL);
	move.port = ipi(w, 0);
	assert_int_equal(evtchn_bind_vcpu(&w->ev, &move), -XEN_EINVAL);
	move.vcpu = VCPUS;
	assert_int_equal(evtchn_bind_vcpu(&w->ev, &move), -XEN_ENOENT);

	close_port(w, global.port);
	assert_false(evtchn_virq_bound(&w->ev, 0, VIRQ_ARGO));
	close_port(w, timer[1].port);
	assert_int_equal(evtchn_bind_virq(&w->ev, &timer[1]), 0);
}

static void count(void *ctx, evtchn_port_t port)
{
	unsigned *calls = ctx;

	(void)port;
	++*calls;
}

static void a_back_end_and_the_guest_notify_each_other(void **state)
{
	struct world *w = *state;
	static unsigned calls; /* the world's end calls, too */
	evtchn_port_t port;
	int console = evtchn_internal_alloc(&w->ev, count, &calls, &port), disk;

	assert_true(console >= 0);
	assert_int_equal(send(w, port), 0);
	assert_int_equal(calls, 1);
	assert_true(evtchn_internal_notify(&w->ev, console));
	assert_int_equal(next_2l(w, 0), port);

	port = unbound(w, 0);
	disk = evtchn_internal_bind(&w->ev, port, count, &calls);
	assert_true(disk >= 0 && disk != console);
	assert_int_equal(evtchn_internal_bind(&w->ev, port, count, &calls), -XEN_EINVAL);
	assert_int_equal(status_of(w, port), EVTCHNSTAT_interdomain);
	evtchn_bind_vcpu(&w->ev, &(struct evtchn_bind_vcpu){port, 3});
	assert_true(evtchn_internal_notify(&w->ev, disk));
	assert_int_equal(next_2l(w, 3), port);
	evtchn_internal_unbind(&w->ev, disk);
	assert_int_equal(status_of(w, port), EVTCHNSTAT_unbound);
	assert_int_equal(send(w, port), 0);
	assert_int_equal(calls, 1);
	assert_false(evtchn_internal_notify(&w->ev, disk));
}

static void a_handle_stays_taken_until_the_back_end_lets_go(void **state)
{
	struct world *w = *state;
	static unsigned calls;
	evtchn_port_t port;
	int handle = evtchn_internal_alloc(&w->ev, count, &calls, &port);

	close_port(w, port);
	assert_int_equal(calls, 1); /* told */
	assert_false(evtchn_internal_notify(&w->ev, handle));
	assert_int_equal(ipi(w, 0), port);
	assert_false(evtchn_internal_notify(&w->ev, handle));
	for (unsigned i = 1; i < INTERNALS; i++)
		assert_int_not_equal(evtchn_internal_alloc(&w->ev, count, &calls, &port), handle);
	assert_int_equal(evtchn_internal_alloc(&w->ev, count, &calls, &port), -XEN_ENOSPC);
	evtchn_internal_unbind(&w->ev, handle);
	assert_int_equal(evtchn_internal_alloc(&w->ev, count, &calls, &port), handle);
}

static void a_moved_vcpu_info_loses_nothing(void **state)
{
	struct world *w = *state;
	evtchn_port_t port = ipi(w, 1);
	struct vcpu_info info;

	send(w, port);
	info = w->shared.vcpu_info[1];
	info.evtchn_upcall_pending = 0;
	info.evtchn_pending_sel = 0;
	evtchn_set_vcpu_info(&w->ev, 1, &info);
	assert_int_equal(info.evtchn_upcall_pending, 1);
	assert_true(info.evtchn_pending_sel == ~0ul);
	assert_int_equal(w->kicks[1], 2);
	info.evtchn_upcall_pending = 0;
	info.evtchn_pending_sel = 0;
	w->shared.evtchn_pending[0] = 0;
	w->shared.vcpu_info[1].evtchn_upcall_pending = 0;
	send(w, port);
	assert_int_equal(info.evtchn_upcall_pending, 1);
	assert_int_equal(w->shared.vcpu_info[1].evtchn_upcall_pending, 0);
}

static void polling_ends_when_a_port_is_raised(void **state)
{
	struct world *w = *state;
	evtchn_port_t ports[2] = {ipi(w, 0), ipi(w, 0)};
	int error;

	w->shared.evtchn_mask[0] = ~0ull; /* polling ignores the mask */
	assert_false(evtchn_poll_begin(&w->ev, 1, &ports[0], 1, &error));
	send(w, ports[1]);
	assert_int_equal(w->kicks[1], 0);
	send(w, ports[0]);
	assert_int_equal(w->kicks[1], 1);
	evtchn_poll_end(&w->ev, 1);
	assert_int_equal(w->ev.nr_polling, 0);
	assert_true(evtchn_poll_begin(&w->ev, 1, ports, 2, &error));
	assert_int_equal(w->ev.nr_polling, 0);
	w->shared.evtchn_pending[0] = 0;
	assert_false(evtchn_poll_begin(&w->ev, 1, ports, 2, &error));
	assert_false(evtchn_poll_begin(&w->ev, 2, &ports[1], 1, &error));
	assert_true(evtchn_poll_waits(&w->ev, 1));
	send(w, ports[1]);
	assert_int_equal(w->kicks[1], 2);
	assert_int_equal(w->kicks[2], 1);
	assert_int_equal(w->ev.nr_polling, 0);
	ports[1] = 999;
	assert_false(evtchn_poll_begin(&w->ev, 1, &ports[1], 1, &error));
	assert_int_equal(error, -XEN_EINVAL);
	assert_int_equal(w->ev.nr_polling, 0);
}

/* One that was kicked and slept on would not be kicked for what it waits for. */
static void a_poll_of_several_ports_ends_with_any_event(void **state)
{
	struct world *w = *state;
	evtchn_port_t ports[2] = {ipi(w, 0), ipi(w, 0)}, other = ipi(w, 0);
	int error;

	w->shared.evtchn_mask[0] = ~0ull;
	assert_false(evtchn_poll_begin(&w->ev, 1, ports, 2, &error));
	assert_true(evtchn_poll_waits(&w->ev, 1));
	send(w, other);
	assert_int_equal(w->kicks[1], 1);
	assert_false(evtchn_poll_waits(&w->ev, 1));
	send(w, ports[0]);
	assert_int_equal(w->kicks[1], 1);
	evtchn_poll_end(&w->ev, 1);
	assert_int_equal(w->ev.nr_polling, 0);
}

static void fifo_keeps_the_order_within_a_priority(void **state)
{
	struct world *w = *state;
	evtchn_port_t port[6];

	for (unsigned i = 0; i < 6; i++)
		port[i] = ipi(w, 1);
	assert_int_equal(evtchn_set_priority(&w->ev, &(struct evtchn_set_priority){port[5], 0}), 0);
	for (unsigned i = 0; i < 6; i++)
		send(w, port[(i * 5 + 2) % 6]); /* 2 1 0 5 4 3 */
	assert_int_equal(w->kicks[1], 1);
	assert_true(upcall(w, 1));
	assert_int_equal(next_fifo(w, 1), port[5]);
	assert_int_equal(next_fifo(w, 1), port[2]);
	send(w, port[2]);
	assert_int_equal(next_fifo(w, 1), port[1]);
	assert_int_equal(next_fifo(w, 1), port[0]);
	assert_int_equal(next_fifo(w, 1), port[4]);
	assert_int_equal(next_fifo(w, 1), port[3]);
	assert_int_equal(next_fifo(w, 1), port[2]);
	assert_int_equal(next_fifo(w, 1), 0);
}

static void fifo_mask_and_unmask(void **state)
{
	struct world *w = *state;
	evtchn_port_t port = ipi(w, 0);

	*event_word(w, port) |= 1u << EVTCHN_FIFO_MASKED;
	send(w, port);
	assert_false(upcall(w, 0));
	assert_int_equal(next_fifo(w, 0), 0);
	assert_int_equal(evtchn_unmask(&w->ev, &(struct evtchn_unmask){port}), 0);
	assert_true(upcall(w, 0));
	assert_int_equal(next_fifo(w, 0), port);
}

static void fifo_moves_a_port_between_queues(void **state)
{
	struct world *w = *state;
	evtchn_port_t a = unbound(w, 1), b;
	struct evtchn_bind_interdomain bind = {.remote_dom = 1, .remote_port = a};

	evtchn_bind_interdomain(&w->ev, &bind);
	b = bind.local_port;
	assert_int_equal(next_fifo(w, 0), b);
	send(w, b);
	evtchn_bind_vcpu(&w->ev, &(struct evtchn_bind_vcpu){a, 2});
	assert_int_equal(next_fifo(w, 0), a); /* still on the old queue */
	send(w, b);
	assert_int_equal(next_fifo(w, 0), 0);
	assert_int_equal(next_fifo(w, 2), a);
	evtchn_set_priority(&w->ev, &(struct evtchn_set_priority){a, 3});
	send(w, b);
	assert_int_equal(control_of(w, 2)->ready, 1u << 3);
	assert_int_equal(next_fifo(w, 2), a);
}

static void fifo_bad_arguments_are_refused(void **state)
{
	struct world *w = *state;
	struct evtchn_init_control control = {.control_gfn = 100, .vcpu = VCPUS};

	assert_int_equal(evtchn_expand_array(&w->ev, &(struct evtchn_expand_array){110}),
			 -XEN_EOPNOTSUPP);
	assert_int_equal(evtchn_set_priority(&w->ev, &(struct evtchn_set_priority){ipi(w, 0), 3}),
			 -XEN_ENOSYS);
	assert_int_equal(evtchn_init_control(&w->ev, &control), -XEN_ENOENT);
	control.vcpu = 0;
	control.offset = 4;
	assert_int_equal(evtchn_init_control(&w->ev, &control), -XEN_EINVAL);
	control.offset = 4096 - 64;
	assert_int_equal(evtchn_init_control(&w->ev, &control), -XEN_EINVAL);
	control.offset = 4096 - 72;
	control.control_gfn = 1;
	assert_int_equal(evtchn_init_control(&w->ev, &control), -XEN_EINVAL);
	assert_false(w->ev.fifo);
	control.control_gfn = 100;
	assert_int_equal(evtchn_init_control(&w->ev, &control), 0);
	assert_int_equal(evtchn_init_control(&w->ev, &control), -XEN_EINVAL);
	assert_int_equal(evtchn_expand_array(&w->ev, &(struct evtchn_expand_array){1}),
			 -XEN_EINVAL);
	assert_int_equal(evtchn_set_priority(&w->ev, &(struct evtchn_set_priority){1, 16}),
			 -XEN_EINVAL);
	for (unsigned i = 0; i < EVTCHN_FIFO_PAGES; i++)
		assert_int_equal(evtchn_expand_array(&w->ev, &(struct evtchn_expand_array){110}),
				 0);
	assert_int_equal(evtchn_expand_array(&w->ev, &(struct evtchn_expand_array){110}),
			 -XEN_ENOSPC);
}

static void events_survive_the_switch_to_fifo(void **state)
{
	struct world *w = *state;
	evtchn_port_t a = ipi(w, 0), b = ipi(w, 1), c = ipi(w, 0);

	send(w, a);
	evtchn_init_control(&w->ev, &(struct evtchn_init_control){.control_gfn = 100, .vcpu = 0});
	send(w, c); /* no event word yet */
	send(w, b);
	assert_true(evtchn_is_pending(&w->ev, a));
	assert_int_equal(evtchn_expand_array(&w->ev, &(struct evtchn_expand_array){110}), 0);
	assert_int_equal(next_fifo(w, 0), a);
	assert_int_equal(next_fifo(w, 0), c);
	assert_int_equal(next_fifo(w, 0), 0);
	/* vCPU 1 has no control block yet: its event waits. */
	evtchn_init_control(
	    &w->ev, &(struct evtchn_init_control){.control_gfn = 101, .offset = 8, .vcpu = 1});
	assert_int_equal(next_fifo(w, 1), b);
}

static void a_closed_port_is_not_reused_while_queued(void **state)
{
	struct world *w = *state;
	evtchn_port_t a = ipi(w, 0);

	send(w, a);
	close_port(w, a);
	assert_int_equal(ipi(w, 0), a + 1);
	assert_int_equal(next_fifo(w, 0), 0); /* unlinks it */
	assert_int_equal(ipi(w, 0), a);
}

static void reset_returns_to_two_levels(void **state)
{
	struct world *w = *state;
	evtchn_port_t port = ipi(w, 1);

	send(w, port);
	assert_int_equal(evtchn_reset(&w->ev, &(struct evtchn_reset){DOMID_SELF}), 0);
	assert_int_equal(w->mapped, 0);
	assert_int_equal(send(w, port), -XEN_EINVAL);
	assert_int_equal(ipi(w, 1), port);
	upcall(w, 1);
	send(w, port);
	assert_true(upcall(w, 1));
	assert_int_equal(next_2l(w, 1), port);
}

static void hostile_event_words_harm_nobody(void **state)
{
	struct world *w = *state;

	srand(1);
	for (unsigned i = 0; i < 50; i++)
		ipi(w, i % VCPUS);
	for (unsigned n = 0; n < 100000; n++) {
		uint32_t *words = (uint32_t *)w->pages[rand() % PAGES];

		words[rand() % 1024] = (uint32_t)rand() << 1 ^ rand();
		send(w, 1 + rand() % 50);
		evtchn_set_priority(&w->ev,
				    &(struct evtchn_set_priority){1 + rand() % 50, rand() % 16});
		evtchn_unmask(&w->ev, &(struct evtchn_unmask){1 + rand() % 50});
	}
}

static void the_table_names_every_operation(void **state)
{
	struct world *w = *state;
	union {
		char bytes[EVTCHN_OP_ARG_MAX];
		struct evtchn_bind_ipi ipi;
	} arg = {0};

	for (unsigned i = 0; i < EVTCHN_OP_COUNT; i++) {
		assert_non_null(evtchn_op_row(i)->name);
		assert_in_range(evtchn_op_row(i)->arg_size, 2, EVTCHN_OP_ARG_MAX);
	}
	assert_null(evtchn_op_row(EVTCHN_OP_COUNT));
	assert_int_equal(evtchn_op_row(EVTCHNOP_bind_ipi)->run(&w->ev, &arg), 0);
	assert_int_equal(arg.ipi.port, 1);
}

#define TEST(f)      cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_32(f)   cmocka_unit_test_setup_teardown(f, setup_32, teardown)
#define TEST_FIFO(f) cmocka_unit_test_setup_teardown(f, setup_fifo, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_ipi_reaches_its_vcpu_once),
	    TEST(a_masked_event_waits_for_the_unmask),
	    TEST_32(a_32_bit_guest_finds_its_bits),
	    TEST(ports_run_out_and_come_back),
	    TEST(a_closed_port_is_not_pending),
	    TEST(a_loop_connects_two_ports),
	    TEST(foreign_domains_are_refused),
	    TEST(virqs_are_per_vcpu_or_global),
	    TEST(a_back_end_and_the_guest_notify_each_other),
	    TEST(a_handle_stays_taken_until_the_back_end_lets_go),
	    TEST(a_moved_vcpu_info_loses_nothing),
	    TEST(polling_ends_when_a_port_is_raised),
	    TEST(a_poll_of_several_ports_ends_with_any_event),
	    TEST_FIFO(fifo_keeps_the_order_within_a_priority),
	    TEST_FIFO(fifo_mask_and_unmask),
	    TEST_FIFO(fifo_moves_a_port_between_queues),
	    TEST(fifo_bad_arguments_are_refused),
	    TEST(events_survive_the_switch_to_fifo),
	    TEST_FIFO(a_closed_port_is_not_reused_while_queued),
	    TEST_FIFO(reset_returns_to_two_levels),
	    TEST_FIFO(hostile_event_words_harm_nobody),
	    TEST(the_table_names_every_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
