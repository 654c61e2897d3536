/* SPDX-License-Identifier: MIT */
#include "adapter/xen/blkdev.h"

#include "adapter/seam/block.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/grant.h"
#include "adapter/xen/store.h"
#include "core/string.h"
#include "core/vbd.h"

/* Requests in flight on each queue; where memory is short, fewer, and then fewer queues. */
static const unsigned depths[] = {64, 32, 16};

struct blkdev {
	struct vbd vbd; /* first: a vbd of ours is its blkdev */
	unsigned queues, depth;
	struct vbd_queue queue[VBD_QUEUES_MAX];
	struct blkback_slot *slots;
	struct blkdev *next; /* in `retired` */
	atomic_bool work;
};

#define BLKDEV_PAGES ((sizeof(struct blkdev) + PAGE_SIZE - 1) / PAGE_SIZE)

/* By the index in the guest's names: 0 is xvda. Changed under the store's lock, like the list of those that are no disk's now. */
static struct blkdev *disks[BLKDEVS_MAX];
static struct blkdev *retired;

static size_t slot_pages(unsigned queues, unsigned depth)
{
	return (queues * depth * sizeof(struct blkback_slot) + PAGE_SIZE - 1) / PAGE_SIZE;
}

static bool allocate_slots(struct blkdev *d)
{
	unsigned most = domain.nr_vcpus < VBD_QUEUES_MAX ? domain.nr_vcpus : VBD_QUEUES_MAX;

	for (d->queues = most; d->queues; d->queues = d->queues > 1 ? 1 : 0) {
		for (unsigned i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
			d->depth = depths[i];
			d->slots = device_pages(slot_pages(d->queues, d->depth));
			if (d->slots)
				return true;
		}
	}
	return false;
}

/*
 * With the store's lock. Another VP may be within a callback for a disk that has just gone, and finds its queue stopped: so what was a disk's
 * stays, for the next one.
 */
static struct blkdev *take_blkdev(void)
{
	struct blkdev *d = retired;

	if (d) {
		retired = d->next;
		return d;
	}
	d = device_pages(BLKDEV_PAGES);
	if (d && !allocate_slots(d)) {
		device_pages_free(d, BLKDEV_PAGES);
		d = NULL;
	}
	return d;
}

static void retire(struct blkdev *d)
{
	d->next = retired;
	retired = d;
}

static void work(void *ctx, struct vbd *vbd)
{
	(void)ctx;
	((struct blkdev *)vbd)->work = true;
	store_work_later();
}

static void removed(void *ctx, struct vbd *vbd)
{
	struct blkdev *d = (struct blkdev *)vbd;
	struct block_disk *disk = vbd->disk;

	(void)ctx;
	for (unsigned i = 0; i < BLKDEVS_MAX; i++)
		if (disks[i] == d)
			disks[i] = NULL;
	retire(d);
	block_forgotten(disk);
}

static const struct vbd_env env = {work, removed};

/* As Linux names them: xvda to xvdz, then xvdaa. */
static void log_name(unsigned index)
{
	char first = (char)('a' + index / 26 - 1), last = (char)('a' + index % 26);

	if (index < 26)
		log_info("it is the guest's xvd%c", last);
	else
		log_info("it is the guest's xvd%c%c", first, last);
}

static bool add(struct block_disk *disk, struct xs_store *store)
{
	struct blkdev *d = take_blkdev();
	struct vbd_config config = {
	    .env = &env,
	    .disk = disk,
	    .evtchn = &domain.evtchn,
	    .grants = &grant_table,
	    .store = store,
	    .domid = GUEST_DOMID,
	};
	unsigned index;

	if (!d)
		return false;
	config.queues = d->queue;
	config.max_queues = d->queues;
	config.slots = d->slots;
	config.slots_per_queue = d->depth;
	for (index = 0; index < BLKDEVS_MAX && disks[index]; index++)
		;
	if (index < BLKDEVS_MAX) {
		disks[index] = d;
		if (!vbd_add(&d->vbd, &config, vbd_number(index))) {
			log_name(index);
			return true;
		}
		disks[index] = NULL;
	}
	retire(d);
	return false;
}

void xen_block_add(struct block_disk *disk)
{
	struct xs_store *store = store_enter();
	bool good = add(disk, store);

	store_leave();
	if (good)
		return;
	log_warning("no memory for one more disk");
	block_forgotten(disk);
}

static struct blkdev *of(const struct block_disk *disk)
{
	for (unsigned i = 0; i < BLKDEVS_MAX; i++)
		if (disks[i] && disks[i]->vbd.disk == disk)
			return disks[i];
	return NULL;
}

void xen_block_resized(struct block_disk *disk)
{
	struct blkdev *d;

	store_enter();
	d = of(disk);
	if (d)
		vbd_resized(&d->vbd);
	store_leave();
}

void xen_block_remove(struct block_disk *disk)
{
	struct blkdev *d;

	store_enter();
	d = of(disk);
	if (d)
		vbd_unplug(&d->vbd);
	store_leave();
}

static void progress(struct xs_store *store)
{
	(void)store;
	for (unsigned i = 0; i < BLKDEVS_MAX; i++) {
		struct blkdev *d = disks[i];

		if (d && d->work && atomic_exchange(&d->work, false))
			vbd_progress(&d->vbd);
	}
}

void blkdev_init(void)
{
	store_worker_add(progress);
}
