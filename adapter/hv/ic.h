/* SPDX-License-Identifier: MIT */
/*
 * The integration components: the host's integration services (abi/vmbus/ic.h) answered for the guest, which knows nothing of them. This file is
 * what they share: one pipe channel each, version negotiation, one question at a time. All on VP 0.
 *
 * Services that need an agent in the guest (volume snapshots, file copy, remote desktop …) have no driver: their channels stay unopened, which is how a
 * guest says that it lacks one. The host then takes the path that it has for such guests, a checkpoint without a freeze for one, at once,
 * where an answered failure would fail the operation.
 */
#ifndef XENOLITH_HV_IC_H
#define XENOLITH_HV_IC_H

#include "abi/vmbus/ic.h"
#include "adapter/hv/vmbus.h"

enum hv_ic_result {
	HV_IC_ANSWER, /* now, with `status` */
	HV_IC_LATER,  /* hv_ic_answer() will come; nothing else is asked until then */
	HV_IC_SILENT, /* never */
};

enum hv_ic_state { HV_IC_IDLE, HV_IC_ASKED, HV_IC_OWING };

struct hv_ic {
	struct hv_driver driver;  /* first: a channel knows its service by it */
	uint16_t message_type;    /* enum ic_type */
	const uint32_t *versions; /* of the messages, newest first; 0 ends the list */
	/*
	 * A request: `body` is a copy, and becomes the body of the answer; `length` bytes of it are the host's, the rest of
	 * `message` is zero.
	 */
	enum hv_ic_result (*ask)(struct hv_ic *ic, uint8_t *body, uint32_t length,
				 uint32_t *status);

	struct hv_channel *channel; /* NULL: none, or not open */
	uint32_t version;           /* of the messages; 0: not negotiated yet */
	enum hv_ic_state state;
	bool heard;      /* the host has asked more than for versions */
	uint32_t length; /* of `message` */
	uint64_t transaction;
	uint8_t *
	    message; /* HV_CHANNEL_PACKET_MAX bytes, 8-byte aligned; by itself, since it is not in the image's file then */
};

/* Boot, before hv_vmbus_connect(): registers the services. */
void ic_init(void);

/* The answer to what was taken as HV_IC_LATER. Ignored where nothing is owed any more. */
void hv_ic_answer(struct hv_ic *ic, uint32_t status);

extern struct hv_ic hv_ic_shutdown, hv_ic_heartbeat, hv_ic_timesync, hv_ic_kvp;

/* Boot: whether the host has a time service that has not told it yet. */
bool hv_ic_time_comes(void);

/* For struct hv_ic's `driver`. */
void hv_ic_offered(struct hv_channel *channel);
void hv_ic_opened(struct hv_channel *channel, bool good);
bool hv_ic_packet(struct hv_channel *channel, const struct vmbus_in_packet *packet);
void hv_ic_drained(struct hv_channel *channel);
void hv_ic_rescinded(struct hv_channel *channel);

#define HV_IC_MESSAGE(name) static _Alignas(8) uint8_t name[HV_CHANNEL_PACKET_MAX]

#define HV_IC_DRIVER(what, guid)          \
	.driver = {                       \
	    .name = what,                 \
	    .type = guid,                 \
	    .pipe = true,                 \
	    .offered = hv_ic_offered,     \
	    .opened = hv_ic_opened,       \
	    .packet = hv_ic_packet,       \
	    .drained = hv_ic_drained,     \
	    .rescinded = hv_ic_rescinded, \
	}

#endif
