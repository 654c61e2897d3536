/* SPDX-License-Identifier: MIT */
/*
 * A virtual block device of the guest: a disk offered through xenstore, connected to blkfront's rings and event channels, one
 * blkback queue each.
 *
 * vbd_add, _unplug, _resized and _progress run under the store's lock, as do the xenstore callbacks behind them. I/O
 * runs without it.
 */
#pragma once

#include "core/blkback.h"
#include "core/evtchn.h"
#include "core/xenbus.h"

#define VBD_QUEUES_MAX     16
#define VBD_RING_ORDER_MAX 2 /* 4 pages: 128 requests a queue */
#define VBD_RING_PAGES     (1u << VBD_RING_ORDER_MAX)

struct vbd;

struct vbd_env {
	/* Something is left to do: call vbd_progress() soon, under the store's lock. May come from any processor, with or
	 * without that lock, so this must only take note. */
	void (*work)(void *ctx, struct vbd *vbd);
	/* The device is gone from xenstore and its memory is the caller's again. */
	void (*removed)(void *ctx, struct vbd *vbd);
};

struct vbd_queue {
	struct blkback_queue queue;
	struct vbd *vbd;
	grant_ref_t ring_ref[VBD_RING_PAGES];
	unsigned nr_ring_pages; /* acquired */
	_Atomic int channel;    /* event channel handle, -1 for none */
	bool started;
};

struct vbd {
	struct xenbus_device bus; /* first: a xenbus device of ours is its vbd */
	const struct vbd_env *env;
	void *ctx;
	struct block_disk *disk;
	struct evtchn *evtchn;
	struct gnttab *grants;
	struct vbd_queue *queues;
	unsigned max_queues, nr_queues; /* offered; in use */
	struct blkback_slot *slots;
	unsigned slots_per_queue;
	_Atomic unsigned busy; /* queues that were started and are not idle */
	atomic_bool broken;
	atomic_bool let_go; /* the front end has closed a channel */
};

/* What the caller provides: `queues` and `slots` zeroed, max_queues times slots_per_queue of the latter. */
struct vbd_config {
	const struct vbd_env *env;
	void *ctx;
	struct block_disk *disk;
	struct evtchn *evtchn;
	struct gnttab *grants;
	struct xs_store *store;
	domid_t domid;
	struct vbd_queue *queues;
	unsigned max_queues; /* 1 to VBD_QUEUES_MAX */
	struct blkback_slot *slots;
	unsigned slots_per_queue;
};

/* Makes the device appear in the guest. The number says its name there, see vbd_number(). 0 or a negative XEN_E*. */
int vbd_add(struct vbd *vbd, const struct vbd_config *config, unsigned number);
/* xvda, xvdb … for index 0, 1 …: 202 << 8 | index << 4, and beyond 16 disks the extended form (docs: vbd-interface). */
unsigned vbd_number(unsigned index);
/* Asks the guest to let go of the disk, whose requests go on meanwhile; env->removed follows. */
void vbd_unplug(struct vbd *vbd);
/* disk->nr_sectors has changed. */
void vbd_resized(struct vbd *vbd);
void vbd_progress(struct vbd *vbd);
