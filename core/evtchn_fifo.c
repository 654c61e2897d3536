/* SPDX-License-Identifier: MIT */
/*
 * The FIFO ABI. Each port has an event word in pages that the guest gives; each vCPU has a control block with the heads of 16
 * queues, by priority, and a bitmap of those that are ready. Queues are linked through the words; the guest takes from the
 * head, we add at the tail, which is kept here. The guest may write anything into its pages: nothing read from them is
 * used as an index.
 *
 * A port whose vCPU or priority changes stays on its old queue until the guest has taken it off; hence two queues, and the locks
 * of both their vCPUs, can matter when a port is linked.
 */
#include "core/evtchn_int.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED  (1u << EVTCHN_FIFO_MASKED)
#define LINKED  (1u << EVTCHN_FIFO_LINKED)
#define BUSY    (1u << EVTCHN_FIFO_BUSY)

#define WORDS_PER_PAGE (XEN_PAGE_SIZE / sizeof(event_word_t))
#define XEN_PAGE_SIZE  4096
#define LINK_TRIES     4

_Static_assert(sizeof(struct evtchn_fifo_control_block) == 72,
	       "event_channel.h: ready, reserved, 16 heads");

static _Atomic uint32_t *word_of(struct evtchn *ev, evtchn_port_t port)
{
	_Atomic uint32_t *page = atomic_load(&ev->array[port / WORDS_PER_PAGE]);

	return page ? page + port % WORDS_PER_PAGE : NULL;
}

/* Queues are numbered through: vCPU * 16 + priority. */
static uint32_t queue_of(uint64_t word)
{
	return evtchn_vcpu(word) * EVTCHN_FIFO_MAX_QUEUES + evtchn_priority(word);
}

static _Atomic uint32_t *tail_of(struct evtchn *ev, uint32_t q)
{
	return &ev->c.vcpus[q / EVTCHN_FIFO_MAX_QUEUES].queue[q % EVTCHN_FIFO_MAX_QUEUES].tail;
}

/* Locks the vCPUs of two queues, the lower number first. */
static void lock_queues(struct evtchn *ev, uint32_t a, uint32_t b)
{
	unsigned va = a / EVTCHN_FIFO_MAX_QUEUES, vb = b / EVTCHN_FIFO_MAX_QUEUES;

	lock_take(&ev->c.vcpus[va < vb ? va : vb].lock);
	if (va != vb)
		lock_take(&ev->c.vcpus[va < vb ? vb : va].lock);
}

static void unlock_queues(struct evtchn *ev, uint32_t a, uint32_t b)
{
	unsigned va = a / EVTCHN_FIFO_MAX_QUEUES, vb = b / EVTCHN_FIFO_MAX_QUEUES;

	lock_drop(&ev->c.vcpus[va].lock);
	if (va != vb)
		lock_drop(&ev->c.vcpus[vb].lock);
}

static bool try_link(_Atomic uint32_t *tail, evtchn_port_t port, bool *linked)
{
	uint32_t old = atomic_load(tail);

	for (unsigned i = 0; i < LINK_TRIES; i++) {
		*linked = old & LINKED;
		if (!*linked)
			return true;
		if (atomic_compare_exchange_strong(tail, &old,
						   (old & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | port))
			return true;
	}
	return false;
}

/*
 * Makes the tail's word point to `port`, unless the guest has just unlinked the tail and so emptied the queue. The BUSY bit asks
 * the guest not to change the word; one that does all the time loses the event.
 */
static bool link_to(_Atomic uint32_t *tail, evtchn_port_t port)
{
	bool linked;

	if (try_link(tail, port, &linked))
		return linked;
	atomic_fetch_or(tail, BUSY);
	if (try_link(tail, port, &linked)) {
		if (!linked)
			atomic_fetch_and(tail, ~BUSY);
		return linked;
	}
	atomic_fetch_and(tail, ~BUSY);
	return true;
}

/* With the locks: puts the port at the end of queue q. True when the queue was empty, and the guest must hear of it. */
static bool append(struct evtchn *ev, evtchn_port_t port, uint32_t q,
		   struct evtchn_fifo_control_block *control)
{
	_Atomic uint32_t *tail = tail_of(ev, q), *word;
	bool linked = false;

	if (*tail) {
		word = word_of(ev, *tail);
		linked = word && link_to(word, port);
	}
	if (!linked)
		__atomic_store_n(&control->head[q % EVTCHN_FIFO_MAX_QUEUES], port,
				 __ATOMIC_RELEASE);
	*tail = port;
	return !linked;
}

/* Takes the locks of the queue that the port was on and of the one that it belongs on. Returns the former. */
static uint32_t lock_for(struct evtchn *ev, struct evtchn_port *p, uint32_t q)
{
	for (;;) {
		uint32_t last = p->last_q, old = last ? last - 1 : q;

		lock_queues(ev, old, q);
		if (p->last_q == last)
			return old;
		unlock_queues(ev, old, q);
	}
}

static void link_port(struct evtchn *ev, evtchn_port_t port, uint64_t state, _Atomic uint32_t *word)
{
	struct evtchn_port *p = &ev->c.ports[port];
	uint32_t q = queue_of(state), old, ready = 1u << evtchn_priority(state);
	unsigned vcpu = evtchn_vcpu(state);
	struct evtchn_fifo_control_block *control = atomic_load(&ev->c.vcpus[vcpu].control);
	bool first;

	if (!control)
		return; /* evtchn_init_control() makes up for it */
	old = lock_for(ev, p, q);
	if (atomic_fetch_or(word, LINKED) & LINKED) {
		unlock_queues(ev, old, q);
		return;
	}
	/* The guest took it off its old queue: if it was the tail there, that queue is empty. */
	if (*tail_of(ev, old) == port)
		*tail_of(ev, old) = 0;
	p->last_q = q + 1;
	first = append(ev, port, q, control);
	unlock_queues(ev, old, q);
	if (first && !(__atomic_fetch_or(&control->ready, ready, __ATOMIC_SEQ_CST) & ready))
		evtchn_mark_upcall(ev, vcpu);
}

bool evtchn_fifo_raise(struct evtchn *ev, evtchn_port_t port, uint64_t state)
{
	_Atomic uint32_t *word = word_of(ev, port);
	uint32_t old;

	if (!word) {
		/* evtchn_expand_array() first adds the page, then looks for these. */
		bool was = atomic_exchange(&ev->c.ports[port].pending, 1);

		word = word_of(ev, port);
		if (!word)
			return !was;
	}
	old = atomic_fetch_or(word, PENDING);
	if (!(old & (MASKED | LINKED)))
		link_port(ev, port, state, word);
	return !(old & PENDING);
}

void evtchn_fifo_unmask(struct evtchn *ev, evtchn_port_t port, uint64_t state)
{
	_Atomic uint32_t *word = word_of(ev, port);

	if (!word)
		return;
	if (atomic_fetch_and(word, ~MASKED) & PENDING)
		evtchn_fifo_raise(ev, port, state);
}

bool evtchn_fifo_is_pending(struct evtchn *ev, evtchn_port_t port)
{
	_Atomic uint32_t *word = word_of(ev, port);

	return word ? atomic_load(word) & PENDING : ev->c.ports[port].pending;
}

void evtchn_fifo_clear(struct evtchn *ev, evtchn_port_t port)
{
	_Atomic uint32_t *word = word_of(ev, port);

	ev->c.ports[port].pending = 0;
	if (word)
		atomic_fetch_and(word, ~PENDING); /* the guest unlinks it, and ignores it */
}

/* Whether a closed port is still on a queue, and so cannot be used again. */
bool evtchn_fifo_is_busy(struct evtchn *ev, evtchn_port_t port)
{
	_Atomic uint32_t *word = word_of(ev, port);

	return word && atomic_load(word) & LINKED;
}

void evtchn_fifo_destroy(struct evtchn *ev)
{
	unsigned pages = ev->nr_array_pages;

	for (unsigned i = 0; i < ev->c.nr_vcpus; i++) {
		struct evtchn_vcpu *v = &ev->c.vcpus[i];

		atomic_store(&v->control, NULL);
		if (v->control_page)
			ev->c.env->unmap(ev->c.ctx, v->control_page);
		v->control_page = NULL;
		for (unsigned q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++)
			v->queue[q].tail = 0;
	}
	ev->nr_array_pages = 0;
	for (unsigned i = 0; i < pages; i++)
		ev->c.env->unmap(ev->c.ctx, (void *)atomic_exchange(&ev->array[i], NULL));
	for (unsigned port = 0; port < ev->c.nr_ports; port++)
		ev->c.ports[port].last_q = ev->c.ports[port].pending = 0;
}

/* Raises again what is pending and could not be linked before. */
static void raise_again(struct evtchn *ev, evtchn_port_t from, evtchn_port_t to, int vcpu)
{
	for (evtchn_port_t port = from; port < to && port < ev->c.nr_ports; port++) {
		struct evtchn_port *p = &ev->c.ports[port];
		uint64_t word = p->word;

		if (evtchn_state(word) == EVTCHN_FREE ||
		    (vcpu >= 0 && evtchn_vcpu(word) != (unsigned)vcpu))
			continue;
		if (atomic_exchange(&p->pending, 0) ||
		    (word_of(ev, port) && evtchn_fifo_is_pending(ev, port)))
			evtchn_fifo_raise(ev, port, word);
	}
}

/* The guest leaves the 2-level ABI: remember what is pending there. */
static void switch_over(struct evtchn *ev)
{
	for (evtchn_port_t port = 1; port < ev->c.nr_ports && port < evtchn_2l_ports(ev); port++)
		if (evtchn_2l_is_pending(ev, port))
			ev->c.ports[port].pending = 1;
	atomic_store(&ev->fifo, true);
	evtchn_set_limit(ev);
}

int evtchn_init_control(struct evtchn *ev, struct evtchn_init_control *arg)
{
	struct evtchn_vcpu *v;
	char *page;

	if (arg->vcpu >= ev->c.nr_vcpus)
		return -XEN_ENOENT;
	if (arg->offset > XEN_PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) ||
	    arg->offset % 8)
		return -XEN_EINVAL;
	v = &ev->c.vcpus[arg->vcpu];
	lock_take(&ev->lock);
	page = v->control_page ? NULL : ev->c.env->map(ev->c.ctx, arg->control_gfn);
	if (page) {
		v->control_page = page;
		if (!ev->fifo)
			switch_over(ev);
		atomic_store(&v->control, (struct evtchn_fifo_control_block *)(page + arg->offset));
	}
	lock_drop(&ev->lock);
	if (!page)
		return -XEN_EINVAL;
	raise_again(ev, 1, ev->c.nr_ports, arg->vcpu);
	arg->link_bits = EVTCHN_FIFO_LINK_BITS;
	return 0;
}

static int add_page(struct evtchn *ev, uint64_t gfn, unsigned *index)
{
	void *page;

	if (!ev->fifo)
		return -XEN_EOPNOTSUPP;
	*index = ev->nr_array_pages;
	if (*index >= EVTCHN_FIFO_PAGES)
		return -XEN_ENOSPC;
	page = ev->c.env->map(ev->c.ctx, gfn);
	if (!page)
		return -XEN_EINVAL;
	atomic_store(&ev->array[*index], page);
	ev->nr_array_pages++;
	return 0;
}

int evtchn_expand_array(struct evtchn *ev, struct evtchn_expand_array *arg)
{
	unsigned index;
	int rc;

	lock_take(&ev->lock);
	rc = add_page(ev, arg->array_gfn, &index);
	lock_drop(&ev->lock);
	if (!rc)
		raise_again(ev, index * WORDS_PER_PAGE, (index + 1) * WORDS_PER_PAGE, -1);
	return rc;
}
