/* SPDX-License-Identifier: MIT */
#include "host/ic/ic.h"

#include "host/say.h"

#include <string.h>

static const uint32_t frameworks[] = {IC_VERSION(3, 0), IC_VERSION(1, 0)};
#define FRAMEWORKS (sizeof(frameworks) / sizeof(frameworks[0]))

static bool send(struct ic *ic, uint16_t type, const void *body, uint32_t length)
{
	struct {
		struct vmbus_pipe_header pipe;
		struct ic_header header;
	} __attribute__((packed)) head = {
	    .pipe = {VMBUS_PIPE_DATA, (uint32_t)sizeof(head.header) + length},
	    .header = {.framework_version = ic->framework_version,
		       .type = type,
		       .message_version = ic->message_version,
		       .size = (uint16_t)length,
		       .transaction = ++ic->transaction,
		       .flags = IC_FLAG_TRANSACTION | IC_FLAG_REQUEST},
	};
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .payload = {{&head, sizeof(head)}, {body, length}},
	};

	ic->asked = length;
	return vmbus_send(ic->channel, &packet);
}

static void negotiate(struct ic *ic)
{
	struct {
		struct ic_negotiate head;
		uint32_t version[FRAMEWORKS + IC_MAX_VERSIONS];
	} __attribute__((packed)) body = {.head.framework_count = FRAMEWORKS};
	uint32_t count = 0;

	ic->framework_version = frameworks[0];
	ic->message_version = 0;
	while (count < FRAMEWORKS) {
		body.version[count] = frameworks[count];
		count++;
	}
	for (const uint32_t *version = ic->service->versions; *version; version++) {
		body.version[count++] = *version;
		body.head.message_count++;
	}
	ic->state = IC_NEGOTIATING;
	send(ic, IC_NEGOTIATE, &body, (uint32_t)sizeof(body.head) + count * 4);
}

/* One version of each kind, or none where the guest knows none of ours. */
static void negotiated(struct ic *ic, const uint8_t *body, uint32_t length)
{
	struct {
		struct ic_negotiate head;
		uint32_t framework, message;
	} __attribute__((packed)) reply;

	if (length < sizeof(reply)) {
		return;
	}
	memcpy(&reply, body, sizeof(reply));
	if (reply.head.framework_count != 1 || reply.head.message_count != 1) {
		say_detail("%s: the guest speaks none of its versions", ic->service->name);
		return;
	}
	ic->framework_version = reply.framework;
	ic->message_version = reply.message;
	ic->state = IC_READY;
	say_detail("%s: version %u.%u", ic->service->name, reply.message & 0xffff,
		   reply.message >> 16);
	if (ic->service->ready) {
		ic->service->ready(ic);
	}
}

static void answered(struct ic *ic, const struct ic_header *header, const uint8_t *body,
		     uint32_t length)
{
	if (header->transaction != ic->transaction || !(header->flags & IC_FLAG_RESPONSE)) {
		return;
	}
	if (ic->state == IC_NEGOTIATING && header->type == IC_NEGOTIATE) {
		negotiated(ic, body, length);
	} else if (ic->state == IC_WAITING && header->type == ic->service->message_type &&
		   length >= ic->asked) {
		ic->state = IC_READY;
		ic->service->answer(ic, header->status, body, length);
	}
}

static bool on_packet(void *device, struct vmbus_channel *channel, const struct vmbus_in_packet *in)
{
	struct vmbus_pipe_header pipe;
	struct ic_header header;
	uint32_t length = in->payload_length;

	(void)channel;
	if (in->type != VMBUS_PACKET_IN_BAND || length < sizeof(pipe) + sizeof(header)) {
		return true; /* nothing that an answer could be owed to */
	}
	memcpy(&pipe, in->payload, sizeof(pipe));
	memcpy(&header, in->payload + sizeof(pipe), sizeof(header));
	length -= (uint32_t)sizeof(pipe);
	length = pipe.bytes < length ? pipe.bytes : length;
	if (length >= sizeof(header)) {
		answered(device, &header, in->payload + sizeof(pipe) + sizeof(header),
			 length - (uint32_t)sizeof(header));
	}
	return true;
}

static bool on_open(void *device, struct vmbus_channel *channel)
{
	struct ic *ic = device;

	ic->channel = channel;
	negotiate(ic);
	return true;
}

static void on_close(void *device, struct vmbus_channel *channel)
{
	struct ic *ic = device;

	(void)channel;
	ic->state = IC_CLOSED;
}

static const struct vmbus_device_ops ops = {
    .open = on_open, .close = on_close, .packet = on_packet};

int ic_offer(struct ic *ic, const struct ic_service *service, struct vmbus *bus)
{
	const struct vmbus_offering offering = {
	    .type = service->type,
	    .instance = service->instance,
	    .pipe = true,
	    .ops = &ops,
	    .device = ic,
	};

	ic->service = service;
	ic->channel = vmbus_offer(bus, &offering);
	return ic->channel ? 0 : -1;
}

bool ic_ask(struct ic *ic, const void *body, uint32_t length)
{
	if (ic->state != IC_READY || !send(ic, ic->service->message_type, body, length)) {
		return false;
	}
	ic->state = IC_WAITING;
	return true;
}

void ic_tick(struct ic *ic)
{
	if (vmbus_congested(ic->channel)) {
		return; /* it has not read what it was asked long ago */
	}
	if (ic->state == IC_WAITING && ic->service->insists) {
		ic->state = IC_READY;
	}
	if (ic->state == IC_READY && ic->service->tick) {
		ic->service->tick(ic);
	}
}
