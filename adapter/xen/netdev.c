/* SPDX-License-Identifier: MIT */
/*
 * The memory of an interface stays when it goes, for the next one: an event channel's callback may still be about to look at it (core/evtchn.h).
 */
#include "adapter/xen/netdev.h"

#include "adapter/seam/net.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/grant.h"
#include "adapter/xen/store.h"
#include "core/vif.h"

/* Packets in flight on each queue; where memory is short, fewer, and then one queue. */
static const unsigned depths[] = {64, 32, 16};

struct netdev {
	struct vif vif;            /* first: a vif of ours is its netdev */
	struct net_device *device; /* NULL: nobody's */
	unsigned device_queues;
	unsigned queues, depth; /* that there are slots for */
	struct netback_slot *slots;
	atomic_bool work, gone; /* gone: from xenstore; the device is not looked at any more */
	atomic_uint looking;    /* VPs that are looking at the device */
	struct vif_queue queue[VIF_QUEUES_MAX];
};

#define NETDEV_PAGES ((sizeof(struct netdev) + PAGE_SIZE - 1) / PAGE_SIZE)

/* By the guest's number: 0 is eth0. Under the store's lock. */
static struct netdev *interfaces[NETDEVS_MAX];

static size_t slot_bytes(const struct netdev *d)
{
	return (size_t)d->queues * d->depth * sizeof(struct netback_slot);
}

static bool allocate_slots(struct netdev *d)
{
	unsigned most = domain.nr_vcpus < VIF_QUEUES_MAX ? domain.nr_vcpus : VIF_QUEUES_MAX;

	for (d->queues = most; d->queues; d->queues = d->queues > 1 ? 1 : 0) {
		for (unsigned i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
			d->depth = depths[i];
			d->slots = device_pages((slot_bytes(d) + PAGE_SIZE - 1) / PAGE_SIZE);
			if (d->slots)
				return true;
		}
	}
	return false;
}

static struct netdev *allocate(void)
{
	struct netdev *d = device_pages(NETDEV_PAGES);

	if (d && allocate_slots(d))
		return d;
	device_pages_free(d, NETDEV_PAGES);
	return NULL;
}

/* A free interface, and its number. */
static struct netdev *take(unsigned *number)
{
	for (unsigned i = 0; i < NETDEVS_MAX; i++) {
		if (!interfaces[i])
			interfaces[i] = allocate();
		if (!interfaces[i])
			return NULL;
		if (!interfaces[i]->device) {
			*number = i;
			return interfaces[i];
		}
	}
	return NULL;
}

static void work(void *ctx, struct vif *vif)
{
	(void)ctx;
	((struct netdev *)vif)->work = true;
	store_work_later();
}

/* A queue of the guest's may take what comes on several of the device's. */
static void room(void *ctx, struct vif *vif, unsigned queue)
{
	struct netdev *d = (struct netdev *)vif;
	unsigned step = __atomic_load_n(&vif->nr_queues, __ATOMIC_RELAXED);

	(void)ctx;
	d->looking++;
	for (unsigned i = queue; step && i < d->device_queues && !d->gone; i += step)
		net_room(d->device, i);
	d->looking--;
}

static void removed(void *ctx, struct vif *vif)
{
	(void)ctx;
	((struct netdev *)vif)->gone = true;
	work(ctx, vif);
}

static const struct vif_env env = {work, room, removed};

static bool add(struct net_device *device, unsigned max_queues, struct xs_store *store)
{
	unsigned number;
	struct netdev *d = take(&number);
	struct vif_config config = {
	    .env = &env,
	    .device = device,
	    .evtchn = &domain.evtchn,
	    .grants = &grant_table,
	    .store = store,
	    .domid = GUEST_DOMID,
	};

	if (!d)
		return false;
	config.queues = d->queue;
	config.max_queues = max_queues < d->queues ? max_queues : d->queues;
	config.slots = d->slots;
	config.slots_per_queue = d->depth;
	device->submitter = d;
	d->device = device;
	d->device_queues = max_queues;
	d->gone = d->work = false;
	if (!vif_add(&d->vif, &config, number))
		return true;
	d->device = NULL;
	return false;
}

void xen_net_add(struct net_device *device, unsigned max_queues)
{
	bool good;

	device->submitter = NULL;
	good = add(device, max_queues, store_enter());
	store_leave();
	if (good)
		return;
	log_warning("no memory for one more network interface");
	device->submitter = NULL;
	net_forgotten(device);
}

void xen_net_link(struct net_device *device, bool up)
{
	struct netdev *d;

	store_enter();
	d = device->submitter;
	if (d && !d->gone)
		vif_link(&d->vif, up);
	store_leave();
}

void xen_net_remove(struct net_device *device)
{
	struct netdev *d;

	store_enter();
	d = device->submitter;
	if (d && !d->gone)
		vif_unplug(&d->vif);
	store_leave();
}

/* NULL: nobody listens. */
static struct netback_queue *queue_of(const struct net_device *device, unsigned queue)
{
	struct netdev *d = device->submitter;
	unsigned nr = d ? __atomic_load_n(&d->vif.nr_queues, __ATOMIC_RELAXED) : 0;

	if (!nr)
		return NULL;
	while (queue >= nr)
		queue -= nr;
	return &d->queue[queue].queue;
}

enum xen_net_received xen_net_receive(struct net_device *device, unsigned queue,
				      const struct net_offload *offload,
				      const struct net_piece *pieces, unsigned nr_pieces)
{
	struct netback_queue *q = queue_of(device, queue);

	return q && netback_receive(q, offload, pieces, nr_pieces) == NETBACK_NO_ROOM
		   ? XEN_NET_NO_ROOM
		   : XEN_NET_TAKEN;
}

unsigned xen_net_large(struct net_device *device, unsigned queue)
{
	const struct netback_queue *q = queue_of(device, queue);

	return q ? q->large : 0;
}

static void forget(struct netdev *d)
{
	struct net_device *device = d->device;

	/* Its VP will be done soon. */
	if (d->looking) {
		work(NULL, &d->vif);
		return;
	}
	d->device = NULL;
	net_forgotten(device);
}

static void progress(struct xs_store *store)
{
	(void)store;
	for (unsigned i = 0; i < NETDEVS_MAX; i++) {
		struct netdev *d = interfaces[i];

		if (!d || !d->device || !d->work || !atomic_exchange(&d->work, false))
			continue;
		if (!d->gone)
			vif_progress(&d->vif);
		/* What waits for a front end that has left waits in vain. */
		net_room_later(d->device);
		if (d->gone)
			forget(d);
	}
}

void netdev_init(void)
{
	store_worker_add(progress);
}
