/* SPDX-License-Identifier: MIT */
/*
 * Block ring entries in the two layouts that x86 guests use: <xen/io/blkif.h> as a 64-bit and as a 32-bit compiler lays
 * it out ("protocol" in xenstore). Decodes bytes that are no longer the guest's.
 */
#pragma once

#include <stdbool.h>

#include "core/xen_abi.h"
#include <xen/grant_table.h>
#include <xen/io/ring.h>
#include <xen/io/blkif.h>

enum blkif_abi { BLKIF_ABI_X86_64, BLKIF_ABI_X86_32 };

#define BLKIF_ENTRY_MAX          112 /* bytes */
#define BLKIF_SEGMENTS_PER_INDIR 512 /* descriptors of 8 bytes on a page */

/* A request, decoded but not judged. */
struct blkif_entry {
	uint8_t operation; /* of an indirect request: the operation that it carries */
	bool indirect;
	uint16_t nr_segments;
	uint64_t id, sector, nr_sectors; /* nr_sectors: DISCARD only */
	struct blkif_request_segment
	    segment[BLKIF_MAX_SEGMENTS_PER_REQUEST]; /* the first nr_segments, unless indirect */
	grant_ref_t indirect_ref[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST]; /* of indirect ones */
};

uint32_t blkif_entry_size(enum blkif_abi abi);
void blkif_decode(enum blkif_abi abi, const void *bytes, struct blkif_entry *entry);
/* Returns the response's length; `bytes` has room for 16. */
uint32_t blkif_encode_response(enum blkif_abi abi, uint64_t id, uint8_t operation, int16_t status,
			       void *bytes);
