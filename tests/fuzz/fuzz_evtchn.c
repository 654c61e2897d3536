/* SPDX-License-Identifier: MIT */
/* Any sequence of event channel operations, over guest pages that hold anything. */
#include <stdlib.h>
#include <string.h>

#include "core/evtchn.h"

#define PAGES 4

static struct shared_info shared;
static _Alignas(4096) char pages[PAGES][4096];
static int mapped;

static void kick(void *ctx, unsigned vcpu)
{
	if (vcpu >= ((struct evtchn *)ctx)->c.nr_vcpus)
		abort();
}

static void *map(void *ctx, uint64_t gfn)
{
	(void)ctx;
	if (gfn >= PAGES)
		return NULL;
	mapped++;
	return pages[gfn];
}

static void unmap(void *ctx, void *page)
{
	(void)ctx;
	if (!page)
		abort();
	mapped--;
}

static void called(void *ctx, evtchn_port_t port)
{
	if (!ctx || port >= 2000)
		abort();
}

struct input {
	const uint8_t *p, *end;
};

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static const struct evtchn_env env = {kick, map, unmap};

/* Small numbers in every field, so that operations meet; now and then a large one. */
static void operation(struct evtchn *ev, struct input *in)
{
	const struct evtchn_op_row *row = evtchn_op_row(byte(in) % EVTCHN_OP_COUNT);
	uint32_t arg[EVTCHN_OP_ARG_MAX / 4] = {0};
	uint8_t *bytes = (uint8_t *)arg;

	for (unsigned i = 0; i < row->arg_size; i += 2)
		bytes[i] = byte(in) % 16;
	if (byte(in) % 16 == 0)
		arg[byte(in) % (EVTCHN_OP_ARG_MAX / 4)] = ~0u >> byte(in) % 32;
	row->run(ev, arg);
}

static void back_end(struct evtchn *ev, struct input *in)
{
	evtchn_port_t port;

	switch (byte(in) % 4) {
	case 0: evtchn_internal_alloc(ev, called, ev, &port); break;
	case 1: evtchn_internal_bind(ev, byte(in), called, ev); break;
	case 2: evtchn_internal_notify(ev, byte(in) % ev->c.nr_internals); break;
	default: evtchn_internal_unbind(ev, byte(in) % ev->c.nr_internals);
	}
}

static void others(struct evtchn *ev, struct input *in)
{
	evtchn_port_t ports[2] = {byte(in), byte(in)};
	int error;

	evtchn_raise_virq(ev, byte(in) % ev->c.nr_vcpus, byte(in) % NR_VIRQS);
	evtchn_poll_begin(ev, byte(in) % ev->c.nr_vcpus, ports, 1 + byte(in) % 2, &error);
	if (byte(in) & 1)
		evtchn_poll_end(ev, byte(in) % ev->c.nr_vcpus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct evtchn ev;
	static struct evtchn_vcpu vcpus[3];
	static struct evtchn_port ports[2000];
	static struct evtchn_internal internals[3];
	struct input in = {data, data + size};
	struct evtchn_config c = {
	    &env, &ev, 1, byte(&in) & 1 ? 32 : 64, &shared, vcpus, 3, ports, 2000, internals, 3};

	memset(&shared, 0, sizeof(shared));
	memset(pages, 0, sizeof(pages));
	if (evtchn_init(&ev, &c))
		abort();
	while (in.p < in.end) {
		uint8_t what = byte(&in) % 8;

		if (what == 0)
			((uint32_t *)pages[byte(&in) % PAGES])[byte(&in)] =
			    (uint32_t)byte(&in) << 24 | byte(&in);
		else if (what == 1)
			back_end(&ev, &in);
		else if (what == 2)
			others(&ev, &in);
		else
			operation(&ev, &in);
	}
	evtchn_reset(&ev, &(struct evtchn_reset){DOMID_SELF});
	if (mapped)
		abort();
	return 0;
}
