/* SPDX-License-Identifier: MIT */
#include "host/vmbus/inbox.h"

#include "abi/hv/hypercall.h"

#include <string.h>
#include <unistd.h>

/* Messages handled before others get their turn: a guest can post as fast as they are. */
#define BURST 16u

static bool take(struct inbox *inbox, struct inbox_message *message)
{
	bool some;

	pthread_mutex_lock(&inbox->lock);
	some = inbox->tail != inbox->head;
	if (some) {
		*message = inbox->message[inbox->tail++ % INBOX_SIZE];
	}
	pthread_mutex_unlock(&inbox->lock);
	return some;
}

static void ready(void *context, uint32_t events)
{
	struct inbox *inbox = context;
	struct inbox_message message;
	unsigned count;

	(void)events;
	event_take(inbox->watch.fd);
	for (count = 0; count < BURST && take(inbox, &message); count++) {
		vmbus_receive(inbox->bus, message.connection, message.bytes, message.length);
	}
	if (count == BURST) {
		event_signal(inbox->watch.fd);
	}
}

int inbox_init(struct inbox *inbox, struct vmbus *bus, struct loop *loop)
{
	inbox->bus = bus;
	inbox->loop = loop;
	inbox->watch = (struct loop_watch){event_create(), ready, inbox};
	pthread_mutex_init(&inbox->lock, NULL);
	return inbox->watch.fd < 0 ? inbox->watch.fd : loop_add(loop, &inbox->watch, EPOLLIN);
}

void inbox_destroy(struct inbox *inbox)
{
	if (inbox->bus) {
		loop_remove(inbox->loop, &inbox->watch);
		close(inbox->watch.fd);
		inbox->bus = NULL;
	}
}

uint16_t inbox_post(struct inbox *inbox, uint32_t connection, uint32_t type, const void *bytes,
		    uint32_t length)
{
	bool room;

	if (connection != VMBUS_CONNECTION_CLASSIC && connection != VMBUS_CONNECTION_V5) {
		return HV_STATUS_INVALID_CONNECTION_ID;
	}
	if (type != VMBUS_MESSAGE_TYPE || length > VMBUS_MESSAGE_MAX) {
		return HV_STATUS_INVALID_PARAMETER;
	}
	pthread_mutex_lock(&inbox->lock);
	room = inbox->head - inbox->tail < INBOX_SIZE;
	if (room) {
		struct inbox_message *message = &inbox->message[inbox->head++ % INBOX_SIZE];

		message->connection = connection;
		message->length = length;
		memcpy(message->bytes, bytes, length);
	}
	pthread_mutex_unlock(&inbox->lock);
	if (room) {
		event_signal(inbox->watch.fd);
	}
	return room ? HV_STATUS_SUCCESS : HV_STATUS_INSUFFICIENT_BUFFERS;
}
