/* SPDX-License-Identifier: MIT */
/* Messages from the guest on their way from the vCPU threads, which post them, to the device thread, which reads them. */
#ifndef HOST_VMBUS_INBOX_H
#define HOST_VMBUS_INBOX_H

#include "host/vmbus/vmbus.h"

#include <pthread.h>

#define INBOX_SIZE 256u

struct inbox_message {
	uint32_t connection;
	uint32_t length;
	uint8_t bytes[VMBUS_MESSAGE_MAX];
};

struct inbox {
	struct vmbus *bus;
	struct loop *loop;
	struct loop_watch watch;
	pthread_mutex_t lock;
	unsigned head, tail; /* free running */
	struct inbox_message message[INBOX_SIZE];
};

/* 0 or -errno. */
int inbox_init(struct inbox *inbox, struct vmbus *bus, struct loop *loop);
void inbox_destroy(struct inbox *inbox);
/* From any thread. Returns an HV_STATUS_*, as HvPostMessage gives it to the guest. */
uint16_t inbox_post(struct inbox *inbox, uint32_t connection, uint32_t type, const void *bytes,
		    uint32_t length);

#endif
