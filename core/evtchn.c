/* SPDX-License-Identifier: MIT */
/* Event channels: ports, raising them, and who waits for them. */
#include "core/evtchn_int.h"

int evtchn_init(struct evtchn *ev, const struct evtchn_config *c)
{
	if (!c->nr_vcpus || c->nr_ports < 2 || c->nr_ports > EVTCHN_FIFO_NR_CHANNELS ||
	    (c->guest_bits != 64 && c->guest_bits != 32))
		return -XEN_EINVAL;
	memset(ev, 0, sizeof(*ev));
	ev->c = *c;
	memset(c->vcpus, 0, c->nr_vcpus * sizeof(*c->vcpus));
	memset(c->ports, 0, c->nr_ports * sizeof(*c->ports));
	memset(c->internals, 0, c->nr_internals * sizeof(*c->internals));
	for (unsigned i = 0; i < c->nr_vcpus && i < XEN_LEGACY_MAX_VCPUS; i++)
		ev->c.vcpus[i].info = (struct vcpu_info *)c->shared_info + i;
	evtchn_set_limit(ev);
	return 0;
}

void evtchn_mark_upcall(struct evtchn *ev, unsigned vcpu)
{
	uint8_t *info = atomic_load(&ev->c.vcpus[vcpu].info);

	/* evtchn_upcall_pending is vcpu_info's first byte. */
	if (info && !__atomic_exchange_n(info, 1, __ATOMIC_SEQ_CST))
		ev->c.env->kick(ev->c.ctx, vcpu);
}

void evtchn_set_vcpu_info(struct evtchn *ev, unsigned vcpu, void *info)
{
	void *selector = (char *)info + ev->c.guest_bits / 8;

	atomic_store(&ev->c.vcpus[vcpu].info, info);
	/* A sender may still have used the old place: make the guest look at everything. */
	if (ev->c.guest_bits == 64)
		__atomic_store_n((uint64_t *)selector, ~0ull, __ATOMIC_SEQ_CST);
	else
		__atomic_store_n((uint32_t *)selector, ~0u, __ATOMIC_SEQ_CST);
	__atomic_store_n((uint8_t *)info, 1, __ATOMIC_SEQ_CST);
	ev->c.env->kick(ev->c.ctx, vcpu);
}

void evtchn_set_limit(struct evtchn *ev)
{
	unsigned limit = ev->fifo ? EVTCHN_FIFO_NR_CHANNELS : evtchn_2l_ports(ev);

	ev->limit = ev->c.nr_ports < limit ? ev->c.nr_ports : limit;
}

static void wake_pollers(struct evtchn *ev, evtchn_port_t port)
{
	for (unsigned i = 0; i < ev->c.nr_vcpus && ev->nr_polling; i++) {
		struct evtchn_vcpu *v = &ev->c.vcpus[i];

		if (!v->polling || (v->poll_port != EVTCHN_NO_PORT && v->poll_port != port))
			continue;
		if (atomic_exchange(&v->polling, false)) {
			ev->nr_polling--;
			ev->c.env->kick(ev->c.ctx, i);
		}
	}
}

void evtchn_raise(struct evtchn *ev, evtchn_port_t port, uint64_t word)
{
	bool new = ev->fifo ? evtchn_fifo_raise(ev, port, word)
			    : evtchn_2l_raise(ev, port, evtchn_vcpu(word));

	if (new && ev->nr_polling)
		wake_pollers(ev, port);
}

bool evtchn_is_pending(struct evtchn *ev, evtchn_port_t port)
{
	if (!evtchn_valid(ev, port))
		return false;
	return ev->fifo ? evtchn_fifo_is_pending(ev, port) : evtchn_2l_is_pending(ev, port);
}

/* With the lock: the lowest free port, or EVTCHN_NO_PORT. */
evtchn_port_t evtchn_take_port(struct evtchn *ev, uint64_t word)
{
	for (evtchn_port_t port = 1; port < ev->limit; port++) {
		if (ev->c.ports[port].word || (ev->fifo && evtchn_fifo_is_busy(ev, port)))
			continue;
		ev->c.ports[port].word = word;
		return port;
	}
	return EVTCHN_NO_PORT;
}

bool evtchn_virq_bound(struct evtchn *ev, unsigned vcpu, unsigned virq)
{
	return ev->c.vcpus[evtchn_per_vcpu(virq) ? vcpu : 0].virq_port[virq] != EVTCHN_NO_PORT;
}

void evtchn_raise_virq(struct evtchn *ev, unsigned vcpu, unsigned virq)
{
	evtchn_port_t port = ev->c.vcpus[evtchn_per_vcpu(virq) ? vcpu : 0].virq_port[virq];
	uint64_t word = evtchn_word_of(ev, port);

	if (evtchn_state(word) == EVTCHN_VIRQ && evtchn_arg(word) == virq)
		evtchn_raise(ev, port, word);
}

bool evtchn_poll_begin(struct evtchn *ev, unsigned vcpu, const evtchn_port_t *ports, unsigned nr,
		       int *error)
{
	struct evtchn_vcpu *v = &ev->c.vcpus[vcpu];
	bool pending = false;

	*error = 0;
	v->poll_port = nr == 1 ? ports[0] : EVTCHN_NO_PORT;
	ev->nr_polling++;
	atomic_store(&v->polling, true);
	for (unsigned i = 0; i < nr && !pending && !*error; i++) {
		if (!evtchn_valid(ev, ports[i]))
			*error = -XEN_EINVAL;
		pending = evtchn_is_pending(ev, ports[i]);
	}
	if (pending || *error)
		evtchn_poll_end(ev, vcpu);
	return pending;
}

bool evtchn_poll_waits(const struct evtchn *ev, unsigned vcpu)
{
	return atomic_load(&ev->c.vcpus[vcpu].polling);
}

void evtchn_poll_end(struct evtchn *ev, unsigned vcpu)
{
	if (atomic_exchange(&ev->c.vcpus[vcpu].polling, false))
		ev->nr_polling--;
}
