/* SPDX-License-Identifier: MIT */
#include "core/blkif.h"
#include "core/string.h"

/*
 * Where things are. 64-bit integers are aligned to 8 bytes in one ABI and to 4 in the other; all else follows.
 */
static const struct {
	uint8_t id, sector, segments, nr_sectors, indirect_refs, size, response_size;
} layouts[] = {
    [BLKIF_ABI_X86_64] = {8, 16, 24, 24, 28, 112, 16},
    [BLKIF_ABI_X86_32] = {4, 12, 20, 20, 24, 108, 12},
};

_Static_assert(sizeof(struct blkif_request) == 112 && offsetof(struct blkif_request, seg) == 24,
	       "blkif.h");
_Static_assert(offsetof(struct blkif_request, id) == 8 &&
		   offsetof(struct blkif_request, sector_number) == 16,
	       "blkif.h");
_Static_assert(offsetof(struct blkif_request_discard, nr_sectors) == 24, "blkif.h");
_Static_assert(offsetof(struct blkif_request_indirect, indirect_grefs) == 28, "blkif.h");
_Static_assert(sizeof(struct blkif_request_segment) == 8, "blkif.h");
_Static_assert(sizeof(struct blkif_response) == 16 && offsetof(struct blkif_response, status) == 10,
	       "blkif.h");

uint32_t blkif_entry_size(enum blkif_abi abi)
{
	return layouts[abi].size;
}

void blkif_decode(enum blkif_abi abi, const void *bytes, struct blkif_entry *entry)
{
	const uint8_t *from = bytes;

	entry->operation = from[0];
	entry->indirect = false;
	entry->nr_segments = from[1];
	entry->nr_sectors = 0;
	memcpy(&entry->id, from + layouts[abi].id, 8);
	memcpy(&entry->sector, from + layouts[abi].sector, 8);
	switch (entry->operation) {
	case BLKIF_OP_INDIRECT:
		entry->indirect = true;
		entry->operation = from[1];
		memcpy(&entry->nr_segments, from + 2, 2);
		memcpy(entry->indirect_ref, from + layouts[abi].indirect_refs,
		       sizeof(entry->indirect_ref));
		break;
	case BLKIF_OP_DISCARD:
		entry->nr_segments = 0; /* the byte holds flags */
		memcpy(&entry->nr_sectors, from + layouts[abi].nr_sectors, 8);
		break;
	default:
		/* More than there can be is for the caller to refuse. */
		memcpy(entry->segment, from + layouts[abi].segments,
		       (entry->nr_segments < BLKIF_MAX_SEGMENTS_PER_REQUEST
			    ? entry->nr_segments
			    : BLKIF_MAX_SEGMENTS_PER_REQUEST) *
			   sizeof(entry->segment[0]));
	}
}

uint32_t blkif_encode_response(enum blkif_abi abi, uint64_t id, uint8_t operation, int16_t status,
			       void *bytes)
{
	uint8_t *to = bytes;

	memset(to, 0, layouts[abi].response_size);
	memcpy(to, &id, 8);
	to[8] = operation;
	memcpy(to + 10, &status, 2);
	return layouts[abi].response_size;
}
