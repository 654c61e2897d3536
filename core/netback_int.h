/* SPDX-License-Identifier: MIT */
/* Inside the network back end. */
#pragma once

#include "core/netback.h"
#include "core/string.h"

#define NETBACK_PAGE  4096u
#define NETBACK_ENTRY 12 /* bytes of a transmit slot, whether request or extra information */
#define NETBACK_POST  8  /* and of a receive slot */

/* A packet's slots, copied off the ring. */
struct netback_frame {
	struct netif_tx_request request[NET_SEGMENTS_MAX];
	struct netif_extra_info gso; /* type 0 when there is none */
	bool bad_extra;
};

/* netback_tx.c. With the lock: takes one packet off the ring; NULL when there is none or no slot for it, or it broke the queue. */
struct netback_slot *netback_take(struct netback_queue *queue, struct netback_frame *frame);
/* Checks the packet and acquires its pages. False: answer it with an error. */
bool netback_prepare(struct netback_slot *slot, const struct netback_frame *frame);
/* Answers the packet and gives its slot back. */
void netback_finish(struct netback_slot *slot, int16_t status);
