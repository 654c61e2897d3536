/* SPDX-License-Identifier: MIT */
/*
 * A device's two ends in xenstore, and the back end's half of the handshake that connects them (<xen/io/xenbus.h>):
 *
 *   back end    InitWait ──────────────► Connected ──► Closing ──► Closed ──► InitWait (the front end starts again)
 *   front end   Initialising ► Initialised/Connected ► Closing ► Closed
 *
 * The toolstack's part (creating the nodes with their permissions, asking for removal) is here too: there is no other toolstack.
 * Same lock as core/xenstore.h, callbacks included. Source: Linux's xenbus clients and blkback as peers; libxl's nodes.
 */
#pragma once

#include "core/xenstore.h"
#include <xen/grant_table.h>
#include <xen/io/xenbus.h>

#define XENBUS_PATH_MAX 64

struct xenbus_device;

struct xenbus_ops {
	const char *type; /* "vbd", "vif" */
	/* Writes what the front end reads before it connects: features, limits, the device's description. */
	int (*offer)(struct xenbus_device *device);
	/* The front end's parameters are there: connect, and write what it reads afterwards. */
	int (*connect)(struct xenbus_device *device);
	/*
	 * The front end of a device that is being unplugged has written that it is closed. True when it has let go of all it shares with us; else
	 * it is served on, without its nodes, until xenbus_let_go(). May be NULL: then what it has written is what counts.
	 */
	bool (*front_closed)(struct xenbus_device *device);
	/* The front end is leaving or gone: stop. True when stopped, else xenbus_stopped() follows. Also called when not connected. */
	bool (*disconnect)(struct xenbus_device *device);
	/* After a removal that was asked for: the nodes are gone and the device is the caller's again. */
	void (*removed)(struct xenbus_device *device);
};

struct xenbus_device {
	const struct xenbus_ops *ops;
	struct xs_store *store;
	domid_t domid; /* the guest's */
	unsigned id;
	char front[XENBUS_PATH_MAX], back[XENBUS_PATH_MAX];
	enum xenbus_state state; /* ours */
	bool connected, stopping;
	bool leaving;   /* removal was asked for */
	bool withdrawn; /* the nodes are gone, the front end has not let go yet */
};

/* Creates both ends and waits for the front end; runs ops->offer. 0 or a negative XEN_E*. */
int xenbus_add(struct xenbus_device *device, const struct xenbus_ops *ops, struct xs_store *store,
	       domid_t domid, unsigned id);
/* Asks the front end to let go, and serves it until then; ops->removed follows once it has, at once where none is connected. */
void xenbus_unplug(struct xenbus_device *device);
/* What ops->front_closed waited for has come; does nothing in any other state. */
void xenbus_let_go(struct xenbus_device *device);
/* What ops->disconnect could not do at once is done. */
void xenbus_stopped(struct xenbus_device *device);
/* Tells the front end, by writing the state again, to read the description again: a disk has been resized. */
void xenbus_announce(struct xenbus_device *device);
/* Writes an error for the administrator to see, and closes the device. */
void xenbus_fail(struct xenbus_device *device, const char *what);

/* Nodes of either end. */
int xenbus_write(struct xenbus_device *device, const char *name, const char *value);
int xenbus_write_uint(struct xenbus_device *device, const char *name, uint64_t value);
int xenbus_write_front(struct xenbus_device *device, const char *name, const char *value);
int xenbus_read_front(struct xenbus_device *device, const char *name, char *buf, size_t size);
int xenbus_read_front_uint(struct xenbus_device *device, const char *name, uint64_t max,
			   uint64_t *value);
/* The same for a key that the front end may leave out. */
int xenbus_read_front_optional(struct xenbus_device *device, const char *name, uint64_t fallback,
			       uint64_t max, uint64_t *value);
/* A 32-bit key of one queue: "<key>" where there is one queue only, else "queue-<n>/<key>". */
int xenbus_read_queue(struct xenbus_device *device, unsigned nr_queues, unsigned queue,
		      const char *key, uint64_t *value);
