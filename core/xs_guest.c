/* SPDX-License-Identifier: MIT */
#include "core/xs_guest.h"
#include "core/fmt.h"

#define PATH_MAX_LOCAL 128

/* Who may do what, in the toolstack's three patterns. */
enum access {
	ACCESS_NONE,  /* domain 0's own */
	ACCESS_READ,  /* domain 0's, the guest may read */
	ACCESS_GUEST, /* the guest's own */
};

static int put(struct xs_store *store, const struct xs_guest *guest, enum access access,
	       const char *path, const char *value)
{
	struct xs_perm perms[2] = {{0, XS_PERM_NONE}, {guest->domid, XS_PERM_READ}};
	int rc = value ? xs_local_write_str(store, path, value) : xs_local_mkdir(store, path);

	if (access == ACCESS_GUEST)
		perms[0].domid = guest->domid;
	return rc ? rc : xs_local_set_perms(store, path, perms, access == ACCESS_READ ? 2 : 1);
}

static int put_home(struct xs_store *store, const struct xs_guest *guest, enum access access,
		    const char *name, const char *value)
{
	char path[PATH_MAX_LOCAL];

	fmt(path, sizeof(path), "/local/domain/%u%s%s", guest->domid, *name ? "/" : "", name);
	return put(store, guest, access, path, value);
}

static int put_number(struct xs_store *store, const struct xs_guest *guest, enum access access,
		      const char *name, uint64_t value)
{
	char text[24];

	fmt(text, sizeof(text), "%llu", (unsigned long long)value);
	return put_home(store, guest, access, name, text);
}

static int make_vm(struct xs_store *store, const struct xs_guest *guest)
{
	char path[PATH_MAX_LOCAL], vm[PATH_MAX_LOCAL];
	int rc;

	fmt(vm, sizeof(vm), "/vm/%s", guest->uuid);
	rc = put(store, guest, ACCESS_READ, vm, NULL);
	fmt(path, sizeof(path), "%s/name", vm);
	rc = rc ? rc : put(store, guest, ACCESS_READ, path, guest->name);
	fmt(path, sizeof(path), "%s/uuid", vm);
	rc = rc ? rc : put(store, guest, ACCESS_READ, path, guest->uuid);
	return rc ? rc : put_home(store, guest, ACCESS_READ, "vm", vm);
}

static int make_cpus(struct xs_store *store, const struct xs_guest *guest)
{
	char name[32];
	int rc = put_home(store, guest, ACCESS_READ, "cpu", NULL);

	for (unsigned i = 0; !rc && i < guest->nr_vcpus; i++) {
		fmt(name, sizeof(name), "cpu/%u", i);
		rc = put_home(store, guest, ACCESS_READ, name, NULL);
		fmt(name, sizeof(name), "cpu/%u/availability", i);
		rc = rc ? rc : put_home(store, guest, ACCESS_READ, name, "online");
	}
	return rc;
}

static int make_directories(struct xs_store *store, const struct xs_guest *guest)
{
	static const struct {
		const char *name;
		enum access access;
		const char *value;
	} nodes[] = {
	    {"", ACCESS_READ, NULL},
	    {"device", ACCESS_READ, NULL},
	    {"control", ACCESS_READ, NULL},
	    {"control/shutdown", ACCESS_GUEST, ""},
	    {"control/feature-poweroff", ACCESS_GUEST, ""},
	    {"control/feature-reboot", ACCESS_GUEST, ""},
	    {"control/feature-suspend", ACCESS_GUEST, ""},
	    {"control/sysrq", ACCESS_GUEST, ""},
	    {"control/platform-feature-multiprocessor-suspend", ACCESS_READ, "1"},
	    {"control/platform-feature-xs_reset_watches", ACCESS_READ, "1"},
	    {"device/suspend", ACCESS_READ, NULL},
	    {"device/suspend/event-channel", ACCESS_GUEST, ""},
	    {"data", ACCESS_GUEST, NULL},
	    {"drivers", ACCESS_GUEST, NULL},
	    {"feature", ACCESS_GUEST, NULL},
	    {"attr", ACCESS_GUEST, NULL},
	    {"error", ACCESS_GUEST, NULL},
	    {"memory", ACCESS_READ, NULL},
	    {"store", ACCESS_READ, NULL},
	    {"console", ACCESS_READ, NULL},
	    {"console/backend-id", ACCESS_READ, "0"},
	    {"console/limit", ACCESS_READ, "1048576"},
	    {"console/type", ACCESS_READ, "xenconsoled"},
	    {"console/output", ACCESS_READ, "pty"},
	    {"console/tty", ACCESS_READ, ""},
	};
	int rc = 0;

	for (unsigned i = 0; !rc && i < sizeof(nodes) / sizeof(nodes[0]); i++)
		rc = put_home(store, guest, nodes[i].access, nodes[i].name, nodes[i].value);
	return rc;
}

static int make_numbers(struct xs_store *store, const struct xs_guest *guest)
{
	const struct {
		const char *name;
		uint64_t value;
	} nodes[] = {
	    {"domid", guest->domid},
	    {"memory/target", guest->memory_kib},
	    {"memory/static-max", guest->memory_max_kib},
	    {"store/port", guest->store_port},
	    {"store/ring-ref", guest->store_mfn},
	    {"console/port", guest->console_port},
	    {"console/ring-ref", guest->console_mfn},
	};
	int rc = 0;

	for (unsigned i = 0; !rc && i < sizeof(nodes) / sizeof(nodes[0]); i++)
		rc = put_number(store, guest, ACCESS_READ, nodes[i].name, nodes[i].value);
	return rc;
}

int xs_guest_introduce(struct xs_store *store, const struct xs_guest *guest)
{
	int rc = make_directories(store, guest);

	rc = rc ? rc : make_vm(store, guest);
	rc = rc ? rc : put_home(store, guest, ACCESS_READ, "name", guest->name);
	rc = rc ? rc : make_numbers(store, guest);
	rc = rc ? rc : make_cpus(store, guest);
	rc = rc ? rc : xs_local_mkdir(store, "/local/domain/0/backend");
	rc = rc ? rc : xs_local_write_uint(store, "/local/domain/0/domid", 0);
	if (!rc)
		xs_local_special(store, "@introduceDomain");
	return rc;
}
