/* SPDX-License-Identifier: MIT */
/*
 * A synthetic network adapter: NVSP on a VMBus channel, RNDIS (rndis.h) inside it, a backend (net.h) behind it.
 * Runs on the device thread.
 */
#ifndef HOST_NETVSP_H
#define HOST_NETVSP_H

#include "host/net.h"
#include "host/vmbus/vmbus.h"

struct netvsp;

/*
 * Frames so far. `large` are those of `sent` that the guest left to be cut into segments. And the messages that it has sent, whatever
 * became of what was in them.
 */
struct netvsp_counts {
	uint64_t sent, large, received, messages;
};

/*
 * Offers an adapter as instance number `index`, plugged into `backend`, which stays the caller's; up to `cpus` queues. NULL: no memory or no
 * channel.
 */
struct netvsp *netvsp_create(struct vmbus *bus, unsigned index, unsigned cpus,
			     const uint8_t address[6], struct net_backend *backend);
/* For good: the guest is told that the cable is out, what it sends goes nowhere, and the backend is no more used. */
void netvsp_unplug(struct netvsp *adapter);
/* Answers what the guest has sent, takes the offers back, and destroys it. */
void netvsp_remove(struct netvsp *adapter);
/* After vmbus_destroy(). */
void netvsp_destroy(struct netvsp *adapter);
/* Plugs the cable in or out; the guest is told. */
void netvsp_set_link(struct netvsp *adapter, bool up);
bool netvsp_link(const struct netvsp *adapter);
struct netvsp_counts netvsp_counts(const struct netvsp *adapter);

#endif
