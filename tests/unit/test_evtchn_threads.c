/* SPDX-License-Identifier: MIT */
/* Event channels from several processors at once, under ThreadSanitizer: no race, and no event is lost. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/evtchn.h"

#define VCPUS 2
#define PORTS 32
#define SENDS 100000

struct world {
	struct evtchn ev;
	struct evtchn_vcpu vcpus[VCPUS];
	struct evtchn_port ports[64];
	struct evtchn_internal internals[1];
	struct shared_info shared;
	_Alignas(4096) char pages[4][4096];
	atomic_uint sent[64], seen[64];
	atomic_int senders;
	unsigned head[VCPUS][EVTCHN_FIFO_MAX_QUEUES];
	uint32_t ready[VCPUS]; /* the consumers' own copies */
};

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
}

static void *map(void *ctx, uint64_t gfn)
{
	return ((struct world *)ctx)->pages[gfn];
}

static void unmap(void *ctx, void *page)
{
	(void)ctx;
	(void)page;
}

static const struct evtchn_env env = {kick, map, unmap};

/* The handler: everything sent up to now has been seen. */
static void handle(struct world *w, evtchn_port_t port)
{
	w->seen[port] = w->sent[port];
}

static void consume_2l(struct world *w, unsigned vcpu)
{
	struct vcpu_info *info = &w->shared.vcpu_info[vcpu];
	uint64_t pending;

	if (!__atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST))
		return;
	pending = __atomic_load_n(&w->shared.evtchn_pending[0], __ATOMIC_SEQ_CST);
	for (; pending; pending &= pending - 1) {
		unsigned port = __builtin_ctzll(pending);

		if ((port - 1) % VCPUS != vcpu)
			continue;
		__atomic_fetch_and(&w->shared.evtchn_pending[0], ~(1ull << port), __ATOMIC_SEQ_CST);
		handle(w, port);
	}
}

static uint32_t unlink_word(uint32_t *word)
{
	uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);

	while (!__atomic_compare_exchange_n(
	    word, &old, old & ~(1u << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK), false,
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return old & EVTCHN_FIFO_LINK_MASK;
}

static void consume_fifo(struct world *w, unsigned vcpu)
{
	struct evtchn_fifo_control_block *control = (void *)w->pages[vcpu];
	uint32_t q, *word;
	evtchn_port_t port;

	/* As Linux does: the bits are taken over before the queues are looked at, so that none set since is lost. */
	w->ready[vcpu] |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
	if (!w->ready[vcpu])
		return;
	q = __builtin_ctz(w->ready[vcpu]);
	port = w->head[vcpu][q] ? w->head[vcpu][q]
				: __atomic_load_n(&control->head[q], __ATOMIC_ACQUIRE);
	word = (uint32_t *)w->pages[2] + port;
	w->head[vcpu][q] = unlink_word(word);
	if (!w->head[vcpu][q])
		w->ready[vcpu] &= ~(1u << q);
	if (__atomic_fetch_and(word, ~(1u << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST) >>
		EVTCHN_FIFO_PENDING &
	    1)
		handle(w, port);
}

struct job {
	struct world *w;
	unsigned seed;
};

static void *sender(void *arg)
{
	struct job *job = arg;
	struct world *w = job->w;

	for (unsigned n = 0; n < SENDS; n++) {
		evtchn_port_t port = 1 + rand_r(&job->seed) % PORTS;

		w->sent[port]++;
		evtchn_send(&w->ev, &(struct evtchn_send){port});
		if (n % 64 == 0)
			evtchn_set_priority(
			    &w->ev, &(struct evtchn_set_priority){port, rand_r(&job->seed) % 16});
	}
	w->senders--;
	return NULL;
}

static bool all_seen(struct world *w)
{
	for (unsigned port = 1; port <= PORTS; port++)
		if (w->seen[port] != w->sent[port])
			return false;
	return true;
}

/* Both vCPUs' consumers run in this thread: the senders are what races. */
static void nothing_is_lost(bool fifo)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);
	struct job jobs[3] = {{w, 1}, {w, 2}, {w, 3}};
	pthread_t threads[3];
	unsigned idle = 0;

	memset(w, 0, sizeof(*w));
	struct evtchn_config c = {&env,  w,        1,  64,           &w->shared, w->vcpus,
				  VCPUS, w->ports, 64, w->internals, 1};
	assert_int_equal(evtchn_init(&w->ev, &c), 0);
	for (unsigned i = 0; i < PORTS; i++)
		evtchn_bind_ipi(&w->ev, &(struct evtchn_bind_ipi){i % VCPUS, 0});
	for (unsigned i = 0; fifo && i < VCPUS; i++)
		evtchn_init_control(&w->ev,
				    &(struct evtchn_init_control){.control_gfn = i, .vcpu = i});
	if (fifo)
		evtchn_expand_array(&w->ev, &(struct evtchn_expand_array){2});
	w->senders = 3;
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, sender, &jobs[i]);
	while (idle < 1000) {
		for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++)
			fifo ? consume_fifo(w, vcpu) : consume_2l(w, vcpu);
		if (!w->senders)
			idle++;
		else
			sched_yield();
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(all_seen(w));
	free(w);
}

static void two_levels_lose_nothing(void **state)
{
	(void)state;
	nothing_is_lost(false);
}

static void fifo_loses_nothing(void **state)
{
	(void)state;
	nothing_is_lost(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_levels_lose_nothing),
	    cmocka_unit_test(fifo_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
