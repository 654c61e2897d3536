/* SPDX-License-Identifier: MIT */
#include "core/vif.h"
#include "core/fmt.h"
#include "core/string.h"

enum { TX, RX };

static struct vif_queue *queue_of(struct netback_queue *queue)
{
	return (struct vif_queue *)queue;
}

static void notify_tx(void *ctx, struct netback_queue *queue)
{
	evtchn_internal_notify(((struct vif *)ctx)->evtchn, queue_of(queue)->channel[TX]);
}

static void notify_rx(void *ctx, struct netback_queue *queue)
{
	evtchn_internal_notify(((struct vif *)ctx)->evtchn, queue_of(queue)->channel[RX]);
}

static void idle(void *ctx, struct netback_queue *queue)
{
	struct vif *vif = ctx;

	(void)queue;
	if (--vif->busy == 0)
		vif->env->work(vif->ctx, vif);
}

static const struct netback_env queue_env = {notify_tx, notify_rx, idle};

static void poll(struct vif_queue *vq)
{
	struct vif *vif = vq->vif;

	if (netback_poll(&vq->queue))
		return;
	vif->broken = true;
	vif->env->work(vif->ctx, vif);
}

static void on_tx(void *ctx, evtchn_port_t port)
{
	(void)port;
	poll(ctx);
}

static void on_rx(void *ctx, evtchn_port_t port)
{
	struct vif_queue *vq = ctx;

	(void)port;
	vq->vif->env->room(vq->vif->ctx, vq->vif, vq->queue.index);
}

static void on_both(void *ctx, evtchn_port_t port)
{
	on_tx(ctx, port);
	on_rx(ctx, port);
}

static struct vif *of(struct xenbus_device *bus)
{
	return (struct vif *)bus;
}

static int offer(struct xenbus_device *bus)
{
	const struct {
		const char *name;
		unsigned value;
	} features[] = {
	    {"feature-sg", 1},
	    {"feature-gso-tcpv4", of(bus)->device->gso_v4},
	    {"feature-gso-tcpv6", of(bus)->device->gso_v6},
	    {"feature-ipv6-csum-offload", 1},
	    {"feature-rx-copy", 1},
	    {"feature-rx-flip", 0},
	    {"feature-split-event-channels", 1},
	};
	const uint8_t *m = of(bus)->device->mac;
	char mac[18];
	int rc;

	fmt(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	rc = xenbus_write(bus, "mac", mac);
	rc = rc ? rc : xenbus_write_front(bus, "mac", mac);
	fmt(mac, sizeof(mac), "%u", bus->id);
	rc = rc ? rc : xenbus_write(bus, "handle", mac);
	rc = rc ? rc : xenbus_write_front(bus, "handle", mac);
	rc = rc ? rc : xenbus_write(bus, "type", "vif");
	rc = rc ? rc : xenbus_write_uint(bus, "mtu", of(bus)->device->mtu);
	rc = rc ? rc : xenbus_write_uint(bus, "multi-queue-max-queues", of(bus)->max_queues);
	for (unsigned i = 0; !rc && i < sizeof(features) / sizeof(features[0]); i++)
		rc = xenbus_write_uint(bus, features[i].name, features[i].value);
	return rc ? rc : xenbus_write(bus, "hotplug-status", "connected");
}

static bool feature(struct xenbus_device *bus, const char *name)
{
	uint64_t value;

	return !xenbus_read_front_optional(bus, name, 0, UINT32_MAX, &value) && value;
}

static struct netback_peer read_peer(struct xenbus_device *bus)
{
	return (struct netback_peer){
	    .sg = feature(bus, "feature-sg"),
	    .gso_v4 = feature(bus, "feature-gso-tcpv4"),
	    .gso_v6 = feature(bus, "feature-gso-tcpv6"),
	    .csum_v4 = !feature(bus, "feature-no-csum-offload"),
	    .csum_v6 = feature(bus, "feature-ipv6-csum-offload"),
	};
}

static int read_key(struct vif_queue *vq, const char *key, uint64_t *value)
{
	struct vif *vif = vq->vif;

	return xenbus_read_queue(&vif->bus, vif->nr_queues, vq - vif->queues, key, value);
}

static void release_rings(struct vif_queue *vq)
{
	while (vq->nr_rings)
		gnttab_release(vq->vif->grants, vq->ring_ref[--vq->nr_rings], true);
}

static int acquire_ring(struct vif_queue *vq, const char *key, void **va)
{
	struct gnttab_page page;
	uint64_t ref;
	int rc = read_key(vq, key, &ref);

	if (rc)
		return rc;
	if (gnttab_acquire(vq->vif->grants, 0, ref, true, &page))
		return -XEN_EINVAL;
	vq->ring_ref[vq->nr_rings++] = ref;
	*va = page.va;
	return page.offset || page.len != XENRING_PAGE_SIZE ? -XEN_EINVAL : 0;
}

/* One channel for both rings, or one each. */
static int bind_channels(struct vif_queue *vq)
{
	struct evtchn *evtchn = vq->vif->evtchn;
	uint64_t tx, rx;
	int rc = read_key(vq, "event-channel-tx", &tx);

	if (rc == -XEN_ENOENT) {
		rc = read_key(vq, "event-channel", &tx);
		if (rc)
			return rc;
		vq->channel[TX] = vq->channel[RX] = evtchn_internal_bind(evtchn, tx, on_both, vq);
		return vq->channel[TX] < 0 ? vq->channel[TX] : 0;
	}
	rc = rc ? rc : read_key(vq, "event-channel-rx", &rx);
	if (rc)
		return rc;
	vq->channel[TX] = evtchn_internal_bind(evtchn, tx, on_tx, vq);
	vq->channel[RX] = evtchn_internal_bind(evtchn, rx, on_rx, vq);
	return vq->channel[TX] < 0 || vq->channel[RX] < 0 ? -XEN_EINVAL : 0;
}

static int connect_queue(struct vif_queue *vq, const struct netback_peer *peer)
{
	struct vif *vif = vq->vif;
	unsigned index = vq - vif->queues;
	void *tx, *rx;
	int rc = acquire_ring(vq, "tx-ring-ref", &tx);

	rc = rc ? rc : acquire_ring(vq, "rx-ring-ref", &rx);
	if (rc)
		return rc;
	netback_start(&vq->queue, &queue_env, vif, vif->device, index, vif->grants, peer, tx, rx,
		      vif->slots + index * vif->slots_per_queue, vif->slots_per_queue);
	vq->started = true;
	vif->busy++;
	return bind_channels(vq);
}

static int connect(struct xenbus_device *bus)
{
	struct vif *vif = of(bus);
	struct netback_peer peer = read_peer(bus);
	uint64_t nr_queues;
	int rc = xenbus_read_front_optional(bus, "multi-queue-num-queues", 1, vif->max_queues,
					    &nr_queues);

	/* The only way to receive that we have; every front end since 2007 asks for it. */
	if (rc || !nr_queues || !feature(bus, "request-rx-copy"))
		return -XEN_EINVAL;
	vif->nr_queues = nr_queues;
	for (unsigned i = 0; !rc && i < nr_queues; i++)
		rc = connect_queue(&vif->queues[i], &peer);
	/* What was put on a ring before its channel was bound has not been announced. */
	for (unsigned i = 0; !rc && i < nr_queues; i++)
		poll(&vif->queues[i]);
	return rc;
}

static void unbind_channels(struct vif_queue *vq)
{
	if (vq->channel[RX] >= 0 && vq->channel[RX] != vq->channel[TX])
		evtchn_internal_unbind(vq->vif->evtchn, vq->channel[RX]);
	if (vq->channel[TX] >= 0)
		evtchn_internal_unbind(vq->vif->evtchn, vq->channel[TX]);
	vq->channel[TX] = vq->channel[RX] = -1;
}

/* All queues are idle: nothing of the guest's is in use any more. */
static void tear_down(struct vif *vif)
{
	for (unsigned i = 0; i < vif->nr_queues; i++)
		release_rings(&vif->queues[i]);
	vif->nr_queues = 0;
}

static bool disconnect(struct xenbus_device *bus)
{
	struct vif *vif = of(bus);

	for (unsigned i = 0; i < vif->nr_queues; i++) {
		struct vif_queue *vq = &vif->queues[i];

		unbind_channels(vq);
		if (vq->started)
			netback_stop(&vq->queue);
		vq->started = false;
	}
	if (vif->busy)
		return false;
	tear_down(vif);
	return true;
}

static void removed(struct xenbus_device *bus)
{
	of(bus)->env->removed(of(bus)->ctx, of(bus));
}

static const struct xenbus_ops ops = {.type = "vif",
				      .offer = offer,
				      .connect = connect,
				      .disconnect = disconnect,
				      .removed = removed};

int vif_add(struct vif *vif, const struct vif_config *config, unsigned number)
{
	/* A late callback for an earlier interface in the same memory may be about to use what follows: none of it is NULL in between. */
	memset(&vif->bus, 0, sizeof(vif->bus));
	vif->env = config->env;
	vif->ctx = config->ctx;
	vif->device = config->device;
	vif->evtchn = config->evtchn;
	vif->grants = config->grants;
	vif->queues = config->queues;
	vif->max_queues = config->max_queues;
	vif->nr_queues = 0;
	vif->slots = config->slots;
	vif->slots_per_queue = config->slots_per_queue;
	vif->busy = 0;
	vif->broken = false;
	for (unsigned i = 0; i < config->max_queues; i++) {
		vif->queues[i].vif = vif;
		vif->queues[i].channel[TX] = vif->queues[i].channel[RX] = -1;
	}
	return xenbus_add(&vif->bus, &ops, config->store, config->domid, number);
}

void vif_link(struct vif *vif, bool up)
{
	xenbus_write_front(&vif->bus, "disconnect", up ? "0" : "1");
	if (up && vif->bus.connected)
		xenbus_announce(&vif->bus);
}

void vif_unplug(struct vif *vif)
{
	xenbus_unplug(&vif->bus);
}

void vif_progress(struct vif *vif)
{
	if (vif->broken) {
		vif->broken = false;
		if (vif->bus.connected)
			xenbus_fail(&vif->bus, "a packet on the ring makes no sense");
	}
	if (!vif->busy && !vif->bus.connected) {
		tear_down(vif);
		xenbus_stopped(&vif->bus);
	}
}
