/* SPDX-License-Identifier: MIT */
/* Event channels: ports, what they are bound to, sending. */
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

static unsigned nr_ports(const struct evtchn *ev)
{
	unsigned limit = ev->fifo ? EVTCHN_FIFO_NR_CHANNELS : evtchn_2l_ports(ev);

	return ev->c.nr_ports < limit ? ev->c.nr_ports : limit;
}

/* The port's state word; 0 (free) for a number that is no port. */
static uint64_t word_of(const struct evtchn *ev, evtchn_port_t port)
{
	return port && port < nr_ports(ev) ? ev->c.ports[port].word : 0;
}

static bool valid(const struct evtchn *ev, evtchn_port_t port)
{
	return evtchn_state(word_of(ev, port)) != EVTCHN_FREE;
}

static bool self(const struct evtchn *ev, domid_t dom)
{
	return dom == DOMID_SELF || dom == ev->c.domid;
}

/* What Xen says to an unprivileged domain that names another one: there is none but the back ends'. */
static int other(domid_t dom)
{
	return dom == EVTCHN_DOM_BACKEND ? -XEN_EPERM : -XEN_ESRCH;
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

static void raise_port(struct evtchn *ev, evtchn_port_t port, uint64_t word)
{
	bool new = ev->fifo ? evtchn_fifo_raise(ev, port, word)
			    : evtchn_2l_raise(ev, port, evtchn_vcpu(word));

	if (new && ev->nr_polling)
		wake_pollers(ev, port);
}

bool evtchn_is_pending(struct evtchn *ev, evtchn_port_t port)
{
	if (!valid(ev, port))
		return false;
	return ev->fifo ? evtchn_fifo_is_pending(ev, port) : evtchn_2l_is_pending(ev, port);
}

/* With the lock: the lowest free port, or EVTCHN_NO_PORT. */
static evtchn_port_t take_port(struct evtchn *ev, uint64_t word)
{
	for (evtchn_port_t port = 1; port < nr_ports(ev); port++) {
		if (ev->c.ports[port].word || (ev->fifo && evtchn_fifo_is_busy(ev, port)))
			continue;
		ev->c.ports[port].word = word;
		return port;
	}
	return EVTCHN_NO_PORT;
}

int evtchn_alloc_unbound(struct evtchn *ev, struct evtchn_alloc_unbound *arg)
{
	domid_t remote = self(ev, arg->remote_dom) ? ev->c.domid : arg->remote_dom;

	if (!self(ev, arg->dom))
		return other(arg->dom);
	lock_take(&ev->lock);
	arg->port = take_port(ev, evtchn_word(EVTCHN_UNBOUND, 0, remote));
	lock_drop(&ev->lock);
	return arg->port ? 0 : -XEN_ENOSPC;
}

/* With the lock: connects a new port to one of this guest's that waits for it. */
static int bind_loop(struct evtchn *ev, evtchn_port_t remote, evtchn_port_t *local)
{
	uint64_t word = word_of(ev, remote);

	if (evtchn_state(word) != EVTCHN_UNBOUND || evtchn_arg(word) != ev->c.domid)
		return -XEN_EINVAL;
	*local = take_port(ev, evtchn_word(EVTCHN_INTERDOMAIN, 0, remote));
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
		raise_port(ev, arg->local_port, word_of(ev, arg->local_port));
	return rc;
}

static bool per_vcpu(uint32_t virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF ||
	       virq == VIRQ_XENPMU;
}

int evtchn_bind_virq(struct evtchn *ev, struct evtchn_bind_virq *arg)
{
	_Atomic uint32_t *bound;
	int rc = 0;

	if (arg->virq >= NR_VIRQS || (!per_vcpu(arg->virq) && arg->vcpu))
		return -XEN_EINVAL;
	if (arg->vcpu >= ev->c.nr_vcpus)
		return -XEN_ENOENT;
	bound = &ev->c.vcpus[arg->vcpu].virq_port[arg->virq];
	lock_take(&ev->lock);
	if (*bound) {
		rc = -XEN_EEXIST;
	} else {
		arg->port = take_port(ev, evtchn_word(EVTCHN_VIRQ, arg->vcpu, arg->virq));
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
	arg->port = take_port(ev, evtchn_word(EVTCHN_IPI, arg->vcpu, 0));
	lock_drop(&ev->lock);
	return arg->port ? 0 : -XEN_ENOSPC;
}

static void free_internal(struct evtchn *ev, uint32_t handle)
{
	struct evtchn_internal *internal = &ev->c.internals[handle];

	lock_take(&internal->lock);
	internal->port = EVTCHN_NO_PORT;
	lock_drop(&internal->lock);
}

/* With the lock: what the port was bound to forgets it. */
static void unbind(struct evtchn *ev, uint64_t word)
{
	struct evtchn_port *peer;

	switch (evtchn_state(word)) {
	case EVTCHN_VIRQ:
		/* Global ones are bound on vCPU 0, wherever they are sent now. */
		ev->c.vcpus[per_vcpu(evtchn_arg(word)) ? evtchn_vcpu(word) : 0]
		    .virq_port[evtchn_arg(word)] = 0;
		break;
	case EVTCHN_INTERDOMAIN:
		peer = &ev->c.ports[evtchn_arg(word)];
		peer->word = evtchn_word(EVTCHN_UNBOUND, evtchn_vcpu(peer->word), ev->c.domid);
		break;
	case EVTCHN_INTERNAL: free_internal(ev, evtchn_arg(word)); break;
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
	int rc = 0;

	lock_take(&ev->lock);
	if (valid(ev, arg->port))
		close_port(ev, arg->port);
	else
		rc = -XEN_EINVAL;
	lock_drop(&ev->lock);
	return rc;
}

static void call_internal(struct evtchn *ev, uint32_t handle, evtchn_port_t port)
{
	struct evtchn_internal *internal = &ev->c.internals[handle];
	evtchn_callback callback;
	void *ctx;

	lock_take(&internal->lock);
	callback = internal->port == port ? internal->callback : NULL;
	ctx = internal->ctx;
	lock_drop(&internal->lock);
	if (callback)
		callback(ctx, port);
}

int evtchn_send(struct evtchn *ev, struct evtchn_send *arg)
{
	uint64_t word = word_of(ev, arg->port), peer;

	switch (evtchn_state(word)) {
	case EVTCHN_IPI: raise_port(ev, arg->port, word); return 0;
	case EVTCHN_INTERNAL: call_internal(ev, evtchn_arg(word), arg->port); return 0;
	case EVTCHN_INTERDOMAIN:
		peer = word_of(ev, evtchn_arg(word));
		if (evtchn_state(peer) == EVTCHN_INTERDOMAIN)
			raise_port(ev, evtchn_arg(word), peer);
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
	if (arg->port >= nr_ports(ev))
		return -XEN_EINVAL;
	describe(ev, word_of(ev, arg->port), arg);
	return 0;
}

static bool may_move(uint64_t word)
{
	switch (evtchn_state(word)) {
	case EVTCHN_UNBOUND:
	case EVTCHN_INTERDOMAIN:
	case EVTCHN_INTERNAL: return true;
	case EVTCHN_VIRQ: return !per_vcpu(evtchn_arg(word));
	default: return false;
	}
}

int evtchn_bind_vcpu(struct evtchn *ev, struct evtchn_bind_vcpu *arg)
{
	uint64_t word;

	if (arg->vcpu >= ev->c.nr_vcpus)
		return -XEN_ENOENT;
	lock_take(&ev->lock);
	word = word_of(ev, arg->port);
	if (may_move(word))
		ev->c.ports[arg->port].word = (word & ~(0xffffull << 16)) | (uint64_t)arg->vcpu
										<< 16;
	lock_drop(&ev->lock);
	return may_move(word) ? 0 : -XEN_EINVAL;
}

int evtchn_unmask(struct evtchn *ev, struct evtchn_unmask *arg)
{
	uint64_t word = word_of(ev, arg->port);

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
	if (!valid(ev, arg->port))
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
	for (evtchn_port_t port = 1; port < nr_ports(ev); port++)
		if (valid(ev, port))
			close_port(ev, port);
	if (ev->fifo) {
		atomic_store(&ev->fifo, false);
		evtchn_fifo_destroy(ev);
	}
	lock_drop(&ev->lock);
	return 0;
}

bool evtchn_virq_bound(struct evtchn *ev, unsigned vcpu, unsigned virq)
{
	return ev->c.vcpus[per_vcpu(virq) ? vcpu : 0].virq_port[virq] != EVTCHN_NO_PORT;
}

void evtchn_raise_virq(struct evtchn *ev, unsigned vcpu, unsigned virq)
{
	evtchn_port_t port = ev->c.vcpus[per_vcpu(virq) ? vcpu : 0].virq_port[virq];
	uint64_t word = word_of(ev, port);

	if (evtchn_state(word) == EVTCHN_VIRQ && evtchn_arg(word) == virq)
		raise_port(ev, port, word);
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
		if (!valid(ev, ports[i]))
			*error = -XEN_EINVAL;
		pending = evtchn_is_pending(ev, ports[i]);
	}
	if (pending || *error)
		evtchn_poll_end(ev, vcpu);
	return pending;
}

void evtchn_poll_end(struct evtchn *ev, unsigned vcpu)
{
	if (atomic_exchange(&ev->c.vcpus[vcpu].polling, false))
		ev->nr_polling--;
}

/* With the lock: a free handle, or -1. */
static int free_handle(const struct evtchn *ev)
{
	for (unsigned i = 0; i < ev->c.nr_internals; i++)
		if (!ev->c.internals[i].callback)
			return i;
	return -1;
}

static void set_internal(struct evtchn *ev, int handle, evtchn_callback callback, void *ctx,
			 evtchn_port_t port)
{
	struct evtchn_internal *internal = &ev->c.internals[handle];

	lock_take(&internal->lock);
	internal->callback = callback;
	internal->ctx = ctx;
	internal->port = port;
	lock_drop(&internal->lock);
}

int evtchn_internal_alloc(struct evtchn *ev, evtchn_callback callback, void *ctx,
			  evtchn_port_t *port)
{
	int handle;

	lock_take(&ev->lock);
	handle = free_handle(ev);
	*port =
	    handle < 0 ? EVTCHN_NO_PORT : take_port(ev, evtchn_word(EVTCHN_INTERNAL, 0, handle));
	if (*port)
		set_internal(ev, handle, callback, ctx, *port);
	lock_drop(&ev->lock);
	return *port ? handle : -XEN_ENOSPC;
}

int evtchn_internal_bind(struct evtchn *ev, evtchn_port_t port, evtchn_callback callback, void *ctx)
{
	int handle = -XEN_EINVAL;
	uint64_t word;

	lock_take(&ev->lock);
	word = word_of(ev, port);
	if (evtchn_state(word) == EVTCHN_UNBOUND && evtchn_arg(word) == EVTCHN_DOM_BACKEND) {
		handle = free_handle(ev);
		if (handle >= 0) {
			set_internal(ev, handle, callback, ctx, port);
			ev->c.ports[port].word =
			    evtchn_word(EVTCHN_INTERNAL, evtchn_vcpu(word), handle);
		} else {
			handle = -XEN_ENOSPC;
		}
	}
	lock_drop(&ev->lock);
	return handle;
}

bool evtchn_internal_notify(struct evtchn *ev, int handle)
{
	struct evtchn_internal *internal;
	evtchn_port_t port;
	uint64_t word;

	if (handle < 0)
		return false;
	internal = &ev->c.internals[handle];
	lock_take(&internal->lock);
	port = internal->port;
	lock_drop(&internal->lock);
	word = word_of(ev, port);
	if (evtchn_state(word) != EVTCHN_INTERNAL || evtchn_arg(word) != (uint32_t)handle)
		return false;
	raise_port(ev, port, word);
	return true;
}

void evtchn_internal_unbind(struct evtchn *ev, int handle)
{
	evtchn_port_t port;

	lock_take(&ev->lock);
	port = ev->c.internals[handle].port;
	if (port)
		ev->c.ports[port].word = evtchn_word(
		    EVTCHN_UNBOUND, evtchn_vcpu(ev->c.ports[port].word), EVTCHN_DOM_BACKEND);
	set_internal(ev, handle, NULL, NULL, EVTCHN_NO_PORT);
	lock_drop(&ev->lock);
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
