/* SPDX-License-Identifier: MIT */
/* GPADLs: lists of guest pages with a name, made of one header message and as many bodies as they need. */
#include "host/vmbus/internal.h"

#include <stdlib.h>
#include <string.h>

static struct gpadl **find(struct vmbus *bus, uint32_t id)
{
	struct gpadl **at = &bus->gpadls;

	while (*at && (*at)->id != id) {
		at = &(*at)->next;
	}
	return at;
}

static void remove_at(struct vmbus *bus, struct gpadl **at)
{
	struct gpadl *gpadl = *at;

	*at = gpadl->next;
	bus->gpadl_count--;
	bus->all_frames -= gpadl->frames;
	free(gpadl->raw);
	free(gpadl);
}

static void answer(struct vmbus *bus, uint32_t channel, uint32_t id, uint32_t status)
{
	const struct vmbus_gpadl_created created = {
	    .header.number = VMBUS_GPADL_CREATED,
	    .channel = channel,
	    .gpadl = id,
	    .status = status,
	};

	bus_post(bus, &created, sizeof(created));
}

/* All of it is here: does the range make sense? Its frames are looked at when it is mapped. */
static bool finish(struct gpadl *gpadl)
{
	struct vmbus_gpa_range range;

	memcpy(&range, gpadl->raw, sizeof(range));
	gpadl->bytes = range.bytes;
	gpadl->offset = range.offset;
	return range.offset < GMEM_PAGE_SIZE && range.bytes > 0 &&
	       ((uint64_t)range.offset + range.bytes + GMEM_PAGE_SIZE - 1) / GMEM_PAGE_SIZE ==
		   gpadl->frames;
}

static void take(struct vmbus *bus, struct gpadl **at, const uint8_t *bytes, uint32_t length)
{
	struct gpadl *gpadl = *at;
	uint32_t channel = gpadl->channel, id = gpadl->id;
	uint32_t room = gpadl->wanted - gpadl->got;
	bool good;

	/* The last message may be padded. */
	length = length < room ? length : room;
	memcpy(gpadl->raw + gpadl->got, bytes, length);
	gpadl->got += length;
	if (gpadl->got < gpadl->wanted) {
		return;
	}
	good = finish(gpadl);
	if (!good) {
		remove_at(bus, at);
	}
	answer(bus, channel, id, good ? VMBUS_STATUS_SUCCESS : VMBUS_STATUS_UNSUCCESSFUL);
}

/* One range of whole frames, as every client sends it. */
static bool acceptable(const struct vmbus *bus, const struct vmbus_gpadl_header *message,
		       uint32_t *frames)
{
	uint32_t bytes = message->range_bytes;

	if (message->range_count != 1 || bytes <= sizeof(struct vmbus_gpa_range) || bytes % 8) {
		return false;
	}
	*frames = (bytes - (uint32_t)sizeof(struct vmbus_gpa_range)) / 8;
	return bus->gpadl_count < MAX_GPADLS && *frames <= MAX_ALL_FRAMES - bus->all_frames;
}

void gpadl_header(struct vmbus *bus, const struct vmbus_gpadl_header *message, uint32_t length)
{
	struct gpadl *gpadl;
	uint32_t frames;

	if (*find(bus, message->gpadl) || !acceptable(bus, message, &frames)) {
		answer(bus, message->channel, message->gpadl, VMBUS_STATUS_UNSUCCESSFUL);
		return;
	}
	gpadl = calloc(1, sizeof(*gpadl));
	if (gpadl) {
		gpadl->raw = malloc(message->range_bytes);
	}
	if (!gpadl || !gpadl->raw) {
		free(gpadl);
		answer(bus, message->channel, message->gpadl, VMBUS_STATUS_UNSUCCESSFUL);
		return;
	}
	gpadl->id = message->gpadl;
	gpadl->channel = message->channel;
	gpadl->frames = frames;
	gpadl->wanted = message->range_bytes;
	gpadl->next = bus->gpadls;
	bus->gpadls = gpadl;
	bus->gpadl_count++;
	bus->all_frames += frames;
	take(bus, &bus->gpadls, (const uint8_t *)(message + 1),
	     length - (uint32_t)sizeof(*message));
}

void gpadl_body(struct vmbus *bus, const struct vmbus_gpadl_body *message, uint32_t length)
{
	struct gpadl **at = find(bus, message->gpadl);

	if (*at && (*at)->got < (*at)->wanted) {
		take(bus, at, (const uint8_t *)(message + 1), length - (uint32_t)sizeof(*message));
	}
}

/* Always answered: what the host still maps of it stays mapped until the channel closes. */
void gpadl_teardown(struct vmbus *bus, const struct vmbus_gpadl_teardown *message)
{
	const struct vmbus_gpadl_torndown torndown = {
	    .header.number = VMBUS_GPADL_TORNDOWN,
	    .gpadl = message->gpadl,
	};
	struct gpadl **at = find(bus, message->gpadl);

	if (*at) {
		remove_at(bus, at);
	}
	bus_post(bus, &torndown, sizeof(torndown));
}

void gpadl_forget_all(struct vmbus *bus)
{
	while (bus->gpadls) {
		remove_at(bus, &bus->gpadls);
	}
}

const struct gpadl *gpadl_find(const struct vmbus *bus, uint32_t channel, uint32_t id)
{
	for (const struct gpadl *gpadl = bus->gpadls; gpadl; gpadl = gpadl->next) {
		if (gpadl->id == id && gpadl->channel == channel && gpadl->got == gpadl->wanted) {
			return gpadl;
		}
	}
	return NULL;
}

void *gpadl_map(const struct vmbus *bus, const struct gpadl *gpadl)
{
	const void *frames = gpadl->raw + sizeof(struct vmbus_gpa_range);

	return gmem_map_frames(bus->host.memory, frames, gpadl->frames);
}
