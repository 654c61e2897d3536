/* SPDX-License-Identifier: MIT */
/*
 * A virtual network interface of the guest: a network device offered through xenstore, connected to netfront's rings and event
 * channels, one netback queue each.
 *
 * vif_add, _unplug and _progress run under the store's lock, as do the xenstore callbacks behind them. Packets move without
 * it. What the front end can take is in each queue's `peer` once it is connected.
 *
 * Not offered: multicast control (everything is delivered), the control ring (hashing is the front end's own choice).
 */
#pragma once

#include "core/evtchn.h"
#include "core/netback.h"
#include "core/xenbus.h"

#define VIF_QUEUES_MAX 16

struct vif;

struct vif_env {
	/* Call vif_progress() soon, under the store's lock; this itself must only take note. */
	void (*work)(void *ctx, struct vif *vif);
	/* The guest has posted pages on a queue, perhaps after NETBACK_NO_ROOM. On the guest's processor, without locks. */
	void (*room)(void *ctx, struct vif *vif, unsigned queue);
	/* The device is gone from xenstore and its memory is the caller's again. */
	void (*removed)(void *ctx, struct vif *vif);
};

struct vif_queue {
	struct netback_queue queue; /* first: a netback queue of ours is its vif's */
	struct vif *vif;
	grant_ref_t ring_ref[2];
	unsigned nr_rings; /* acquired: transmit, receive */
	_Atomic int
	    channel[2]; /* event channel handles of the same, -1 for none; both may be one */
	bool started;
};

struct vif {
	struct xenbus_device bus; /* first: a xenbus device of ours is its vif */
	const struct vif_env *env;
	void *ctx;
	struct net_device *device;
	struct evtchn *evtchn;
	struct gnttab *grants;
	struct vif_queue *queues;
	unsigned max_queues, nr_queues; /* offered; in use */
	struct netback_slot *slots;
	unsigned slots_per_queue;
	_Atomic unsigned busy; /* queues that were started and are not idle */
	atomic_bool broken;
};

/*
 * What the caller provides: `queues` and `slots`, max_queues times slots_per_queue of the latter. Both zeroed at first; where they were another interface's they
 * are as that has left them, since its callbacks may still be running.
 */
struct vif_config {
	const struct vif_env *env;
	void *ctx;
	struct net_device *device;
	struct evtchn *evtchn;
	struct gnttab *grants;
	struct xs_store *store;
	domid_t domid;
	struct vif_queue *queues;
	unsigned max_queues; /* 1 to VIF_QUEUES_MAX */
	struct netback_slot *slots;
	unsigned slots_per_queue;
};

/* Makes the interface appear in the guest; `number` counts them. 0 or a negative XEN_E*. */
int vif_add(struct vif *vif, const struct vif_config *config, unsigned number);
/*
 * Whether the network can be reached. No front end of Xen's is told of a carrier; the one of Windows looks at the toolstack's node "disconnect", and Linux's
 * tells its peers where it is when the back end says "Connected" once more, as after a migration.
 */
void vif_link(struct vif *vif, bool up);
void vif_unplug(struct vif *vif);
void vif_progress(struct vif *vif);
