/* SPDX-License-Identifier: MIT */
/* What the hosts that misbehave in tests/fuzz have in common: they do nothing by themselves, and know how to begin and to take away. */
#ifndef TESTS_LOOP_BAD_HOST_H
#define TESTS_LOOP_BAD_HOST_H

#include "adapter/hv/vmbus.h"
#include "tests/loop/client.h"

static inline void signal_host(void *context, uint32_t connection)
{
	(void)context, (void)connection;
}

static inline void turn(void *context)
{
	(void)context;
}

/* The client asks for its newest version, and gets it. */
static inline void connect_client(void)
{
	const struct vmbus_version_response response = {
	    .header.number = VMBUS_VERSION_RESPONSE, .supported = 1, .connection = 4};

	hv_vmbus_connect();
	client_message(&response, sizeof(response));
}

static inline void rescind(uint32_t id)
{
	const struct vmbus_channel_message gone = {{VMBUS_RESCIND_CHANNEL, 0}, id};

	client_message(&gone, sizeof(gone));
}

#endif
