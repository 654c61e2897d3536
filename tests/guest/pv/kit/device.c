/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/device.h"

#include "core/fmt.h"

static const char *node(char *path, const char *end, const char *key)
{
	fmt(path, 128, "%s/%s", end, key);
	return path;
}

static uint64_t read_number(const char *path)
{
	const char *text = store_read(path);
	uint64_t n = 0;

	for (; text && *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (uint64_t)(*text - '0');
	return n;
}

void device_find(struct device *d, const char *type, unsigned id)
{
	char path[128];
	const char *back = NULL;

	fmt(d->front, sizeof(d->front), "device/%s/%u", type, id);
	node(path, d->front, "backend");
	wait_until((back = store_read(path)) != NULL);
	if (!back || strlen(back) >= sizeof(d->back))
		error("no %s %u", type, id);
	memcpy(d->back, back, strlen(back) + 1);
	d->port = 0;
	if (!device_wait(d, XenbusStateInitWait))
		error("%s is not ready", d->back);
}

unsigned device_state(const struct device *d)
{
	char path[128];

	return (unsigned)read_number(node(path, d->back, "state"));
}

void device_set_state(const struct device *d, enum xenbus_state state)
{
	device_write(d, "state", state);
}

bool device_wait(const struct device *d, enum xenbus_state state)
{
	unsigned is = 0;

	for (uint64_t end = system_time() + 20 * SECOND; system_time() < end;) {
		is = device_state(d);
		if (is == state)
			return true;
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
	failure("%s is in state %u, not %u", d->back, is, state);
	return false;
}

void device_write_text(const struct device *d, const char *key, const char *value)
{
	char path[128];

	store_write(node(path, d->front, key), value);
}

void device_write(const struct device *d, const char *key, uint64_t value)
{
	char text[24];

	fmt(text, sizeof(text), "%lu", value);
	device_write_text(d, key, text);
}

uint64_t device_read(const struct device *d, const char *key)
{
	char path[128];

	return read_number(node(path, d->back, key));
}

void device_channel(struct device *d)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};

	if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &a))
		error("no event channel");
	d->port = a.port;
	device_write(d, "event-channel", d->port);
}

void device_notify(const struct device *d)
{
	struct evtchn_send s = {.port = d->port};

	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &s);
}

void device_restart(struct device *d)
{
	struct evtchn_close c = {.port = d->port};

	device_set_state(d, XenbusStateClosing);
	device_set_state(d, XenbusStateClosed);
	device_wait(d, XenbusStateClosed);
	if (d->port)
		check_equal(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &c), 0);
	d->port = 0;
	device_set_state(d, XenbusStateInitialising);
	device_wait(d, XenbusStateInitWait);
}

void run_parts(const struct part *parts, unsigned nr, void (*after)(void))
{
	for (unsigned i = 0; i < nr; i++) {
		uint64_t start = system_time();

		parts[i].run();
		after();
		say("%s: %lu ms", parts[i].name, (system_time() - start) / 1000000);
	}
}
