/* SPDX-License-Identifier: MIT */
/* The life of a network queue, and its answers to what the guest sent. */
#include "core/netback_int.h"

_Static_assert(sizeof(struct netif_tx_request) == NETBACK_ENTRY &&
		   sizeof(struct netif_tx_response) == 4,
	       "netif.h");
_Static_assert(offsetof(struct netif_tx_request, size) == 10, "netif.h");
_Static_assert(sizeof(struct netif_extra_info) == 8, "netif.h");
_Static_assert(sizeof(struct netif_rx_request) == NETBACK_POST &&
		   sizeof(struct netif_rx_response) == NETBACK_POST,
	       "netif.h");

static void transmitted(struct net_packet *packet, enum net_status status)
{
	static const int16_t answers[] = {
	    [NET_OK] = NETIF_RSP_OKAY,
	    [NET_ERROR] = NETIF_RSP_ERROR,
	    [NET_DROPPED] = NETIF_RSP_DROPPED,
	};

	netback_finish((struct netback_slot *)packet, answers[status]);
}

static uint8_t takes_large(const struct netback_peer *peer)
{
	return peer->sg ? (peer->gso_v4 && peer->csum_v4 ? 1 << NET_GSO_TCPV4 : 0) |
			      (peer->gso_v6 && peer->csum_v6 ? 1 << NET_GSO_TCPV6 : 0)
			: 0;
}

void netback_start(struct netback_queue *queue, const struct netback_env *env, void *ctx,
		   struct net_device *device, unsigned index, struct gnttab *grants,
		   const struct netback_peer *peer, void *tx_page, void *rx_page,
		   struct netback_slot *pool, unsigned nr_pool)
{
	/* A late notification for an earlier connection may still find its way here. */
	lock_take(&queue->q.lock);
	lock_take(&queue->rx_lock);
	queue->env = env;
	queue->ctx = ctx;
	queue->device = device;
	queue->index = index;
	queue->grants = grants;
	queue->peer = *peer;
	queue->free = NULL;
	queue->rx_dropped = 0;
	backq_reset(&queue->q);
	device->transmitted = transmitted;
	xenring_attach(&queue->tx, &tx_page, 1, sizeof(struct netif_tx_request));
	xenring_attach(&queue->rx, &rx_page, 1, sizeof(struct netif_rx_request));
	for (unsigned i = 0; i < nr_pool; i++) {
		pool[i].queue = queue;
		pool[i].next = queue->free;
		queue->free = &pool[i];
	}
	queue->rx_started = true;
	atomic_store_explicit(&queue->large, takes_large(peer), memory_order_relaxed);
	lock_drop(&queue->rx_lock);
	lock_drop(&queue->q.lock);
}

/* With the lock: one response for each slot that the packet took on the ring. */
static void put_responses(struct netback_queue *queue, const struct netback_slot *slot,
			  int16_t status)
{
	struct netif_tx_response response = {.status = status}, none = {.status = NETIF_RSP_NULL};

	for (unsigned i = 0; i < slot->nr_requests; i++) {
		response.id = slot->id[i];
		xenring_put_short(&queue->tx, &response, sizeof(response), NETBACK_ENTRY);
		for (unsigned j = 0; i == 0 && j < slot->nr_extras; j++)
			xenring_put_short(&queue->tx, &none, sizeof(none), NETBACK_ENTRY);
	}
}

void netback_finish(struct netback_slot *slot, int16_t status)
{
	struct netback_queue *queue = slot->queue;
	bool notify, idle, resumes;

	gnttab_release_all(queue->grants, slot->ref, slot->nr_refs, false);
	slot->nr_refs = 0;
	lock_take(&queue->q.lock);
	put_responses(queue, slot, status);
	notify = xenring_push(&queue->tx);
	resumes = backq_resumes(&queue->q, !queue->free);
	slot->next = queue->free;
	queue->free = slot;
	queue->q.in_flight--;
	idle = backq_becomes_idle(&queue->q);
	lock_drop(&queue->q.lock);
	if (notify)
		queue->env->notify_tx(queue->ctx, queue);
	if (idle)
		queue->env->idle(queue->ctx, queue);
	else if (resumes)
		netback_poll(queue);
}

/* The next packet's slot; without one the polling has ended, and *idle says whether that was the last of a stopped queue. */
static struct netback_slot *next(struct netback_queue *queue, struct netback_frame *frame,
				 bool submitted, bool *idle)
{
	struct netback_slot *slot;

	lock_take(&queue->q.lock);
	do {
		queue->q.again = false;
		slot = backq_rests(&queue->q) ? NULL : netback_take(queue, frame);
	} while (!slot && queue->q.again && !queue->q.resume);
	*idle = backq_next(&queue->q, slot, submitted);
	lock_drop(&queue->q.lock);
	return slot;
}

bool netback_poll(struct netback_queue *queue)
{
	struct netback_frame frame;
	struct netback_slot *slot;
	bool submitted = false, idle = false, good;

	if (!backq_enter(&queue->q))
		return true;
	while ((slot = next(queue, &frame, submitted, &idle))) {
		struct net_device *device = queue->device;

		if (netback_prepare(slot, &frame)) {
			device->ops->transmit(device, queue->index, &slot->packet);
			submitted = true;
		} else {
			netback_finish(slot, NETIF_RSP_ERROR);
		}
	}
	good = !queue->q.broken;
	if (submitted) {
		if (queue->device->ops->commit)
			queue->device->ops->commit(queue->device, queue->index);
		idle = backq_committed(&queue->q);
	}
	if (idle)
		queue->env->idle(queue->ctx, queue);
	return good;
}

void netback_stop(struct netback_queue *queue)
{
	lock_take(&queue->rx_lock);
	queue->rx_started = false;
	atomic_store_explicit(&queue->large, 0, memory_order_relaxed);
	lock_drop(&queue->rx_lock);
	if (backq_stop(&queue->q))
		queue->env->idle(queue->ctx, queue);
}
