/* SPDX-License-Identifier: MIT */
#include "host/ic/services.h"

static void ask(struct ic *ic)
{
	struct ic_heartbeat_service *service = (struct ic_heartbeat_service *)ic;
	const struct ic_heartbeat question = {.sequence = service->sequence};

	ic_ask(ic, &question, sizeof(question));
}

static void answer(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t length)
{
	struct ic_heartbeat_service *service = (struct ic_heartbeat_service *)ic;
	struct timespec now;

	(void)status, (void)body, (void)length;
	clock_gettime(CLOCK_MONOTONIC, &now);
	service->sequence += 2; /* the guest answered with the number in between */
	service->last = now.tv_sec;
}

const struct ic_service ic_heartbeat_ops = {
    .name = "heartbeat",
    .type = IC_HEARTBEAT_TYPE,
    .instance = IC_HEARTBEAT_INSTANCE,
    .message_type = IC_HEARTBEAT,
    .versions = {IC_VERSION(3, 0), IC_VERSION(1, 0)},
    .ready = ask,
    .answer = answer,
    .tick = ask,
    .insists = true, /* a guest that has stopped for a while is asked again */
};
