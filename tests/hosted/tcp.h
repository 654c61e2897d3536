/* SPDX-License-Identifier: MIT */
/*
 * Frames with TCP in them, for whoever tests what joins or cuts them: made, checked and cut byte by byte as the RFCs say, by no code of what is tested.
 */
#ifndef TESTS_HOSTED_TCP_H
#define TESTS_HOSTED_TCP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TCP_FLAG_PSH 0x08
#define TCP_FLAG_ACK 0x10

struct tcp_frame {
	bool ipv6, fragmentable; /* fragmentable: IPv4 without DF */
	unsigned options;        /* bytes of TCP's, a multiple of 4 */
	uint8_t flags;           /* 0: ACK */
	uint16_t id;
	uint32_t seq, payload;
	uint8_t fill; /* begins the payload */
};

static inline uint32_t tcp_get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline void tcp_put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void tcp_put32(uint8_t *at, uint32_t value)
{
	tcp_put16(at, value >> 16);
	tcp_put16(at + 2, value);
}

static inline uint32_t tcp_get32(const uint8_t *at)
{
	return tcp_get16(at) << 16 | tcp_get16(at + 2);
}

/* RFC 1071, the sum before it is complemented. */
static inline uint32_t tcp_sum(const uint8_t *at, uint32_t length, uint32_t value)
{
	for (uint32_t i = 0; i < length; i++) {
		value += i % 2 ? at[i] : (uint32_t)at[i] << 8;
		value = (value & 0xffff) + (value >> 16);
	}
	return value;
}

static inline uint32_t tcp_at(const uint8_t *frame)
{
	return tcp_get16(frame + 12) == 0x86dd ? 54 : 34;
}

static inline uint32_t tcp_payload_at(const uint8_t *frame)
{
	return tcp_at(frame) + (frame[tcp_at(frame) + 12] >> 4) * 4u;
}

/* Of the pseudo header, for so many bytes of TCP. */
static inline uint32_t tcp_pseudo(const uint8_t *frame, uint32_t bytes)
{
	uint8_t end[8] = {0, 0, 0, 0, 0, 0, 0, 6};

	tcp_put32(end, bytes);
	return tcp_get16(frame + 12) == 0x86dd
		   ? tcp_sum(end, sizeof(end), tcp_sum(frame + 22, 32, 0))
		   : tcp_sum(end, sizeof(end), tcp_sum(frame + 26, 8, 0));
}

/* Lengths and checksums of a frame with these headers. */
static inline void tcp_finish(uint8_t *frame, uint32_t length)
{
	uint32_t at = tcp_at(frame);

	if (at == 54) {
		tcp_put16(frame + 18, length - 54);
	} else {
		tcp_put16(frame + 16, length - 14);
		tcp_put16(frame + 24, 0);
		tcp_put16(frame + 24, ~tcp_sum(frame + 14, 20, 0));
	}
	tcp_put16(frame + at + 16, 0);
	tcp_put16(frame + at + 16,
		  ~tcp_sum(frame + at, length - at, tcp_pseudo(frame, length - at)));
}

/* Returns its length. */
static inline uint32_t tcp_make(uint8_t *frame, const struct tcp_frame *what)
{
	static const uint8_t head4[] = {2,  1,    2, 3, 4,  5, 2, 9,  9,  9, 9, 9, 8,
					0,  0x45, 0, 0, 0,  0, 0, 0,  0,  9, 6, 0, 0,
					10, 0,    2, 2, 10, 0, 2, 15, 19, 9, 4, 1};
	static const uint8_t head6[] = {
	    2, 1, 2,    3,    4, 5, 2, 9, 9, 9, 9, 9, 0x86, 0xdd, 0x60, 1, 2, 3, 0,    0,
	    6, 9, 0xfe, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0,    0, 0, 2, 0xfe, 0xc0,
	    0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0,    3,    19,   9, 4, 1};
	uint32_t at = what->ipv6 ? 54 : 34, headers = at + 20 + what->options;

	memset(frame, 0, headers);
	if (what->ipv6) {
		memcpy(frame, head6, sizeof(head6));
	} else {
		memcpy(frame, head4, sizeof(head4));
		tcp_put16(frame + 18, what->id);
		frame[20] = what->fragmentable ? 0 : 0x40;
	}
	tcp_put32(frame + at + 4, what->seq);
	tcp_put32(frame + at + 8, 0x01020304);
	frame[at + 12] = (uint8_t)((5 + what->options / 4) << 4);
	frame[at + 13] = what->flags ? what->flags : TCP_FLAG_ACK;
	tcp_put16(frame + at + 14, 0x2000);
	for (unsigned i = 0; i < what->options; i++)
		frame[at + 20 + i] = (uint8_t)(1 + i);
	for (uint32_t i = 0; i < what->payload; i++)
		frame[headers + i] = (uint8_t)(what->fill + i * 7);
	tcp_finish(frame, headers + what->payload);
	return headers + what->payload;
}

/* Whether a packet's lengths and IPv4 checksum are right, and its TCP checksum is the pseudo header's, to be completed. */
static inline bool tcp_is_to_be_completed(const uint8_t *frame, uint32_t length)
{
	uint32_t at = tcp_at(frame);

	if (at == 34 && tcp_sum(frame + 14, 20, 0) != 0xffff)
		return false;
	return (at == 34 ? tcp_get16(frame + 16) == length - 14
			 : tcp_get16(frame + 18) == length - 54) &&
	       tcp_get16(frame + at + 16) == tcp_pseudo(frame, length - at);
}

/* Cuts the n-th segment out of a large packet, as a TCP stack or an adapter does. Returns its length, 0: there is none. */
static inline uint32_t tcp_cut(const uint8_t *packet, uint32_t length, uint32_t size, unsigned n,
			       uint8_t *segment)
{
	uint32_t headers = tcp_payload_at(packet), at = tcp_at(packet), start = headers + n * size;
	uint32_t bytes;

	if (start >= length)
		return 0;
	bytes = length - start < size ? length - start : size;
	memcpy(segment, packet, headers);
	memcpy(segment + headers, packet + start, bytes);
	if (at == 34)
		tcp_put16(segment + 18, tcp_get16(packet + 18) + n);
	tcp_put32(segment + at + 4, tcp_get32(packet + at + 4) + n * size);
	if (start + bytes < length)
		segment[at + 13] &= (uint8_t)~TCP_FLAG_PSH;
	tcp_finish(segment, headers + bytes);
	return headers + bytes;
}

#endif
