/* SPDX-License-Identifier: MIT */
/*
 * Integration services: one pipe channel each, on which the host asks and the guest answers. This file is what they share:
 * offer, version negotiation, one question at a time. Runs on the device thread.
 */
#ifndef HOST_IC_IC_H
#define HOST_IC_IC_H

#include "abi/vmbus/ic.h"
#include "host/vmbus/vmbus.h"

#define IC_MAX_VERSIONS 4u
#define IC_MAX_BODY     2580u /* the largest question: KVP */

struct ic;

struct ic_service {
	const char *name;
	struct vmbus_guid type, instance;
	uint16_t message_type; /* enum ic_type */
	/* Message versions, best first; 0 ends the list. */
	uint32_t versions[IC_MAX_VERSIONS + 1];
	/* May be NULL: the guest speaks one of the versions now. */
	void (*ready)(struct ic *ic);
	/* The answer to ic_ask(), as long as the question at least. */
	void (*answer)(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t length);
	/* May be NULL: once a second while ready and not waiting for an answer. */
	void (*tick)(struct ic *ic);
	bool insists; /* the second is over: no answer is waited for any longer */
};

enum ic_state { IC_CLOSED, IC_NEGOTIATING, IC_READY, IC_WAITING };

struct ic {
	const struct ic_service *service;
	struct vmbus_channel *channel;
	enum ic_state state;
	uint32_t framework_version, message_version;
	uint8_t transaction;
	uint32_t asked; /* length of the question */
};

/* Offers the service. 0, or -1 where there is no channel left. */
int ic_offer(struct ic *ic, const struct ic_service *service, struct vmbus *bus);
/* Asks; the service's answer() hears the reply. False where the guest is not ready or still owes one. */
bool ic_ask(struct ic *ic, const void *body, uint32_t length);
void ic_tick(struct ic *ic);

#endif
