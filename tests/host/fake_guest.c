/* SPDX-License-Identifier: MIT */
#include "tests/host/fake_guest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool post(void *context, unsigned vp, const void *message, uint32_t length)
{
	struct fake_guest *guest = context;
	struct fake_message *slot = &guest->message[guest->head % FAKE_MESSAGES];

	assert(vp < FAKE_CPUS && length <= VMBUS_MESSAGE_MAX);
	if (guest->head - guest->tail == FAKE_MESSAGES) {
		return false;
	}
	slot->length = length;
	memcpy(slot->bytes, message, length);
	guest->head++;
	return true;
}

static void raise_interrupt(void *context, unsigned vp, unsigned flag)
{
	struct fake_guest *guest = context;

	assert(vp < FAKE_CPUS && flag < 2048);
	for (unsigned i = 0; flag == 0 && guest->interrupts && i < 8; i++) {
		guest->taken[i] = guest->interrupts->to_guest[i];
		guest->interrupts->to_guest[i] = 0;
	}
	guest->signals++;
}

static int hook(void *context, uint32_t connection, int fd)
{
	struct fake_guest *guest = context;

	if (guest->hooks == FAKE_HOOKS) {
		return -1;
	}
	guest->hook[guest->hooks].connection = connection;
	guest->hook[guest->hooks++].fd = fd;
	return 0;
}

static void unhook(void *context, uint32_t connection)
{
	struct fake_guest *guest = context;

	for (unsigned i = 0; i < guest->hooks; i++) {
		if (guest->hook[i].connection == connection) {
			guest->hook[i] = guest->hook[--guest->hooks];
			return;
		}
	}
	assert(!"a connection that was never hooked");
}

void fake_create(struct fake_guest *guest)
{
	struct vmbus_host host = {
	    .memory = &guest->memory,
	    .loop = &guest->loop,
	    .cpus = FAKE_CPUS,
	    .post = post,
	    .signal = raise_interrupt,
	    .hook = hook,
	    .unhook = unhook,
	    .context = guest,
	    .threads = true,
	};

	memset(guest, 0, sizeof(*guest));
	if (gmem_create(&guest->memory, FAKE_MEMORY, FAKE_MEMORY_MOST) < 0 ||
	    loop_init(&guest->loop) < 0) {
		abort();
	}
	guest->next_frame = 1;
	guest->next_gpadl = 1;
	guest->bus = vmbus_create(&host);
	assert(guest->bus);
}

void fake_destroy(struct fake_guest *guest)
{
	vmbus_destroy(guest->bus);
	loop_destroy(&guest->loop);
	gmem_destroy(&guest->memory);
}

void fake_pump(struct fake_guest *guest)
{
	while (loop_turn(&guest->loop, 0)) {
	}
}

void fake_post(struct fake_guest *guest, const void *message, uint32_t length)
{
	vmbus_receive(guest->bus, VMBUS_CONNECTION_V5, message, length);
	fake_pump(guest);
}

static uint32_t number_of(const struct fake_message *message)
{
	struct vmbus_header header;

	memcpy(&header, message->bytes, sizeof(header));
	return header.number;
}

const void *fake_next(struct fake_guest *guest, enum vmbus_message_number number)
{
	while (guest->tail != guest->head) {
		const struct fake_message *message = &guest->message[guest->tail % FAKE_MESSAGES];
		uint32_t got = number_of(message);

		if (got == number) {
			guest->tail++;
			return message->bytes;
		}
		if (got != VMBUS_ALL_OFFERS_DELIVERED) {
			return NULL;
		}
		guest->tail++; /* comes after the last offer, whoever waits for what */
	}
	return NULL;
}

uint64_t fake_frames(struct fake_guest *guest, unsigned count, void **at)
{
	uint64_t frame = guest->next_frame;
	void *memory = gmem_at(&guest->memory, gpa(frame << GMEM_PAGE_SHIFT),
			       (uint64_t)count << GMEM_PAGE_SHIFT);

	assert(memory);
	guest->next_frame += count;
	if (at) {
		*at = memory;
	}
	return frame;
}

/* Frames that the header message holds beside the range, and that a body holds. */
#define IN_HEADER 26u
#define IN_BODY   28u

bool fake_gpadl(struct fake_guest *guest, uint32_t channel, uint32_t id, uint64_t frame,
		unsigned count)
{
	struct {
		struct vmbus_gpadl_header header;
		struct vmbus_gpa_range range;
		uint64_t frames[IN_HEADER];
	} __attribute__((packed)) first = {
	    .header = {.header.number = VMBUS_GPADL_HEADER,
		       .channel = channel,
		       .gpadl = id,
		       .range_bytes = (uint16_t)(sizeof(struct vmbus_gpa_range) + count * 8),
		       .range_count = 1},
	    .range = {count * GMEM_PAGE_SIZE, 0},
	};
	const struct vmbus_gpadl_created *created;
	unsigned done = 0;

	for (; done < count && done < IN_HEADER; done++) {
		first.frames[done] = frame + done;
	}
	fake_post(guest, &first, sizeof(first) - (IN_HEADER - done) * 8);
	while (done < count) {
		struct {
			struct vmbus_gpadl_body body;
			uint64_t frames[IN_BODY];
		} __attribute__((packed))
		next = {.body = {.header.number = VMBUS_GPADL_BODY, .gpadl = id}};
		unsigned i = 0;

		for (; done < count && i < IN_BODY; done++, i++) {
			next.frames[i] = frame + done;
		}
		fake_post(guest, &next, sizeof(next.body) + i * 8);
	}
	created = fake_next(guest, VMBUS_GPADL_CREATED);
	return created && created->gpadl == id && created->status == VMBUS_STATUS_SUCCESS;
}

bool fake_connect(struct fake_guest *guest, uint32_t version)
{
	struct vmbus_initiate_contact contact = {.header.number = VMBUS_INITIATE_CONTACT,
						 .version = version};
	const struct vmbus_header offers = {.number = VMBUS_REQUEST_OFFERS};
	const struct vmbus_version_response *response;

	/* The host lets go of the old page as soon as it hears of the new contact. */
	guest->interrupts = NULL;
	if (version < VMBUS_VERSION_WIN8) {
		contact.interrupt_page = fake_frames(guest, 1, (void **)&guest->interrupts)
					 << GMEM_PAGE_SHIFT;
		memset(guest->interrupts, 0, sizeof(*guest->interrupts));
	}
	guest->version = version;
	fake_post(guest, &contact, sizeof(contact));
	response = fake_next(guest, VMBUS_VERSION_RESPONSE);
	if (!response || !response->supported) {
		return false;
	}
	fake_post(guest, &offers, sizeof(offers));
	return true;
}

bool fake_offer(struct fake_guest *guest, struct vmbus_offer *offer)
{
	const struct vmbus_offer *next = fake_next(guest, VMBUS_OFFER_CHANNEL);

	if (next) {
		memcpy(offer, next, sizeof(*offer));
	}
	return next;
}

bool fake_open(struct fake_channel *channel, struct fake_guest *guest,
	       const struct vmbus_offer *offer, unsigned pages)
{
	struct vmbus_open open = {.header.number = VMBUS_OPEN_CHANNEL,
				  .channel = offer->channel,
				  .open_id = 7,
				  .host_ring_page = pages};
	const struct vmbus_open_result *result;
	uint8_t *rings;
	uint64_t frame = fake_frames(guest, 2 * pages, (void **)&rings);

	memset(rings, 0, (size_t)2 * pages * GMEM_PAGE_SIZE);
	channel->guest = guest;
	channel->offer = *offer;
	channel->gpadl = guest->next_gpadl++;
	vmbus_ring_init(&channel->out, rings, pages);
	vmbus_ring_init(&channel->in, rings + (size_t)pages * GMEM_PAGE_SIZE, pages);
	if (!fake_gpadl(guest, offer->channel, channel->gpadl, frame, 2 * pages)) {
		return false;
	}
	open.gpadl = channel->gpadl;
	fake_post(guest, &open, sizeof(open));
	result = fake_next(guest, VMBUS_OPEN_RESULT);
	return result && result->open_id == 7 && result->status == VMBUS_STATUS_SUCCESS;
}

void fake_close(struct fake_channel *channel)
{
	const struct vmbus_channel_message close = {.header.number = VMBUS_CLOSE_CHANNEL,
						    .channel = channel->offer.channel};

	fake_post(channel->guest, &close, sizeof(close));
}

void fake_signal(struct fake_channel *channel)
{
	struct fake_guest *guest = channel->guest;
	uint32_t connection = channel->offer.connection;

	if (guest->version == VMBUS_VERSION_WS2008) {
		connection = VMBUS_CONNECTION_EVENT;
		guest->interrupts->to_host[channel->offer.channel / 32] |=
		    1u << (channel->offer.channel % 32);
	}
	for (unsigned i = 0; i < guest->hooks; i++) {
		if (guest->hook[i].connection == connection) {
			event_signal(guest->hook[i].fd);
		}
	}
	fake_pump(guest);
}

bool fake_send(struct fake_channel *channel, const struct vmbus_out_packet *packet)
{
	bool signal;

	if (vmbus_ring_send(&channel->out, packet, &signal) != VMBUS_RING_OK) {
		return false;
	}
	if (signal) {
		fake_signal(channel);
	}
	return true;
}

bool fake_receive(struct fake_channel *channel, struct vmbus_in_packet *packet)
{
	enum vmbus_ring_result result =
	    vmbus_ring_receive(&channel->in, channel->buffer, sizeof(channel->buffer), packet);

	if (vmbus_ring_release(&channel->in)) {
		fake_signal(channel);
	}
	return result == VMBUS_RING_OK;
}
