/* SPDX-License-Identifier: MIT */
#include "core/vbd.h"
#include "core/fmt.h"
#include "core/string.h"
#include <xen/io/protocols.h>

unsigned vbd_number(unsigned index)
{
	return index < 16 ? 202 << 8 | index << 4 : 1u << 28 | index << 8;
}

static void notify(void *ctx, struct blkback_queue *queue)
{
	struct vbd_queue *vq = (struct vbd_queue *)queue;

	(void)ctx;
	evtchn_internal_notify(vq->vbd->evtchn, vq->channel);
}

static void idle(void *ctx, struct blkback_queue *queue)
{
	struct vbd *vbd = ctx;

	(void)queue;
	if (--vbd->busy == 0)
		vbd->env->work(vbd->ctx, vbd);
}

static const struct blkback_env queue_env = {notify, idle};

static void poll(struct vbd_queue *vq)
{
	struct vbd *vbd = vq->vbd;

	if (blkback_poll(&vq->queue))
		return;
	vbd->broken = true;
	vbd->env->work(vbd->ctx, vbd);
}

static void on_event(void *ctx, evtchn_port_t port)
{
	struct vbd_queue *vq = ctx;
	const struct vbd_env *env;

	if (port != EVTCHN_NO_PORT) {
		poll(vq);
		return;
	}
	vq->vbd->let_go = true;
	/* None where what was this disk's is just becoming another's. */
	env = vq->vbd->env;
	if (env)
		env->work(vq->vbd->ctx, vq->vbd);
}

static struct vbd *of(struct xenbus_device *device)
{
	return (struct vbd *)device;
}

/* The disk's properties as blkfront reads them, and the limits that it must know before it connects. */
static int offer(struct xenbus_device *bus)
{
	const struct block_disk *disk = of(bus)->disk;
	const char *kind = disk->cdrom ? "cdrom" : "disk";
	char number[16];
	int rc = xenbus_write(bus, "device-type", kind);

	fmt(number, sizeof(number), "%u", bus->id);
	rc = rc ? rc : xenbus_write_front(bus, "virtual-device", number);
	rc = rc ? rc : xenbus_write_front(bus, "device-type", kind);
	rc = rc ? rc : xenbus_write(bus, "type", "phy");
	rc = rc ? rc : xenbus_write(bus, "mode", disk->read_only ? "r" : "w");
	rc = rc ? rc : xenbus_write_uint(bus, "removable", disk->removable);
	rc = rc ? rc : xenbus_write_uint(bus, "feature-flush-cache", 1);
	rc = rc ? rc : xenbus_write_uint(bus, "feature-persistent", 0);
	rc = rc ? rc : xenbus_write_uint(bus, "feature-max-indirect-segments", BLOCK_SEGMENTS_MAX);
	rc = rc ? rc : xenbus_write_uint(bus, "max-ring-page-order", VBD_RING_ORDER_MAX);
	rc = rc ? rc : xenbus_write_uint(bus, "multi-queue-max-queues", of(bus)->max_queues);
	if (!rc && disk->discard) {
		rc = xenbus_write_uint(bus, "feature-discard", 1);
		rc = rc ? rc
			: xenbus_write_uint(bus, "discard-granularity", disk->discard_granularity);
		rc = rc ? rc : xenbus_write_uint(bus, "discard-alignment", disk->discard_alignment);
		rc = rc ? rc : xenbus_write_uint(bus, "discard-secure", 0);
	}
	return rc;
}

/* blkif.h: VDISK_CDROM, VDISK_REMOVABLE, VDISK_READONLY. */
static unsigned info(const struct block_disk *disk)
{
	return (disk->cdrom ? VDISK_CDROM : 0) | (disk->removable ? VDISK_REMOVABLE : 0) |
	       (disk->read_only ? VDISK_READONLY : 0);
}

static int describe(struct xenbus_device *bus)
{
	const struct block_disk *disk = of(bus)->disk;
	int rc = xenbus_write_uint(bus, "sectors", disk->nr_sectors);

	rc = rc ? rc : xenbus_write_uint(bus, "info", info(disk));
	rc = rc ? rc : xenbus_write_uint(bus, "sector-size", disk->sector_size);
	return rc ? rc : xenbus_write_uint(bus, "physical-sector-size", disk->physical_sector_size);
}

static int read_key(struct vbd_queue *vq, const char *key, uint64_t *value)
{
	struct vbd *vbd = vq->vbd;

	return xenbus_read_queue(&vbd->bus, vbd->nr_queues, vq - vbd->queues, key, value);
}

static int read_ring_ref(struct vbd_queue *vq, unsigned i, uint64_t *ref)
{
	char key[16];
	int rc;

	fmt(key, sizeof(key), "ring-ref%u", i);
	rc = read_key(vq, key, ref);
	return rc && i == 0 ? read_key(vq, "ring-ref", ref) : rc;
}

static void release_ring(struct vbd_queue *vq)
{
	while (vq->nr_ring_pages)
		gnttab_release(vq->vbd->grants, vq->ring_ref[--vq->nr_ring_pages], true);
}

static int acquire_ring(struct vbd_queue *vq, unsigned nr, void **pages)
{
	struct gnttab_page page;
	uint64_t ref;

	for (unsigned i = 0; i < nr; i++) {
		int rc = read_ring_ref(vq, i, &ref);

		if (rc)
			return rc;
		if (gnttab_acquire(vq->vbd->grants, 0, ref, true, &page))
			return -XEN_EINVAL;
		vq->ring_ref[vq->nr_ring_pages++] = ref;
		if (page.offset || page.len != XENRING_PAGE_SIZE)
			return -XEN_EINVAL;
		pages[i] = page.va;
	}
	return 0;
}

static int read_abi(struct xenbus_device *bus, enum blkif_abi *abi)
{
	char protocol[16];
	int n = xenbus_read_front(bus, "protocol", protocol, sizeof(protocol));

	*abi = BLKIF_ABI_X86_64;
	if (n == -XEN_ENOENT || (n == sizeof(XEN_IO_PROTO_ABI_X86_64) - 1 &&
				 !memcmp(protocol, XEN_IO_PROTO_ABI_X86_64, n)))
		return 0;
	*abi = BLKIF_ABI_X86_32;
	if (n == sizeof(XEN_IO_PROTO_ABI_X86_32) - 1 &&
	    !memcmp(protocol, XEN_IO_PROTO_ABI_X86_32, n))
		return 0;
	return -XEN_EINVAL;
}

static int connect_queue(struct vbd_queue *vq, enum blkif_abi abi, unsigned nr_pages)
{
	struct vbd *vbd = vq->vbd;
	void *pages[VBD_RING_PAGES];
	uint64_t port;
	int rc = acquire_ring(vq, nr_pages, pages);

	rc = rc ? rc : read_key(vq, "event-channel", &port);
	if (rc)
		return rc;
	blkback_start(&vq->queue, &queue_env, vbd, vbd->disk, vbd->grants, abi, pages, nr_pages,
		      vbd->slots + (vq - vbd->queues) * vbd->slots_per_queue, vbd->slots_per_queue);
	vq->started = true;
	vbd->busy++;
	vq->channel = evtchn_internal_bind(vbd->evtchn, port, on_event, vq);
	return vq->channel < 0 ? vq->channel : 0;
}

static int connect_front(struct xenbus_device *bus)
{
	struct vbd *vbd = of(bus);
	uint64_t nr_queues, order;
	enum blkif_abi abi;
	int rc = read_abi(bus, &abi);

	rc = rc ? rc
		: xenbus_read_front_optional(bus, "multi-queue-num-queues", 1, vbd->max_queues,
					     &nr_queues);
	rc = rc ? rc
		: xenbus_read_front_optional(bus, "ring-page-order", 0, VBD_RING_ORDER_MAX, &order);
	if (rc || !nr_queues)
		return -XEN_EINVAL;
	vbd->nr_queues = nr_queues;
	vbd->let_go = false;
	for (unsigned i = 0; !rc && i < nr_queues; i++)
		rc = connect_queue(&vbd->queues[i], abi, 1u << order);
	return rc ? rc : describe(bus);
}

static int connect(struct xenbus_device *bus)
{
	struct vbd *vbd = of(bus);
	int rc = connect_front(bus);

	/* What was put on a ring before its channel was bound has not been announced. */
	for (unsigned i = 0; !rc && i < vbd->nr_queues; i++)
		poll(&vbd->queues[i]);
	return rc;
}

/* All queues are idle: nothing of the guest's is in use any more. */
static void tear_down(struct vbd *vbd)
{
	for (unsigned i = 0; i < vbd->nr_queues; i++)
		release_ring(&vbd->queues[i]);
	vbd->nr_queues = 0;
}

/*
 * Linux's blkfront stops its queues, writes that it is closed, and then waits for the requests that it has: for the one that came between, too,
 * which is on no ring. An event, though nothing is new, makes it put that there. Its rings have come to their end when it closes their channels.
 */
static bool front_closed(struct xenbus_device *bus)
{
	struct vbd *vbd = of(bus);

	for (unsigned i = 0; i < vbd->nr_queues; i++)
		evtchn_internal_notify(vbd->evtchn, vbd->queues[i].channel);
	return vbd->let_go;
}

static bool disconnect(struct xenbus_device *bus)
{
	struct vbd *vbd = of(bus);

	for (unsigned i = 0; i < vbd->nr_queues; i++) {
		struct vbd_queue *vq = &vbd->queues[i];

		if (vq->channel >= 0)
			evtchn_internal_unbind(vbd->evtchn, vq->channel);
		vq->channel = -1;
		if (vq->started)
			blkback_stop(&vq->queue);
		vq->started = false;
	}
	if (vbd->busy)
		return false;
	tear_down(vbd);
	return true;
}

static void removed(struct xenbus_device *bus)
{
	of(bus)->env->removed(of(bus)->ctx, of(bus));
}

static const struct xenbus_ops ops = {.type = "vbd",
				      .offer = offer,
				      .connect = connect,
				      .front_closed = front_closed,
				      .disconnect = disconnect,
				      .removed = removed};

int vbd_add(struct vbd *vbd, const struct vbd_config *config, unsigned number)
{
	memset(vbd, 0, sizeof(*vbd));
	vbd->env = config->env;
	vbd->ctx = config->ctx;
	vbd->disk = config->disk;
	vbd->evtchn = config->evtchn;
	vbd->grants = config->grants;
	vbd->queues = config->queues;
	vbd->max_queues = config->max_queues;
	vbd->slots = config->slots;
	vbd->slots_per_queue = config->slots_per_queue;
	for (unsigned i = 0; i < config->max_queues; i++) {
		vbd->queues[i].vbd = vbd;
		vbd->queues[i].channel = -1;
	}
	return xenbus_add(&vbd->bus, &ops, config->store, config->domid, number);
}

void vbd_unplug(struct vbd *vbd)
{
	xenbus_unplug(&vbd->bus);
}

void vbd_resized(struct vbd *vbd)
{
	if (!vbd->bus.connected)
		return;
	xenbus_write_uint(&vbd->bus, "sectors", vbd->disk->nr_sectors);
	xenbus_announce(&vbd->bus);
}

void vbd_progress(struct vbd *vbd)
{
	if (vbd->broken) {
		vbd->broken = false;
		if (vbd->bus.connected)
			xenbus_fail(&vbd->bus, "the ring's indices are out of range");
	}
	if (!vbd->busy && !vbd->bus.connected) {
		tear_down(vbd);
		xenbus_stopped(&vbd->bus);
	} else if (vbd->let_go) {
		xenbus_let_go(&vbd->bus);
	}
}
