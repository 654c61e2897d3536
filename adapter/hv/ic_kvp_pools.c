/* SPDX-License-Identifier: MIT */
/*
 * Where the pools are in the guest's xenstore:
 *
 *   external        vm-data/KEY    the host's for the guest, where guests that come from XCP-ng or XenServer look for such data
 *   auto-external   host/KEY       what the host tells of itself
 *   guest           data/KEY       the guest's for the host: whatever it wrote there
 *   auto            below          what the guest's agent tells of the guest, under the names that Hyper-V's users know
 *
 * The agent is the guest's own from its days on Xen (xe-guest-utilities); without one the pool says what the adapter knows.
 */
#include "adapter/hv/ic_kvp.h"

#include "abi/vmbus/ic.h"
#include "adapter/seam/control.h"
#include "core/fmt.h"
#include "core/string.h"

/* So many pairs of the host's in a pool; the store's memory is the devices' too. */
#define HOST_PAIRS_MAX 64
#define PATH_SIZE      (KVP_KEY_TEXT + 16)

static const char *folder(unsigned pool)
{
	switch (pool) {
	case IC_KVP_EXTERNAL: return "vm-data";
	case IC_KVP_AUTO_EXTERNAL: return "host";
	case IC_KVP_GUEST: return "data";
	default: return NULL;
	}
}

static bool is_hosts(unsigned pool)
{
	return pool == IC_KVP_EXTERNAL || pool == IC_KVP_AUTO_EXTERNAL;
}

static bool read_node(const char *path, char *value, size_t size)
{
	return xen_control_read(path, value, size) > 0;
}

/* Appends a value of the guest's, after a semicolon where it is not the first. */
static void append(const char *path, char *list, size_t size)
{
	size_t used = strlen(list), start = used ? used + 1 : 0;

	if (start + 1 < size && read_node(path, list + start, size - start) && used)
		list[used] = ';';
}

/* attr/vif/N/ipv4/N, and attr/ethN/ip as older agents have it. */
static bool addresses(char *value, size_t size, const char *family, const char *old)
{
	char vif[16], path[64];

	value[0] = '\0';
	for (unsigned i = 0; xen_control_child("attr/vif", i, vif, sizeof(vif)); i++) {
		char folder_path[48], name[8];

		fmt(folder_path, sizeof(folder_path), "attr/vif/%s/%s", vif, family);
		for (unsigned k = 0; xen_control_child(folder_path, k, name, sizeof(name)); k++) {
			fmt(path, sizeof(path), "%s/%s", folder_path, name);
			append(path, value, size);
		}
	}
	for (unsigned i = 0; !value[0] && i < 8; i++) {
		fmt(path, sizeof(path), "attr/eth%u/%s", i, old);
		append(path, value, size);
	}
	return value[0];
}

static bool ipv4(char *value, size_t size)
{
	return addresses(value, size, "ipv4", "ip");
}

static bool ipv6(char *value, size_t size)
{
	return addresses(value, size, "ipv6", "ipv6/0/addr");
}

static bool services_version(char *value, size_t size)
{
	return fmt(value, size, "Xenolith") != 0;
}

/* It is what the adapter boots: the agent need not tell. */
static bool architecture(char *value, size_t size)
{
	return fmt(value, size, "x86_64") != 0;
}

struct well_known {
	const char *key;
	const char *path; /* in the store, or */
	bool (*make)(char *value, size_t size);
};

/* In the order of Linux's KVP daemon. OSVersion and OSBuildNumber are both the kernel's release there. */
static const struct well_known well_known[] = {
    {"FullyQualifiedDomainName", "data/host_name", NULL},
    {"IntegrationServicesVersion", NULL, services_version},
    {"NetworkAddressIPv4", NULL, ipv4},
    {"NetworkAddressIPv6", NULL, ipv6},
    {"OSBuildNumber", "data/os_uname", NULL},
    {"OSName", "data/os_name", NULL},
    {"OSMajorVersion", "data/os_majorver", NULL},
    {"OSMinorVersion", "data/os_minorver", NULL},
    {"OSVersion", "data/os_uname", NULL},
    {"ProcessorArchitecture", NULL, architecture},
};

static bool known_value(const struct well_known *row, char *value, size_t size)
{
	return row->path ? read_node(row->path, value, size) : row->make(value, size);
}

#define WELL_KNOWN (sizeof(well_known) / sizeof(*well_known))

/* Those that have no value are not counted. */
static bool auto_at(uint32_t index, struct kvp_pair *pair)
{
	for (unsigned i = 0; i < WELL_KNOWN; i++) {
		if (!known_value(&well_known[i], pair->value, sizeof(pair->value)) || index--)
			continue;
		fmt(pair->key, sizeof(pair->key), "%s", well_known[i].key);
		return true;
	}
	return false;
}

static bool auto_get(struct kvp_pair *pair)
{
	for (unsigned i = 0; i < WELL_KNOWN; i++)
		if (!strcmp(well_known[i].key, pair->key))
			return known_value(&well_known[i], pair->value, sizeof(pair->value));
	return false;
}

/* A key is one name in a folder. */
static bool path_of(char *path, unsigned pool, const char *key)
{
	const char *where = folder(pool);

	return where && key[0] && !strchr(key, '/') &&
	       fmt(path, PATH_SIZE, "%s/%s", where, key) < PATH_SIZE;
}

bool kvp_pool_get(unsigned pool, struct kvp_pair *pair)
{
	char path[PATH_SIZE];

	if (pool == IC_KVP_AUTO)
		return auto_get(pair);
	return path_of(path, pool, pair->key) &&
	       xen_control_read(path, pair->value, sizeof(pair->value)) >= 0;
}

bool kvp_pool_at(unsigned pool, uint32_t index, struct kvp_pair *pair)
{
	if (pool == IC_KVP_AUTO)
		return auto_at(index, pair);
	return folder(pool) &&
	       xen_control_child(folder(pool), index, pair->key, sizeof(pair->key)) &&
	       kvp_pool_get(pool, pair);
}

static bool exists(const char *path)
{
	char none[1];

	return xen_control_read(path, none, sizeof(none)) >= 0;
}

bool kvp_pool_set(unsigned pool, const struct kvp_pair *pair)
{
	char path[PATH_SIZE], name[1];

	if (!is_hosts(pool) || !path_of(path, pool, pair->key))
		return false;
	if (!exists(path) &&
	    xen_control_child(folder(pool), HOST_PAIRS_MAX - 1, name, sizeof(name)))
		return false;
	return xen_control_write(path, pair->value);
}

bool kvp_pool_remove(unsigned pool, const char *key)
{
	char path[PATH_SIZE];

	return is_hosts(pool) && path_of(path, pool, key) && exists(path) &&
	       xen_control_write(path, NULL);
}
