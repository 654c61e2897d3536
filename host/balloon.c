/* SPDX-License-Identifier: MIT */
#include "host/balloon.h"

#include "host/say.h"

#include <stdlib.h>
#include <string.h>

/* Pages asked for at once, and ranges given back at once: the guest's buffer for a message is one page. */
#define INFLATE_MOST 65536u
#define RANGES_MOST  256u
#define MIB_PAGES    256ull

static uint64_t have(const struct balloon *balloon)
{
	return balloon->memory->size / GMEM_PAGE_SIZE + balloon->added - balloon->taken;
}

uint64_t balloon_assigned(const struct balloon *balloon)
{
	return have(balloon) * GMEM_PAGE_SIZE;
}

static bool send(struct balloon *balloon, uint16_t type, const void *body, uint32_t length,
		 const void *rest, uint32_t rest_length)
{
	struct {
		struct balloon_header header;
		uint8_t body[sizeof(struct balloon_deflate)];
	} message = {.header = {.type = type,
				.size = (uint16_t)(sizeof(message.header) + length + rest_length),
				.transaction = ++balloon->transaction}};
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .payload = {{&message, (uint32_t)sizeof(message.header) + length}, {rest, rest_length}},
	};

	memcpy(message.body, body, length);
	return vmbus_send(balloon->channel, &packet);
}

/* ---- which pages are taken ---- */

static bool is_taken(const struct balloon *balloon, uint64_t index)
{
	return balloon->map[index / 64] >> (index % 64) & 1;
}

static void flip(struct balloon *balloon, uint64_t index)
{
	balloon->map[index / 64] ^= 1ull << (index % 64);
}

/*
 * One range of the guest's, as far as it is RAM and within the `left` pages that an answer may name, taken before or not. The pages' contents are
 * gone.
 */
static void take_range(struct balloon *balloon, uint64_t range, uint64_t *left, uint64_t *got)
{
	uint64_t first = BALLOON_RANGE_FIRST(range), count = BALLOON_RANGE_COUNT(range);
	uint64_t index, begin;

	if (count > *left) {
		count = *left;
	}
	*left -= count;
	if (!count || !gmem_index(balloon->memory, first, count, &index)) {
		return;
	}
	for (uint64_t end = index + count; index < end;) {
		for (; index < end && is_taken(balloon, index); index++) {
		}
		for (begin = index; index < end && !is_taken(balloon, index); index++) {
			flip(balloon, index);
		}
		gmem_discard(balloon->memory, begin, index - begin);
		*got += index - begin;
		balloon->taken += index - begin;
	}
}

/* Fills `range` with pages to give back, at most `most` of them. Returns how many ranges. */
static uint32_t give_ranges(struct balloon *balloon, uint64_t *range, uint64_t most)
{
	uint64_t pages = balloon->memory->most / GMEM_PAGE_SIZE, index = 0;
	uint32_t count = 0;

	while (count < RANGES_MOST && most) {
		uint64_t begin, length = 0;

		while (index < pages && !is_taken(balloon, index)) {
			index += balloon->map[index / 64] || index % 64 ? 1 : 64;
		}
		if (index >= pages) {
			break;
		}
		begin = gmem_frame(balloon->memory, index);
		for (; index < pages && length < most && length < BALLOON_RANGE_MOST &&
		       is_taken(balloon, index) &&
		       gmem_frame(balloon->memory, index) == begin + length;
		     index++, length++) {
			flip(balloon, index);
		}
		range[count++] = BALLOON_RANGE(begin, length);
		balloon->taken -= length;
		most -= length;
	}
	return count;
}

/* ---- steps towards the target ---- */

static bool inflate(struct balloon *balloon, uint64_t pages)
{
	struct balloon_inflate message = {.pages = pages < INFLATE_MOST ? (uint32_t)pages
									: INFLATE_MOST};

	balloon->asked = message.pages;
	balloon->state = BALLOON_INFLATING;
	return send(balloon, BALLOON_INFLATE, &message, sizeof(message), NULL, 0);
}

static bool deflate(struct balloon *balloon, uint64_t pages)
{
	uint64_t range[RANGES_MOST];
	struct balloon_deflate message = {.ranges = give_ranges(balloon, range, pages)};

	balloon->state = BALLOON_DEFLATING;
	return send(balloon, BALLOON_DEFLATE, &message, sizeof(message), range,
		    message.ranges * (uint32_t)sizeof(range[0]));
}

/* In units that the guest can add. What does not fit any more is left out. */
static bool hot_add(struct balloon *balloon, uint64_t pages)
{
	uint64_t unit = MIB_PAGES << BALLOON_ALIGNMENT_LOG2(balloon->flags);
	struct balloon_hot_add message;
	struct gmem_range range;

	pages = (pages + unit - 1) / unit * unit;
	while (pages &&
	       !gmem_add(balloon->memory, pages * GMEM_PAGE_SIZE, unit * GMEM_PAGE_SIZE, &range)) {
		pages -= unit;
	}
	if (!pages || !balloon->add(balloon->context, range)) {
		return false;
	}
	message.range = BALLOON_RANGE(range.start / GMEM_PAGE_SIZE, pages);
	balloon->asked = pages;
	balloon->state = BALLOON_ADDING;
	return send(balloon, BALLOON_HOT_ADD, &message, sizeof(message), NULL, 0);
}

static void step(struct balloon *balloon)
{
	uint64_t now = have(balloon);

	if (!balloon->ready || balloon->state != BALLOON_IDLE || balloon->tired) {
		return;
	}
	if (balloon->target < now && (balloon->flags & BALLOON_CAN_INFLATE)) {
		inflate(balloon, now - balloon->target);
	} else if (balloon->target > now && balloon->taken) {
		deflate(balloon, balloon->target - now);
	} else if (balloon->target > now && (balloon->flags & BALLOON_CAN_HOT_ADD) &&
		   !hot_add(balloon, balloon->target - now)) {
		balloon->target = now;
	}
}

static void finish_step(struct balloon *balloon, bool progress)
{
	balloon->state = BALLOON_IDLE;
	balloon->tired = !progress;
	step(balloon);
}

bool balloon_set_target(struct balloon *balloon, uint64_t bytes)
{
	if (!balloon->ready) {
		return false;
	}
	balloon->target = bytes / GMEM_PAGE_SIZE;
	balloon->tired = false;
	step(balloon);
	return true;
}

/* ---- what the guest says ---- */

static void on_version(struct balloon *balloon, const uint8_t *body)
{
	static const uint32_t versions[] = {BALLOON_VERSION_WIN7, BALLOON_VERSION_WIN8,
					    BALLOON_VERSION_WIN10};
	struct balloon_version_request request;
	struct balloon_accept answer = {0};

	memcpy(&request, body, sizeof(request));
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		answer.accepted |= request.version == versions[i];
	}
	balloon->version = answer.accepted ? request.version : 0;
	send(balloon, BALLOON_VERSION_RESPONSE, &answer, sizeof(answer), NULL, 0);
}

static void on_capabilities(struct balloon *balloon, const uint8_t *body)
{
	struct balloon_capabilities capabilities;
	const struct balloon_accept answer = {.accepted = balloon->version != 0};

	memcpy(&capabilities, body, sizeof(capabilities));
	balloon->flags = capabilities.flags;
	balloon->ready = balloon->version != 0;
	send(balloon, BALLOON_CAPABILITIES_RESPONSE, &answer, sizeof(answer), NULL, 0);
	say_detail("dynamic memory: version %u.%u, capabilities %#llx", balloon->version >> 16,
		   balloon->version & 0xffff, (unsigned long long)balloon->flags);
}

static void on_status(struct balloon *balloon, const uint8_t *body)
{
	memcpy(&balloon->status, body, sizeof(balloon->status));
	balloon->tired = false;
	step(balloon);
}

static void on_inflated(struct balloon *balloon, const uint8_t *body, uint32_t length)
{
	struct balloon_inflate_response response;
	uint32_t count;
	uint64_t left = balloon->asked, got = 0;

	memcpy(&response, body, sizeof(response));
	count = response.count_and_more >> 1;
	body += sizeof(response);
	length = (length - (uint32_t)sizeof(response)) / 8;
	for (uint32_t i = 0; i < count && i < length; i++) {
		uint64_t range;

		memcpy(&range, body + i * sizeof(range), sizeof(range));
		take_range(balloon, range, &left, &got);
	}
	balloon->asked -= got;
	if (!(response.count_and_more & 1) || !balloon->asked) {
		finish_step(balloon, got);
	}
}

static void on_added(struct balloon *balloon, const uint8_t *body)
{
	struct balloon_hot_add_response response;

	memcpy(&response, body, sizeof(response));
	if (response.result && response.pages <= balloon->asked) {
		balloon->added += response.pages;
	}
	finish_step(balloon, response.result && response.pages);
}

static const struct handler {
	bool known;
	uint32_t least; /* bytes of the body */
	bool any_time;
	enum balloon_state state; /* else: answers belong to a question */
} handlers[] = {
    [BALLOON_VERSION_REQUEST] = {true, sizeof(struct balloon_version_request), true, BALLOON_IDLE},
    [BALLOON_CAPABILITIES] = {true, sizeof(struct balloon_capabilities), true, BALLOON_IDLE},
    [BALLOON_STATUS] = {true, sizeof(struct balloon_status), true, BALLOON_IDLE},
    [BALLOON_INFLATE_RESPONSE] = {true, sizeof(struct balloon_inflate_response), false,
				  BALLOON_INFLATING},
    [BALLOON_DEFLATE_RESPONSE] = {true, 0, false, BALLOON_DEFLATING},
    [BALLOON_HOT_ADD_RESPONSE] = {true, sizeof(struct balloon_hot_add_response), false,
				  BALLOON_ADDING},
};

static bool expected(const struct balloon *balloon, uint16_t type, uint32_t length)
{
	const struct handler *handler;

	if (type >= sizeof(handlers) / sizeof(handlers[0]) || !handlers[type].known) {
		return false;
	}
	handler = &handlers[type];
	return length >= handler->least &&
	       (handler->any_time || (balloon->ready && balloon->state == handler->state));
}

static bool on_packet(void *device, struct vmbus_channel *channel, const struct vmbus_in_packet *in)
{
	struct balloon *balloon = device;
	struct balloon_header header;
	const uint8_t *body = in->payload + sizeof(header);
	uint32_t length = in->payload_length - (uint32_t)sizeof(header);

	(void)channel;
	if (in->type != VMBUS_PACKET_IN_BAND || in->payload_length < sizeof(header)) {
		return true; /* nothing that an answer could be owed to */
	}
	memcpy(&header, in->payload, sizeof(header));
	if (!expected(balloon, header.type, length)) {
		return true;
	}
	switch (header.type) {
	case BALLOON_VERSION_REQUEST: on_version(balloon, body); break;
	case BALLOON_CAPABILITIES: on_capabilities(balloon, body); break;
	case BALLOON_STATUS: on_status(balloon, body); break;
	case BALLOON_INFLATE_RESPONSE: on_inflated(balloon, body, length); break;
	case BALLOON_DEFLATE_RESPONSE: finish_step(balloon, true); break;
	case BALLOON_HOT_ADD_RESPONSE: on_added(balloon, body); break;
	default: break;
	}
	return true;
}

/* Taken pages are the guest's again: it starts over, and they come back as zeros when it touches them. */
static void start_over(struct balloon *balloon)
{
	balloon->version = 0;
	balloon->ready = false;
	balloon->state = BALLOON_IDLE;
	if (balloon->taken) {
		memset(balloon->map, 0, balloon->memory->most / GMEM_PAGE_SIZE / 64 * 8 + 8);
	}
	balloon->taken = 0;
	balloon->target = have(balloon);
	balloon->status = (struct balloon_status){0};
}

static bool on_open(void *device, struct vmbus_channel *channel)
{
	(void)channel;
	start_over(device);
	return true;
}

static void on_close(void *device, struct vmbus_channel *channel)
{
	(void)channel;
	start_over(device);
}

static const struct vmbus_device_ops ops = {
    .open = on_open, .close = on_close, .packet = on_packet};

int balloon_offer(struct balloon *balloon, struct vmbus *bus)
{
	const struct vmbus_offering offering = {
	    .type = BALLOON_TYPE,
	    .instance = {0x1450b38e, 0x5d2a, 0x4d58, {0x80, 'x', 'e', 'n', 'o', 'l', 'i', 't'}},
	    .ops = &ops,
	    .device = balloon,
	};

	balloon->map = calloc(balloon->memory->most / GMEM_PAGE_SIZE / 64 + 1, sizeof(uint64_t));
	if (!balloon->map) {
		return -1;
	}
	balloon->target = have(balloon);
	balloon->channel = vmbus_offer(bus, &offering);
	return balloon->channel ? 0 : -1;
}

void balloon_destroy(struct balloon *balloon)
{
	free(balloon->map);
	balloon->map = NULL;
}
