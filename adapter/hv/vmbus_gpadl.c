/* SPDX-License-Identifier: MIT */
/*
 * Memory shared with the host: the list of its frames goes over in as many messages as it takes.
 */
#include "adapter/hv/vmbus_int.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

/* Frames that fit behind the header and its range, and in each body. */
#define HEAD_FRAMES                                               \
	((VMBUS_MESSAGE_MAX - sizeof(struct vmbus_gpadl_header) - \
	  sizeof(struct vmbus_gpa_range)) /                       \
	 sizeof(uint64_t))
#define BODY_FRAMES ((VMBUS_MESSAGE_MAX - sizeof(struct vmbus_gpadl_body)) / sizeof(uint64_t))
/* What 16 bits of length can describe. */
#define FRAMES_MAX ((UINT16_MAX - sizeof(struct vmbus_gpa_range)) / sizeof(uint64_t))

static uint32_t last_gpadl;

/* Appends `count` frame numbers to a message; returns its new length. */
static uint32_t put_frames(uint8_t *message, uint32_t at, uint64_t first, size_t count)
{
	for (size_t i = 0; i < count; i++, at += sizeof(uint64_t)) {
		uint64_t frame = first + i;

		memcpy(message + at, &frame, sizeof(frame));
	}
	return at;
}

static bool post_head(uint32_t channel, uint32_t gpadl, uint64_t first, size_t pages, size_t count)
{
	uint8_t message[VMBUS_MESSAGE_MAX];
	const struct vmbus_gpadl_header head = {
	    .header.number = VMBUS_GPADL_HEADER,
	    .channel = channel,
	    .gpadl = gpadl,
	    .range_bytes = (uint16_t)(sizeof(struct vmbus_gpa_range) + pages * sizeof(uint64_t)),
	    .range_count = 1,
	};
	const struct vmbus_gpa_range range = {.bytes = (uint32_t)pages * PAGE_SIZE};

	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), &range, sizeof(range));
	return bus_post_message(message,
				put_frames(message, sizeof(head) + sizeof(range), first, count));
}

static bool post_body(uint32_t gpadl, uint32_t number, uint64_t first, size_t count)
{
	uint8_t message[VMBUS_MESSAGE_MAX];
	const struct vmbus_gpadl_body body = {
	    .header.number = VMBUS_GPADL_BODY,
	    .number = number,
	    .gpadl = gpadl,
	};

	memcpy(message, &body, sizeof(body));
	return bus_post_message(message, put_frames(message, sizeof(body), first, count));
}

uint32_t bus_gpadl_create(uint32_t channel, const void *memory, size_t pages)
{
	uint64_t frame = virt_to_ma(memory) >> PAGE_SHIFT;
	size_t done = pages < HEAD_FRAMES ? pages : HEAD_FRAMES;
	uint32_t gpadl;

	if (!pages || pages > FRAMES_MAX)
		return 0;
	gpadl = ++last_gpadl;
	if (!post_head(channel, gpadl, frame, pages, done))
		return 0;
	for (uint32_t number = 1; done < pages; number++) {
		size_t count = pages - done < BODY_FRAMES ? pages - done : BODY_FRAMES;

		if (!post_body(gpadl, number, frame + done, count))
			return 0;
		done += count;
	}
	return gpadl;
}

void bus_gpadl_tear_down(uint32_t channel, uint32_t gpadl)
{
	const struct vmbus_gpadl_teardown message = {
	    .header.number = VMBUS_GPADL_TEARDOWN,
	    .channel = channel,
	    .gpadl = gpadl,
	};

	bus_post_message(&message, sizeof(message));
}

/* What the host has not let go of yet. A host that never says so keeps it. */
#define ENDING_MAX 32u

static struct {
	uint32_t gpadl; /* 0: free */
	void *memory;
	size_t pages;
} ending[ENDING_MAX];

void bus_gpadl_end(uint32_t channel, uint32_t gpadl, void *memory, size_t pages)
{
	/* Noted first: the answer may come before this returns. Where there is no place the memory is lost, which is better than shared. */
	for (unsigned i = 0; i < ENDING_MAX; i++) {
		if (!ending[i].gpadl) {
			ending[i].gpadl = gpadl;
			ending[i].memory = memory;
			ending[i].pages = pages;
			break;
		}
	}
	bus_gpadl_tear_down(channel, gpadl);
}

void bus_gpadl_ended(uint32_t gpadl)
{
	for (unsigned i = 0; gpadl && i < ENDING_MAX; i++) {
		if (ending[i].gpadl != gpadl)
			continue;
		ending[i].gpadl = 0;
		device_pages_free(ending[i].memory, ending[i].pages);
		return;
	}
}
