/* SPDX-License-Identifier: MIT */
/* The guest memory that a packet names. */
#include "host/vmbus/internal.h"

#include <string.h>

struct cursor {
	const struct gmem *memory;
	struct iovec *iov;
	unsigned count, max;
	uint64_t bytes;
};

/* Pages that follow one another in guest memory make one iovec. */
static bool add(struct cursor *cursor, uint64_t frame, uint32_t offset, uint32_t length)
{
	struct iovec *last = cursor->count ? &cursor->iov[cursor->count - 1] : NULL;
	uint8_t *at;

	if (frame >> (64 - GMEM_PAGE_SHIFT)) {
		return false;
	}
	at = gmem_at(cursor->memory, gpa((frame << GMEM_PAGE_SHIFT) + offset), length);
	if (!at) {
		return false;
	}
	cursor->bytes += length;
	if (last && (uint8_t *)last->iov_base + last->iov_len == at) {
		last->iov_len += length;
		return true;
	}
	if (cursor->count == cursor->max) {
		return false;
	}
	cursor->iov[cursor->count++] = (struct iovec){at, length};
	return true;
}

/* One range at `from`, of at most `available` bytes with its frames. Returns how many it took, 0 where it is malformed. */
static uint32_t add_range(struct cursor *cursor, const uint8_t *from, uint32_t available)
{
	struct vmbus_gpa_range range;
	uint64_t frames, left, frame;
	uint32_t offset;

	if (available < sizeof(range)) {
		return 0;
	}
	memcpy(&range, from, sizeof(range));
	offset = range.offset;
	if (offset >= GMEM_PAGE_SIZE) {
		return 0;
	}
	frames = ((uint64_t)offset + range.bytes + GMEM_PAGE_SIZE - 1) / GMEM_PAGE_SIZE;
	if (frames > (available - sizeof(range)) / 8) {
		return 0;
	}
	left = range.bytes;
	for (uint64_t i = 0; i < frames && left; i++) {
		uint32_t length =
		    GMEM_PAGE_SIZE - offset < left ? GMEM_PAGE_SIZE - offset : (uint32_t)left;

		memcpy(&frame, from + sizeof(range) + i * 8, sizeof(frame));
		if (!add(cursor, frame, offset, length)) {
			return 0;
		}
		left -= length;
		offset = 0;
	}
	return (uint32_t)(sizeof(range) + frames * 8);
}

int vmbus_packet_memory(const struct vmbus_channel *channel, const struct vmbus_in_packet *packet,
			struct iovec *iov, unsigned max, uint64_t *bytes)
{
	struct cursor cursor = {.memory = channel->bus->host.memory, .iov = iov, .max = max};
	struct vmbus_gpa_direct direct;
	uint32_t at = sizeof(direct);

	*bytes = 0;
	if (packet->type != VMBUS_PACKET_GPA_DIRECT) {
		return 0;
	}
	if (packet->extension_length < sizeof(direct)) {
		return -1;
	}
	memcpy(&direct, packet->extension, sizeof(direct));
	for (uint32_t i = 0; i < direct.count; i++) {
		uint32_t took =
		    add_range(&cursor, packet->extension + at, packet->extension_length - at);

		if (!took) {
			return -1;
		}
		at += took;
	}
	*bytes = cursor.bytes;
	return (int)cursor.count;
}
