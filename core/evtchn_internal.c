/* SPDX-License-Identifier: MIT */
/* Channels whose other end is a back end of the adapter. */
#include "core/evtchn_int.h"

void evtchn_internal_free(struct evtchn *ev, uint32_t handle)
{
	struct evtchn_internal *internal = &ev->c.internals[handle];

	lock_take(&internal->lock);
	internal->port = EVTCHN_NO_PORT;
	lock_drop(&internal->lock);
}

void evtchn_internal_call(struct evtchn *ev, uint32_t handle, evtchn_port_t port)
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

void evtchn_internal_tell_closed(struct evtchn *ev)
{
	for (uint32_t i = 0; i < ev->c.nr_internals; i++)
		evtchn_internal_call(ev, i, EVTCHN_NO_PORT);
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
	*port = handle < 0 ? EVTCHN_NO_PORT
			   : evtchn_take_port(ev, evtchn_word(EVTCHN_INTERNAL, 0, handle));
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
	word = evtchn_word_of(ev, port);
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
	word = evtchn_word_of(ev, port);
	if (evtchn_state(word) != EVTCHN_INTERNAL || evtchn_arg(word) != (uint32_t)handle)
		return false;
	evtchn_raise(ev, port, word);
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
