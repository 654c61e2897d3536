/* SPDX-License-Identifier: MIT */
/* The connection: version, offers, and which message goes where. */
#include "host/vmbus/internal.h"

#include "host/say.h"

#include <stdlib.h>
#include <string.h>

void bus_post(struct vmbus *bus, const void *message, uint32_t length)
{
	bus->host.post(bus->host.context, bus->message_vp, message, length);
}

struct vmbus_channel *bus_channel(struct vmbus *bus, uint32_t id)
{
	return id > 0 && id < MAX_CHANNELS && bus->channel[id].state != CHANNEL_FREE
		   ? &bus->channel[id]
		   : NULL;
}

struct vmbus *vmbus_create(const struct vmbus_host *host)
{
	struct vmbus *bus = calloc(1, sizeof(*bus));

	if (!bus) {
		return NULL;
	}
	bus->host = *host;
	for (uint32_t id = 0; id < MAX_CHANNELS; id++) {
		bus->channel[id].bus = bus;
		bus->channel[id].id = id;
		channel_free(&bus->channel[id]);
	}
	return bus;
}

/* The guest is gone, or starts over: nothing of what it set up is left. */
static void disconnect(struct vmbus *bus)
{
	bus->state = BUS_DISCONNECTED;
	for (uint32_t id = 1; id < bus->channels; id++) {
		struct vmbus_channel *channel = &bus->channel[id];

		channel_close(channel);
		if (channel->state == CHANNEL_RESCINDED) {
			channel_free(channel);
		}
	}
	gpadl_forget_all(bus);
	shared_end(bus);
	bus->version = 0;
}

void vmbus_destroy(struct vmbus *bus)
{
	if (bus) {
		disconnect(bus);
		free(bus);
	}
}

bool vmbus_threads(const struct vmbus *bus)
{
	return bus->host.threads;
}

uint32_t vmbus_version(const struct vmbus *bus)
{
	return bus->version;
}

static bool supported(uint32_t version)
{
	static const uint32_t versions[] = {
	    VMBUS_VERSION_WS2008,     VMBUS_VERSION_WIN7,       VMBUS_VERSION_WIN8,
	    VMBUS_VERSION_WIN8_1,     VMBUS_VERSION_WIN10,      VMBUS_VERSION_WIN10_V4_1,
	    VMBUS_VERSION_WIN10_V5,   VMBUS_VERSION_WIN10_V5_1, VMBUS_VERSION_WIN10_V5_2,
	    VMBUS_VERSION_WIN10_V5_3,
	};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i] == version) {
			return true;
		}
	}
	return false;
}

static void initiate_contact(struct vmbus *bus, const void *bytes, uint32_t length)
{
	const struct vmbus_initiate_contact *message = bytes;
	struct vmbus_version_response response = {.header.number = VMBUS_VERSION_RESPONSE};

	(void)length;
	disconnect(bus);
	bus->message_vp = message->target_vp < bus->host.cpus ? message->target_vp : 0;
	response.supported =
	    supported(message->version) &&
	    (message->version >= VMBUS_VERSION_WIN8 || shared_begin(bus, message->interrupt_page));
	if (response.supported) {
		bus->version = message->version;
		bus->state = BUS_CONNECTED;
		response.connection = message->version >= VMBUS_VERSION_WIN10_V5
					  ? VMBUS_CONNECTION_V5
					  : message->version;
		say_detail("the guest's VMBus speaks version %u.%u", message->version >> 16,
			   message->version & 0xffff);
	}
	bus_post(bus, &response, sizeof(response));
}

static void request_offers(struct vmbus *bus, const void *bytes, uint32_t length)
{
	const struct vmbus_header done = {.number = VMBUS_ALL_OFFERS_DELIVERED};

	(void)bytes, (void)length;
	if (bus->state != BUS_CONNECTED) {
		return;
	}
	bus->state = BUS_OFFERING;
	for (uint32_t id = 1; id < bus->channels; id++) {
		if (bus->channel[id].state == CHANNEL_OFFERED) {
			channel_send_offer(&bus->channel[id]);
		}
	}
	bus_post(bus, &done, sizeof(done));
}

static void open_channel(struct vmbus *bus, const void *bytes, uint32_t length)
{
	const struct vmbus_open *message = bytes;
	struct vmbus_channel *channel = bus_channel(bus, message->channel);
	struct vmbus_open_result result = {
	    .header.number = VMBUS_OPEN_RESULT,
	    .channel = message->channel,
	    .open_id = message->open_id,
	    .status = channel && channel_open(channel, message) ? VMBUS_STATUS_SUCCESS
								: VMBUS_STATUS_UNSUCCESSFUL,
	};

	(void)length;
	bus_post(bus, &result, sizeof(result));
}

static void close_channel(struct vmbus *bus, const void *bytes, uint32_t length)
{
	const struct vmbus_channel_message *message = bytes;
	struct vmbus_channel *channel = bus_channel(bus, message->channel);

	(void)length;
	if (channel) {
		channel_close(channel);
	}
}

static void header_of_gpadl(struct vmbus *bus, const void *bytes, uint32_t length)
{
	gpadl_header(bus, bytes, length);
}

static void body_of_gpadl(struct vmbus *bus, const void *bytes, uint32_t length)
{
	gpadl_body(bus, bytes, length);
}

static void teardown_gpadl(struct vmbus *bus, const void *bytes, uint32_t length)
{
	(void)length;
	gpadl_teardown(bus, bytes);
}

static void relid_released(struct vmbus *bus, const void *bytes, uint32_t length)
{
	const struct vmbus_channel_message *message = bytes;
	struct vmbus_channel *channel = bus_channel(bus, message->channel);

	(void)length;
	if (channel && channel->state == CHANNEL_RESCINDED) {
		channel_free(channel);
	}
}

static void unload(struct vmbus *bus, const void *bytes, uint32_t length)
{
	const struct vmbus_header response = {.number = VMBUS_UNLOAD_RESPONSE};

	(void)bytes, (void)length;
	disconnect(bus);
	bus_post(bus, &response, sizeof(response));
}

static void modify_channel(struct vmbus *bus, const void *bytes, uint32_t length)
{
	const struct vmbus_modify_channel *message = bytes;
	struct vmbus_channel *channel = bus_channel(bus, message->channel);

	(void)length;
	if (channel) {
		channel_modify(channel, message->target_vp);
	}
}

static const struct handler {
	void (*handle)(struct vmbus *bus, const void *bytes, uint32_t length);
	uint32_t least; /* bytes */
	bool connected; /* only makes sense then */
} handlers[] = {
    [VMBUS_REQUEST_OFFERS] = {request_offers, sizeof(struct vmbus_header), true},
    [VMBUS_OPEN_CHANNEL] = {open_channel, sizeof(struct vmbus_open), true},
    [VMBUS_CLOSE_CHANNEL] = {close_channel, sizeof(struct vmbus_channel_message), true},
    [VMBUS_GPADL_HEADER] = {header_of_gpadl, sizeof(struct vmbus_gpadl_header), true},
    [VMBUS_GPADL_BODY] = {body_of_gpadl, sizeof(struct vmbus_gpadl_body), true},
    [VMBUS_GPADL_TEARDOWN] = {teardown_gpadl, sizeof(struct vmbus_gpadl_teardown), true},
    [VMBUS_RELID_RELEASED] = {relid_released, sizeof(struct vmbus_channel_message), true},
    [VMBUS_INITIATE_CONTACT] = {initiate_contact, sizeof(struct vmbus_initiate_contact), false},
    [VMBUS_UNLOAD] = {unload, sizeof(struct vmbus_header), false},
    [VMBUS_MODIFY_CHANNEL] = {modify_channel, sizeof(struct vmbus_modify_channel), true},
};

void vmbus_receive(struct vmbus *bus, uint32_t connection, const void *message, uint32_t length)
{
	/* The sender may have placed it anywhere; the handlers want it aligned, and never look beyond `length`. */
	uint8_t copy[VMBUS_MESSAGE_MAX] __attribute__((aligned(8))) = {0};
	struct vmbus_header header;
	const struct handler *handler;

	if (length < sizeof(header) || length > sizeof(copy) ||
	    (connection != VMBUS_CONNECTION_CLASSIC && connection != VMBUS_CONNECTION_V5)) {
		return;
	}
	memcpy(copy, message, length);
	memcpy(&header, copy, sizeof(header));
	if (header.number >= sizeof(handlers) / sizeof(handlers[0])) {
		return;
	}
	handler = &handlers[header.number];
	if (handler->handle && length >= handler->least &&
	    (!handler->connected || bus->state != BUS_DISCONNECTED)) {
		handler->handle(bus, copy, length);
	}
}
