/* SPDX-License-Identifier: MIT */
#include "core/xenbus.h"
#include "core/fmt.h"
#include "core/string.h"

#define NODE_MAX (XENBUS_PATH_MAX + 64)

static void node(char *path, const char *base, const char *name)
{
	fmt(path, NODE_MAX, "%s/%s", base, name);
}

int xenbus_write(struct xenbus_device *device, const char *name, const char *value)
{
	char path[NODE_MAX];

	node(path, device->back, name);
	return xs_local_write_str(device->store, path, value);
}

int xenbus_write_uint(struct xenbus_device *device, const char *name, uint64_t value)
{
	char text[24];

	fmt(text, sizeof(text), "%llu", (unsigned long long)value);
	return xenbus_write(device, name, text);
}

int xenbus_write_front(struct xenbus_device *device, const char *name, const char *value)
{
	char path[NODE_MAX];

	node(path, device->front, name);
	return xs_local_write_str(device->store, path, value);
}

int xenbus_read_front(struct xenbus_device *device, const char *name, char *buf, size_t size)
{
	char path[NODE_MAX];

	node(path, device->front, name);
	return xs_local_read(device->store, path, buf, size);
}

int xenbus_read_front_uint(struct xenbus_device *device, const char *name, uint64_t max,
			   uint64_t *value)
{
	char path[NODE_MAX];
	int rc;

	node(path, device->front, name);
	rc = xs_local_read_uint(device->store, path, value);
	return rc ? rc : *value > max ? -XEN_EINVAL : 0;
}

int xenbus_read_front_optional(struct xenbus_device *device, const char *name, uint64_t fallback,
			       uint64_t max, uint64_t *value)
{
	int rc = xenbus_read_front_uint(device, name, max, value);

	if (rc != -XEN_ENOENT)
		return rc;
	*value = fallback;
	return 0;
}

int xenbus_read_queue(struct xenbus_device *device, unsigned nr_queues, unsigned queue,
		      const char *key, uint64_t *value)
{
	char name[48];

	if (nr_queues == 1)
		return xenbus_read_front_uint(device, key, UINT32_MAX, value);
	fmt(name, sizeof(name), "queue-%u/%s", queue, key);
	return xenbus_read_front_uint(device, name, UINT32_MAX, value);
}

static int set_state(struct xenbus_device *device, enum xenbus_state state)
{
	device->state = state;
	return xenbus_write_uint(device, "state", state);
}

/* Unknown when the front end has removed its node or wrote no state. */
static enum xenbus_state front_state(struct xenbus_device *device)
{
	uint64_t state;

	if (xenbus_read_front_uint(device, "state", XenbusStateReconfigured, &state))
		return XenbusStateUnknown;
	return state;
}

void xenbus_announce(struct xenbus_device *device)
{
	set_state(device, device->state);
}

void xenbus_fail(struct xenbus_device *device, const char *what)
{
	char path[NODE_MAX];

	fmt(path, sizeof(path), "/local/domain/0/error/backend/%s/%u/%u/error", device->ops->type,
	    device->domid, device->id);
	xs_local_write_str(device->store, path, what);
	set_state(device, XenbusStateClosing);
}

static void connect_device(struct xenbus_device *device)
{
	if (device->connected || device->stopping || device->state != XenbusStateInitWait)
		return;
	if (device->ops->connect(device)) {
		device->ops->disconnect(device);
		xenbus_fail(device, "the front end's parameters do not make sense");
		return;
	}
	device->connected = true;
	set_state(device, XenbusStateConnected);
}

static void on_front_state(void *ctx, const char *path);

static void withdraw(struct xenbus_device *device)
{
	char path[NODE_MAX];

	node(path, device->front, "state");
	xs_local_unwatch(device->store, path, on_front_state, device);
	xs_local_rm(device->store, device->front);
	xs_local_rm(device->store, device->back);
}

/* The front end has let go and we have stopped. */
static void closed(struct xenbus_device *device)
{
	if (!device->withdrawn)
		set_state(device, XenbusStateClosed);
	if (!device->leaving) {
		if (front_state(device) == XenbusStateInitialising)
			set_state(device, XenbusStateInitWait);
		return;
	}
	if (!device->withdrawn)
		withdraw(device);
	device->ops->removed(device);
}

static void disconnect(struct xenbus_device *device)
{
	if (device->stopping)
		return;
	device->connected = false;
	device->stopping = true;
	if (device->ops->disconnect(device))
		xenbus_stopped(device);
}

void xenbus_stopped(struct xenbus_device *device)
{
	if (!device->stopping)
		return;
	device->stopping = false;
	closed(device);
}

static void front_closed(struct xenbus_device *device)
{
	if (device->state == XenbusStateClosed && !device->leaving)
		return;
	if (!device->leaving || !device->connected || !device->ops->front_closed ||
	    device->ops->front_closed(device)) {
		disconnect(device);
		return;
	}
	set_state(device, XenbusStateClosed);
	withdraw(device);
	device->connected = false;
	device->withdrawn = true;
}

void xenbus_let_go(struct xenbus_device *device)
{
	if (device->withdrawn)
		disconnect(device);
}

/* The front end has started (again): offer ourselves. */
static void restart(struct xenbus_device *device)
{
	if (device->stopping)
		return;
	if (device->connected) /* without having closed: the guest's kernel was replaced */
		disconnect(device);
	else if (device->state == XenbusStateClosed)
		set_state(device, XenbusStateInitWait);
}

static void on_front_state(void *ctx, const char *path)
{
	struct xenbus_device *device = ctx;

	(void)path;
	switch (front_state(device)) {
	case XenbusStateInitialising: restart(device); break;
	case XenbusStateInitialised:
	case XenbusStateConnected: connect_device(device); break;
	case XenbusStateClosing:
		if (device->state != XenbusStateClosed)
			set_state(device, XenbusStateClosing);
		break;
	case XenbusStateClosed: front_closed(device); break;
	case XenbusStateUnknown:
		if (device->state != XenbusStateClosed || device->leaving)
			disconnect(device);
		break;
	default: break;
	}
}

/* One end's directory, whose owner may write it and the other may read it. */
static int make_end(struct xenbus_device *device, const char *path, domid_t owner, domid_t reader)
{
	const struct xs_perm perms[] = {{owner, XS_PERM_NONE}, {reader, XS_PERM_READ}};
	int rc = xs_local_rm(device->store, path);

	rc = rc ? rc : xs_local_mkdir(device->store, path);
	return rc ? rc : xs_local_set_perms(device->store, path, perms, 2);
}

static int make_nodes(struct xenbus_device *device)
{
	int rc = make_end(device, device->back, 0, device->domid);

	rc = rc ? rc : make_end(device, device->front, device->domid, 0);
	rc = rc ? rc : xenbus_write(device, "frontend", device->front);
	rc = rc ? rc : xenbus_write_uint(device, "frontend-id", device->domid);
	rc = rc ? rc : xenbus_write_uint(device, "online", 1);
	rc = rc ? rc : set_state(device, XenbusStateInitialising);
	rc = rc ? rc : device->ops->offer(device);
	rc = rc ? rc : set_state(device, XenbusStateInitWait);
	rc = rc ? rc : xenbus_write_front(device, "backend", device->back);
	rc = rc ? rc : xenbus_write_front(device, "backend-id", "0");
	return rc ? rc : xenbus_write_front(device, "state", "1");
}

int xenbus_add(struct xenbus_device *device, const struct xenbus_ops *ops, struct xs_store *store,
	       domid_t domid, unsigned id)
{
	char path[NODE_MAX];
	int rc;

	memset(device, 0, sizeof(*device));
	device->ops = ops;
	device->store = store;
	device->domid = domid;
	device->id = id;
	fmt(device->front, sizeof(device->front), "/local/domain/%u/device/%s/%u", domid, ops->type,
	    id);
	fmt(device->back, sizeof(device->back), "/local/domain/0/backend/%s/%u/%u", ops->type,
	    domid, id);
	rc = make_nodes(device);
	node(path, device->front, "state");
	rc = rc ? rc : xs_local_watch(store, path, on_front_state, device);
	if (rc) {
		xs_local_rm(store, device->front);
		xs_local_rm(store, device->back);
	}
	return rc;
}

void xenbus_unplug(struct xenbus_device *device)
{
	if (device->leaving)
		return;
	device->leaving = true;
	xenbus_write_uint(device, "online", 0);
	if (device->connected)
		set_state(device,
			  XenbusStateClosing); /* the front end closes, which brings us on */
	else if (!device->stopping)
		disconnect(device);
}
