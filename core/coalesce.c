/* SPDX-License-Identifier: MIT */
/* RFC 791, 6864, 8200, 9293, 1071; netif.h, "XEN_NETIF_EXTRA_TYPE_GSO". */
#include "core/coalesce.h"

#include "core/big_endian.h"
#include "core/string.h"

#define TYPE_IPV4  0x0800
#define TYPE_IPV6  0x86dd
#define IP         NET_HEADER_MIN /* where the IP header begins */
#define TCP4       (IP + 20u)     /* and TCP's behind it */
#define TCP6       (IP + 40u)
#define TCP_HEADER 20u
#define PROTOCOL   6
#define DF         0x4000u
#define ACK        0x10u
#define PSH        0x08u

/* A frame's headers, copied, and what follows from them. */
struct segment {
	_Alignas(8) uint8_t bytes[COALESCE_HEADER_BYTES];
	bool ipv6;
	uint32_t tcp, headers; /* where TCP's and the payload begin */
	uint32_t payload;      /* bytes */
};

/* What segments of one flow have in common; the rest is length, identification, checksums, sequence number, and PSH. */
static const _Alignas(8) uint8_t common4[COALESCE_HEADER_BYTES] = {
    [0 ... IP + 1] = 0xff,
    [IP + 6 ... IP + 9] = 0xff,
    [IP + 12 ... TCP4 + 3] = 0xff,
    [TCP4 + 8 ... TCP4 + 12] = 0xff,
    [TCP4 + 13] = 0xff & ~PSH,
    [TCP4 + 14 ... TCP4 + 15] = 0xff,
    [TCP4 + 18 ... COALESCE_HEADER_BYTES - 1] = 0xff,
};
static const _Alignas(8) uint8_t common6[COALESCE_HEADER_BYTES] = {
    [0 ... IP + 3] = 0xff,
    [IP + 6 ... TCP6 + 3] = 0xff,
    [TCP6 + 8 ... TCP6 + 12] = 0xff,
    [TCP6 + 13] = 0xff & ~PSH,
    [TCP6 + 14 ... TCP6 + 15] = 0xff,
    [TCP6 + 18 ... COALESCE_HEADER_BYTES - 1] = 0xff,
};

static uint64_t word(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The ones' complement sum of so many bytes, a multiple of four, and what comes to it. */
static uint32_t sum(const uint8_t *at, uint32_t length, uint32_t more)
{
	uint64_t value = more;

	for (; length; at += 4, length -= 4)
		value += get32(at);
	while (value >> 16)
		value = (value & 0xffff) + (value >> 16);
	return (uint32_t)value;
}

static bool good_ipv4(const uint8_t *ip, uint32_t length)
{
	return ip[0] == 0x45 && get16(ip + 2) == length && !(get16(ip + 6) & ~DF) &&
	       ip[9] == PROTOCOL && sum(ip, 20, 0) == 0xffff;
}

static bool good_ipv6(const uint8_t *ip, uint32_t length)
{
	return ip[0] >> 4 == 6 && length >= 40 && get16(ip + 4) == length - 40 && ip[6] == PROTOCOL;
}

/* Copies the headers out. False: it is no segment with payload and nothing to it. */
static bool read_segment(struct segment *s, const uint8_t *frame, uint32_t length)
{
	const uint8_t *tcp;
	uint32_t type;

	if (length <= TCP4 + TCP_HEADER || length > NET_PACKET_MAX)
		return false;
	memcpy(s->bytes, frame, length < COALESCE_HEADER_MAX ? length : COALESCE_HEADER_MAX);
	type = get16(s->bytes + 12);
	s->ipv6 = type == TYPE_IPV6;
	if (s->ipv6 ? !good_ipv6(s->bytes + IP, length - IP)
		    : type != TYPE_IPV4 || !good_ipv4(s->bytes + IP, length - IP))
		return false;
	s->tcp = s->ipv6 ? TCP6 : TCP4;
	tcp = s->bytes + s->tcp;
	if (length <= s->tcp + TCP_HEADER || tcp[12] & 0xf || (tcp[13] & ~PSH) != ACK)
		return false;
	s->headers = s->tcp + (tcp[12] >> 4) * 4u;
	if (s->headers < s->tcp + TCP_HEADER || length <= s->headers)
		return false;
	s->payload = length - s->headers;
	/* So that headers can be compared by words. */
	memset(s->bytes + s->headers, 0, sizeof(uint64_t));
	return true;
}

static bool same_flow(const struct coalesce *held, const struct segment *s)
{
	const uint8_t *common = s->ipv6 ? common6 : common4;
	uint64_t differ = 0;

	if (s->headers != held->headers || s->ipv6 != held->ipv6)
		return false;
	for (uint32_t i = 0; i < s->headers; i += sizeof(differ))
		differ |= (word(s->bytes + i) ^ word(held->header + i)) & word(common + i);
	return !differ;
}

/* With DF the identification means nothing. */
static bool id_follows(const struct coalesce *held, const struct segment *s)
{
	return s->ipv6 || get16(s->bytes + IP + 6) & DF ||
	       get16(s->bytes + IP + 4) == held->next_id;
}

static bool joins(const struct coalesce *held, const struct segment *s)
{
	return !held->ended && held->frames < COALESCE_FRAMES_MAX && s->payload <= held->segment &&
	       held->headers + held->payload + s->payload <= NET_PACKET_MAX &&
	       get32(s->bytes + s->tcp + 4) == held->next_seq && id_follows(held, s) &&
	       same_flow(held, s);
}

/* What nothing can join goes at once. */
static bool begins(unsigned kinds, const struct segment *s)
{
	return kinds & 1u << (s->ipv6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4) &&
	       !(s->bytes[s->tcp + 13] & PSH);
}

static void begin(struct coalesce *held, const struct segment *s)
{
	held->ended = held->push = false;
	held->ipv6 = s->ipv6;
	held->headers = (uint8_t)s->headers;
	held->segment = (uint16_t)s->payload;
	held->payload = 0;
	held->next_id = (uint16_t)get16(s->bytes + IP + 4);
	held->next_seq = get32(s->bytes + s->tcp + 4);
	memcpy(held->header, s->bytes, sizeof(held->header));
}

bool coalesce_may_add(const struct coalesce *held, const uint8_t *frame, uint32_t length)
{
	uint32_t tcp = length > TCP4 && get16(frame + 12) == TYPE_IPV6 ? TCP6 : TCP4;

	return length > tcp + TCP_HEADER && (frame[tcp + 13] & ~(held->frames ? PSH : 0)) == ACK;
}

bool coalesce_add(struct coalesce *held, unsigned kinds, const uint8_t *frame, uint32_t length)
{
	struct segment s;

	if (!read_segment(&s, frame, length))
		return false;
	if (held->frames ? !joins(held, &s) : !begins(kinds, &s))
		return false;
	if (!held->frames)
		begin(held, &s);
	held->push = s.bytes[s.tcp + 13] & PSH;
	held->ended = held->push || s.payload < held->segment;
	held->payload += s.payload;
	held->next_seq += s.payload;
	held->next_id++;
	held->piece[++held->frames] = (struct net_piece){frame + s.headers, s.payload};
	return true;
}

/* Lengths and checksums of all; TCP's is the pseudo-header's sum, to be completed. */
static void finish_header(struct coalesce *held)
{
	uint8_t *ip = held->header + IP, *tcp = held->header + (held->ipv6 ? TCP6 : TCP4);
	uint32_t length = held->headers + held->payload - (held->ipv6 ? TCP6 : TCP4);

	if (held->ipv6) {
		put16(ip + 4, length);
		put16(tcp + 16, sum(ip + 8, 32, PROTOCOL + length));
	} else {
		put16(ip + 2, 20 + length);
		put16(ip + 10, 0);
		put16(ip + 10, ~sum(ip, 20, 0));
		put16(tcp + 16, sum(ip + 12, 8, PROTOCOL + length));
	}
	tcp[13] = ACK | (held->push ? PSH : 0);
}

unsigned coalesce_packet(struct coalesce *held, struct net_offload *offload)
{
	const struct net_piece *first = &held->piece[1];

	if (held->frames == 1) {
		*offload = (struct net_offload){.csum_good = true};
		held->piece[0] = (struct net_piece){(const uint8_t *)first->data - held->headers,
						    held->headers + first->len};
		return 1;
	}
	finish_header(held);
	*offload = (struct net_offload){
	    .csum_blank = true,
	    .gso = held->ipv6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4,
	    .gso_size = held->segment,
	};
	held->piece[0] = (struct net_piece){held->header, held->headers};
	return held->frames + 1;
}
