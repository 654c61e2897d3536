/* SPDX-License-Identifier: MIT */
#include "core/xs_control.h"
#include "core/fmt.h"
#include "core/string.h"

#define NODE_MAX 64

/* The words are the toolstack's (xen's docs/misc/xenstore-paths.pandoc, "~/control/shutdown"). */
static const char *const words[] = {
    [XS_SHUTDOWN_POWEROFF] = "poweroff",
    [XS_SHUTDOWN_REBOOT] = "reboot",
    [XS_SHUTDOWN_HALT] = "halt",
    [XS_SHUTDOWN_SUSPEND] = "suspend",
};

static void node(const struct xs_control *control, char *path, const char *name)
{
	fmt(path, NODE_MAX, "/local/domain/%u/%s", control->domid, name);
}

static int write_node(const struct xs_control *control, const char *name, const char *value)
{
	char path[NODE_MAX];

	node(control, path, name);
	return xs_local_write_str(control->store, path, value);
}

/* The guest takes a request by emptying the node. */
static bool taken(const struct xs_control *control)
{
	char path[NODE_MAX];

	node(control, path, "control/shutdown");
	return xs_local_read(control->store, path, NULL, 0) <= 0;
}

static void on_change(void *ctx, const char *path)
{
	struct xs_control *control = ctx;

	(void)path;
	if (!control->asked || !taken(control))
		return;
	control->asked = false;
	control->acknowledged(control->ctx);
}

int xs_control_init(struct xs_control *control, struct xs_store *store, domid_t domid,
		    void (*acknowledged)(void *ctx), void *ctx)
{
	char path[NODE_MAX];

	*control = (struct xs_control){
	    .store = store, .domid = domid, .acknowledged = acknowledged, .ctx = ctx};
	node(control, path, "control/shutdown");
	return xs_local_watch(store, path, on_change, control);
}

void xs_control_destroy(struct xs_control *control)
{
	char path[NODE_MAX];

	node(control, path, "control/shutdown");
	xs_local_unwatch(control->store, path, on_change, control);
}

bool xs_control_can(const struct xs_control *control, enum xs_shutdown what)
{
	char path[NODE_MAX], name[32];
	uint64_t value;

	fmt(name, sizeof(name), "control/feature-%s", words[what]);
	node(control, path, name);
	return !xs_local_read_uint(control->store, path, &value) && value == 1;
}

int xs_control_shutdown(struct xs_control *control, enum xs_shutdown what)
{
	int rc = write_node(control, "control/shutdown", words[what]);

	if (!rc)
		control->asked = true;
	return rc;
}

bool xs_control_withdraw(struct xs_control *control)
{
	if (!control->asked || taken(control))
		return false;
	control->asked = false;
	return !write_node(control, "control/shutdown", "");
}

int xs_control_memory(struct xs_control *control, uint64_t kib)
{
	char path[NODE_MAX];

	node(control, path, "memory/target");
	return xs_local_write_uint(control->store, path, kib);
}

int xs_control_vcpu(struct xs_control *control, unsigned vcpu, bool online)
{
	char name[32];

	fmt(name, sizeof(name), "cpu/%u/availability", vcpu);
	return write_node(control, name, online ? "online" : "offline");
}

int xs_control_sysrq(struct xs_control *control, char key)
{
	char text[2] = {key, '\0'};

	return write_node(control, "control/sysrq", text);
}
