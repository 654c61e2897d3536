/* SPDX-License-Identifier: MIT */
/*
 * Consecutive TCP segments of one flow become one large packet with segmentation information, which costs whoever takes it little more than one segment
 * does. Joined is only what can be cut again into the same segments: the rules are those of Linux's GRO.
 *
 * NetVSC's receiving side gathers frames here, a struct coalesce for each queue, under whatever protects that. Nothing is allocated. Payload stays where
 * it is, in memory that somebody may write meanwhile: headers are copied out of it once, and judged and changed in the copy.
 */
#ifndef CORE_COALESCE_H
#define CORE_COALESCE_H

#include "core/net.h"

#define COALESCE_FRAMES_MAX   64u
#define COALESCE_HEADER_MAX   114u /* Ethernet, IPv6, the longest TCP header */
#define COALESCE_HEADER_BYTES 128u /* what there is for one: whole words, and one more behind it */

/* All zero: nothing is held. */
struct coalesce {
	unsigned frames; /* that are held */
	bool ended;      /* by PSH, or by a segment shorter than the first: no more can follow */
	bool push;       /* the last one has PSH */
	bool ipv6;
	uint8_t headers;   /* bytes of the header */
	uint16_t segment;  /* payload of the first frame */
	uint16_t next_id;  /* of IPv4 without DF */
	uint32_t next_seq; /* of TCP */
	uint32_t payload;  /* of all frames */
	_Alignas(8) uint8_t header[COALESCE_HEADER_BYTES];
	struct net_piece piece[1 + COALESCE_FRAMES_MAX]; /* the header's, then payloads */
};

/*
 * Takes a frame that it can hold, to begin with or behind what is held: its bytes stay needed until coalesce_drop(). Only frames whose TCP checksum has
 * been checked may come here. `kinds`: bits 1 << NET_GSO_*, what may be begun. False: deliver what is held, drop it, and then this frame may begin; where
 * it may not either, it goes as it is.
 */
bool coalesce_add(struct coalesce *held, unsigned kinds, const uint8_t *frame, uint32_t length);

/* A quick look, at bytes that may be others later: false where coalesce_add() would be asked in vain. */
bool coalesce_may_add(const struct coalesce *held, const uint8_t *frame, uint32_t length);

/* What is held, as held->piece[], of which there are so many. One frame alone is as it was. May be called again, also after more has joined. */
unsigned coalesce_packet(struct coalesce *held, struct net_offload *offload);

static inline void coalesce_drop(struct coalesce *held)
{
	held->frames = 0;
}

#endif
