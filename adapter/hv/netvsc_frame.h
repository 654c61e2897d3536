/* SPDX-License-Identifier: MIT */
/*
 * The headers of a frame that the guest wants finished: where they are, and how they are changed for it. The bytes may be shared with somebody who
 * changes them meanwhile: each is read once, and whatever they say, nothing outside of them is touched.
 */
#ifndef XENOLITH_HV_NETVSC_FRAME_H
#define XENOLITH_HV_NETVSC_FRAME_H

#include <stdbool.h>
#include <stdint.h>

/* Ethernet, a VLAN tag, the longest IPv4 and TCP headers. */
#define FRAME_HEADERS_MAX 138u

struct frame_headers {
	bool ipv6, udp;
	uint8_t ip, transport; /* offsets */
	uint8_t payload;       /* of TCP or UDP; may lie behind the bytes that there are */
};

/* Of a TCP or UDP frame's first `length` bytes. False: it is none, or its headers are not all there. */
bool frame_parse(const uint8_t *frame, uint32_t length, struct frame_headers *headers);

/* One part of a large send, which the host segments further. */
struct frame_part {
	uint32_t done; /* payload in the parts before this one, a multiple of `mss` */
	uint16_t mss;
	bool last;
};

/* Makes headers of a large send those of one part as NDIS wants them: no lengths in them, not in the TCP checksum either. */
void frame_make_part(uint8_t *frame, const struct frame_headers *headers,
		     const struct frame_part *part);

/* Completes the transport checksum of a whole frame, which holds the pseudo-header's sum. False: the frame is not as long as it says. */
bool frame_checksum(uint8_t *frame, uint32_t length, const struct frame_headers *headers);

#endif
