/* SPDX-License-Identifier: MIT */
/*
 * One queue of a network back end: <xen/io/netif.h>'s two rings. Packets from the guest go out of its granted pages without a
 * copy; packets to the guest are copied into the pages that it has posted.
 *
 * netback_poll(), the completion of packets and netback_receive() may run on any processors at the same time; the two rings
 * have a lock each, not held during calls out. Every request is answered; a guest that breaks the protocol so that requests
 * cannot be told apart (more slots than a packet may have, a packet that ends in mid-air) breaks its queue.
 */
#pragma once

#include "core/backq.h"
#include "core/gnttab.h"
#include "core/net.h"
#include "core/xenring.h"
#include <xen/io/ring.h>
#include <xen/io/netif.h>

struct netback_queue;

/* A packet on its way out. */
struct netback_slot {
	struct net_packet packet; /* first: a packet of ours is its slot */
	struct netback_queue *queue;
	struct netback_slot *next;
	unsigned nr_requests, nr_extras, nr_refs;
	uint16_t id[NET_SEGMENTS_MAX];
	grant_ref_t ref[NET_SEGMENTS_MAX];
};

struct netback_env {
	void (*notify_tx)(void *ctx, struct netback_queue *queue);
	void (*notify_rx)(void *ctx, struct netback_queue *queue);
	/* As blkback's. netback_receive() refuses before this is called. */
	void (*idle)(void *ctx, struct netback_queue *queue);
};

/* What the front end can take. */
struct netback_peer {
	bool sg;               /* packets of several pages */
	bool gso_v4, gso_v6;   /* packets beyond the MTU, to be segmented */
	bool csum_v4, csum_v6; /* packets whose checksum is not complete */
};

struct netback_queue {
	const struct netback_env *env;
	void *ctx;
	struct net_device *device;
	unsigned index; /* of this queue, for the device */
	struct gnttab *grants;
	struct netback_peer peer;
	struct backq q; /* the transmit side */
	struct xenring tx;
	struct netback_slot *free;
	struct lock rx_lock;
	struct xenring rx;
	bool rx_started;
	_Atomic uint8_t
	    large; /* bits 1 << NET_GSO_*: netback_receive() would take such now; anybody may look */
	uint64_t rx_dropped; /* packets that this front end could not take */
};

enum netback_received {
	NETBACK_DELIVERED,
	NETBACK_NO_ROOM, /* the guest has posted too little; it notifies when it posts more */
	NETBACK_REFUSED, /* not connected, broken, or not for this front end: drop the packet */
};

/* The queue must be zeroed before its first start. Ring pages stay acquired until it is stopped and idle. */
void netback_start(struct netback_queue *queue, const struct netback_env *env, void *ctx,
		   struct net_device *device, unsigned index, struct gnttab *grants,
		   const struct netback_peer *peer, void *tx_page, void *rx_page,
		   struct netback_slot *pool, unsigned nr_pool);
/* Takes what the guest sends. False when the queue is broken: the device should be closed. */
bool netback_poll(struct netback_queue *queue);
/* Gives a packet to the guest. GSO needs csum_blank, and a front end that takes both. */
enum netback_received netback_receive(struct netback_queue *queue,
				      const struct net_offload *offload,
				      const struct net_piece *pieces, unsigned nr_pieces);
void netback_stop(struct netback_queue *queue);
