/* SPDX-License-Identifier: MIT */
/* The operations of the event channel hypercall. */
#include "core/evtchn_int.h"

static bool self(const struct evtchn *ev, domid_t dom)
{
	return dom == DOMID_SELF || dom == ev->c.domid;
}

/* What Xen says to an unprivileged domain that names another one: there is none but the back ends'. */
static int other(domid_t dom)
{
	return dom == EVTCHN_DOM_BACKEND ? -XEN_EPERM : -XEN_ESRCH;
}

int evtchn_alloc_unbound(struct evtchn *ev, struct evtchn_alloc_unbound *arg)
{
	domid_t remote = self(ev, arg->remote_dom) ? ev->c.domid : arg->remote_dom;

	if (!self(ev, arg->dom))
		return other(arg->dom);
	lock_take(&ev->lock);
	arg->port = evtchn_take_port(ev, evtchn_word(EVTCHN_UNBOUND, 0, remote));
	lock_drop(&ev->lock);
	return arg->port ? 0 : -XEN_ENOSPC;
}

/* With the lock: connects a new port to one of this guest's that waits for it. */
static int bind_loop(struct evtchn *ev, evtchn_port_t remote, evtchn_port_t *local)
{
	uint64_t word = evtchn_word_of(ev, remote);

	if (evtchn_state(word) != EVTCHN_UNBOUND || evtchn_arg(word) != ev->c.domid)
		return -XEN_EINVAL;
	*local = evtchn_take_port(ev, evtchn_word(EVTCHN_INTERDOMAIN, 0, remote));
	if (!*local)
		return -XEN_ENOSPC;
	ev->c.ports[remote].word = evtchn_word(EVTCHN_INTERDOMAIN, evtchn_vcpu(word), *local);
	return 0;
}

int evtchn_bind_interdomain(struct evtchn *ev, struct evtchn_bind_interdomain *arg)
{
	int rc;

	/* The back ends offer no ports to bind to. */
	if (!self(ev, arg->remote_dom))
		return arg->remote_dom == EVTCHN_DOM_BACKEND ? -XEN_EINVAL : -XEN_ESRCH;
	lock_take(&ev->lock);
	rc = bind_loop(ev, arg->remote_port, &arg->local_port);
	lock_drop(&ev->lock);
	/* What was sent before the binding is lost: let the guest look, as Xen does. */
	if (!rc)
		evtchn_raise(ev, arg->local_port, evtchn_word_of(ev, arg->local_port));
	return rc;
}

int evtchn_bind_virq(struct evtchn *ev, struct evtchn_bind_virq *arg)
{
	_Atomic uint32_t *bound;
	int rc = 0;

	if (arg->virq >= NR_VIRQS || (!evtchn_per_vcpu(arg->virq) && arg->vcpu))
		return -XEN_EINVAL;
	if (arg->vcpu >= ev->c.nr_vcpus)
		return -XEN_ENOENT;
	bound = &ev->c.vcpus[arg->vcpu].virq_port[arg->virq];
	lock_take(&ev->lock);
	if (*bound) {
		rc = -XEN_EEXIST;
	} else {
		arg->port = evtchn_take_port(ev, evtchn_word(EVTCHN_VIRQ, arg->vcpu, arg->virq));
		*bound = arg->port;
		rc = arg->port ? 0 : -XEN_ENOSPC;
	}
	lock_drop(&ev->lock);
	return rc;
}

/* An unprivileged domain owns no physical interrupt. */
int evtchn_bind_pirq(struct evtchn *ev, struct evtchn_bind_pirq *arg)
{
	(void)ev;
	(void)arg;
	return -XEN_EPERM;
}

int evtchn_bind_ipi(struct evtchn *ev, struct evtchn_bind_ipi *arg)
{
	if (arg->vcpu >= ev->c.nr_vcpus)
		return -XEN_ENOENT;
	lock_take(&ev->lock);
	arg->port = evtchn_take_port(ev, evtchn_word(EVTCHN_IPI, arg->vcpu, 0));
	lock_drop(&ev->lock);
	return arg->port ? 0 : -XEN_ENOSPC;
}

/* With the lock: what the port was bound to forgets it. */
static void unbind(struct evtchn *ev, uint64_t word)
{
	struct evtchn_port *peer;

	switch (evtchn_state(word)) {
	case EVTCHN_VIRQ:
		/* Global ones are bound on vCPU 0, wherever they are sent now. */
		ev->c.vcpus[evtchn_per_vcpu(evtchn_arg(word)) ? evtchn_vcpu(word) : 0]
		    .virq_port[evtchn_arg(word)] = 0;
		break;
	case EVTCHN_INTERDOMAIN:
		peer = &ev->c.ports[evtchn_arg(word)];
		peer->word = evtchn_word(EVTCHN_UNBOUND, evtchn_vcpu(peer->word), ev->c.domid);
		break;
	case EVTCHN_INTERNAL: evtchn_internal_free(ev, evtchn_arg(word)); break;
	default: break;
	}
}

/* With the lock. */
static void close_port(struct evtchn *ev, evtchn_port_t port)
{
	uint64_t word = ev->c.ports[port].word;

	ev->c.ports[port].word = 0;
	unbind(ev, word);
	/* A loop to itself made itself unbound just now. */
	ev->c.ports[port].word = 0;
	if (ev->fifo)
		evtchn_fifo_clear(ev, port);
	else
		evtchn_2l_clear(ev, port);
}

int evtchn_close(struct evtchn *ev, struct evtchn_close *arg)
{
	bool internal;
	int rc = 0;

	lock_take(&ev->lock);
	internal = evtchn_state(evtchn_word_of(ev, arg->port)) == EVTCHN_INTERNAL;
	if (evtchn_valid(ev, arg->port))
		close_port(ev, arg->port);
	else
		rc = -XEN_EINVAL;
	lock_drop(&ev->lock);
	if (internal)
		evtchn_internal_tell_closed(ev);
	return rc;
}

int evtchn_send(struct evtchn *ev, struct evtchn_send *arg)
{
	uint64_t word = evtchn_word_of(ev, arg->port), peer;

	switch (evtchn_state(word)) {
	case EVTCHN_IPI: evtchn_raise(ev, arg->port, word); return 0;
	case EVTCHN_INTERNAL: evtchn_internal_call(ev, evtchn_arg(word), arg->port); return 0;
	case EVTCHN_INTERDOMAIN:
		peer = evtchn_word_of(ev, evtchn_arg(word));
		if (evtchn_state(peer) == EVTCHN_INTERDOMAIN)
			evtchn_raise(ev, evtchn_arg(word), peer);
		return 0;
	case EVTCHN_UNBOUND: return 0;
	default: return -XEN_EINVAL;
	}
}

static void describe(const struct evtchn *ev, uint64_t word, struct evtchn_status *arg)
{
	arg->vcpu = evtchn_vcpu(word);
	switch (evtchn_state(word)) {
	case EVTCHN_UNBOUND:
		arg->status = EVTCHNSTAT_unbound;
		arg->u.unbound.dom = evtchn_arg(word);
		break;
	case EVTCHN_INTERDOMAIN:
	case EVTCHN_INTERNAL:
		arg->status = EVTCHNSTAT_interdomain;
		arg->u.interdomain.dom =
		    evtchn_state(word) == EVTCHN_INTERNAL ? EVTCHN_DOM_BACKEND : ev->c.domid;
		arg->u.interdomain.port = evtchn_arg(word);
		break;
	case EVTCHN_VIRQ:
		arg->status = EVTCHNSTAT_virq;
		arg->u.virq = evtchn_arg(word);
		break;
	case EVTCHN_IPI: arg->status = EVTCHNSTAT_ipi; break;
	default: arg->status = EVTCHNSTAT_closed;
	}
}

int evtchn_status(struct evtchn *ev, struct evtchn_status *arg)
{
	if (!self(ev, arg->dom))
		return other(arg->dom);
	if (arg->port >= ev->limit)
		return -XEN_EINVAL;
	describe(ev, evtchn_word_of(ev, arg->port), arg);
	return 0;
}

static bool may_move(uint64_t word)
{
	switch (evtchn_state(word)) {
	case EVTCHN_UNBOUND:
	case EVTCHN_INTERDOMAIN:
	case EVTCHN_INTERNAL: return true;
	case EVTCHN_VIRQ: return !evtchn_per_vcpu(evtchn_arg(word));
	default: return false;
	}
}

int evtchn_bind_vcpu(struct evtchn *ev, struct evtchn_bind_vcpu *arg)
{
	uint64_t word;

	if (arg->vcpu >= ev->c.nr_vcpus)
		return -XEN_ENOENT;
	lock_take(&ev->lock);
	word = evtchn_word_of(ev, arg->port);
	if (may_move(word))
		ev->c.ports[arg->port].word = (word & ~(0xffffull << 16)) | (uint64_t)arg->vcpu
										<< 16;
	lock_drop(&ev->lock);
	return may_move(word) ? 0 : -XEN_EINVAL;
}

int evtchn_unmask(struct evtchn *ev, struct evtchn_unmask *arg)
{
	uint64_t word = evtchn_word_of(ev, arg->port);

	if (evtchn_state(word) == EVTCHN_FREE)
		return -XEN_EINVAL;
	if (ev->fifo)
		evtchn_fifo_unmask(ev, arg->port, word);
	else
		evtchn_2l_unmask(ev, arg->port, evtchn_vcpu(word));
	return 0;
}

int evtchn_set_priority(struct evtchn *ev, struct evtchn_set_priority *arg)
{
	int rc = 0;

	lock_take(&ev->lock);
	if (!evtchn_valid(ev, arg->port))
		rc = -XEN_EINVAL;
	else if (!ev->fifo)
		rc = -XEN_ENOSYS;
	else if (arg->priority > EVTCHN_FIFO_PRIORITY_MIN)
		rc = -XEN_EINVAL;
	else
		ev->c.ports[arg->port].word =
		    (ev->c.ports[arg->port].word & ~0xf0ull) | arg->priority << 4;
	lock_drop(&ev->lock);
	return rc;
}

/* Closes everything and goes back to the 2-level ABI. */
int evtchn_reset(struct evtchn *ev, struct evtchn_reset *arg)
{
	if (!self(ev, arg->dom))
		return other(arg->dom);
	lock_take(&ev->lock);
	for (evtchn_port_t port = 1; port < ev->limit; port++)
		if (evtchn_valid(ev, port))
			close_port(ev, port);
	if (ev->fifo) {
		atomic_store(&ev->fifo, false);
		evtchn_set_limit(ev);
		evtchn_fifo_destroy(ev);
	}
	lock_drop(&ev->lock);
	evtchn_internal_tell_closed(ev);
	return 0;
}

#define RUN(op)                                           \
	static int run_##op(struct evtchn *ev, void *arg) \
	{                                                 \
		return evtchn_##op(ev, arg);              \
	}
RUN(alloc_unbound)
RUN(bind_interdomain)
RUN(bind_virq)
RUN(bind_pirq)
RUN(bind_ipi)
RUN(close)
RUN(send)
RUN(status)
RUN(bind_vcpu)
RUN(unmask)
RUN(reset)
RUN(init_control)
RUN(expand_array)
RUN(set_priority)

#define ROW(op, out) [EVTCHNOP_##op] = {#op, sizeof(struct evtchn_##op), out, run_##op}

static const struct evtchn_op_row rows[EVTCHN_OP_COUNT] = {
    ROW(bind_interdomain, true), ROW(bind_virq, true),     ROW(bind_pirq, true),
    ROW(close, false),           ROW(send, false),         ROW(status, true),
    ROW(alloc_unbound, true),    ROW(bind_ipi, true),      ROW(bind_vcpu, false),
    ROW(unmask, false),          ROW(reset, false),        ROW(init_control, true),
    ROW(expand_array, false),    ROW(set_priority, false),
};

const struct evtchn_op_row *evtchn_op_row(unsigned cmd)
{
	return cmd < EVTCHN_OP_COUNT ? &rows[cmd] : NULL;
}
