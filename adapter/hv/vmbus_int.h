/* SPDX-License-Identifier: MIT */
/* What the files of the VMBus client share. */
#ifndef XENOLITH_HV_VMBUS_INT_H
#define XENOLITH_HV_VMBUS_INT_H

#include "adapter/hv/vmbus.h"

/* Channel numbers are event flags (TLFS, SynIC event flags page); 0 is no channel's. */
#define HV_CHANNEL_IDS 2048u

/* vmbus.c */
bool bus_post_message(const void *message, uint32_t length);
/* For hosts before WS2012: all channels share one event, and a page says which is meant. Null otherwise. */
extern uint32_t *bus_legacy_out;

/* By VP: the channel on which it has sent quietly or put off a flush; channels are never freed. */
extern struct hv_channel *bus_quiet[];

/* vmbus_channel.c: what the host's messages do to a channel. */
void bus_channel_shared(struct hv_channel *channel, uint32_t gpadl, bool good);
void bus_channel_opened(struct hv_channel *channel, bool good);
/* The host takes it away; or it is broken. */
void bus_channel_rescinded(struct hv_channel *channel);
void bus_channel_lost(struct hv_channel *channel);
/* Packets may have come. On the channel's VP. */
void bus_channel_look(struct hv_channel *channel);

/* vmbus_gpadl.c */
uint32_t bus_gpadl_create(uint32_t channel, const void *memory, size_t pages);
void bus_gpadl_tear_down(uint32_t channel, uint32_t gpadl);
/* The same; the device memory is given back once the host has let go of it. */
void bus_gpadl_end(uint32_t channel, uint32_t gpadl, void *memory, size_t pages);
void bus_gpadl_ended(uint32_t gpadl); /* the host says so */

#endif
