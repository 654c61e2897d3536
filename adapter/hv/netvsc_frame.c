/* SPDX-License-Identifier: MIT */
/* RFC 791, 8200, 9293, 768, 1071; Windows driver documentation, "Offloading the Segmentation of Large TCP Packets". */
#include "adapter/hv/netvsc_frame.h"

#include "core/big_endian.h"
#include "core/string.h"

#define ETHERNET      14u
#define TYPE_VLAN     0x8100
#define TYPE_IPV4     0x0800
#define TYPE_IPV6     0x86dd
#define IPV4_HEADER   20u
#define IPV6_HEADER   40u
#define PROTOCOL_TCP  6
#define PROTOCOL_UDP  17
#define IPV6_HOPS     0 /* extension headers that may come before TCP */
#define IPV6_ROUTING  43
#define IPV6_OPTIONS  60
#define TCP_HEADER    20u
#define UDP_HEADER    8u
#define TCP_CHECKSUM  16u
#define UDP_CHECKSUM  6u
#define IPV4_FRAGMENT 0x3fffu
#define TCP_FIN_PSH   0x09
#define TCP_CWR       0x80

/* Of at most 64 KiB. */
static uint32_t sum(const uint8_t *bytes, uint32_t length, uint32_t start)
{
	for (; length > 1; bytes += 2, length -= 2)
		start += get16(bytes);
	return length ? start + ((uint32_t)*bytes << 8) : start;
}

static uint32_t fold(uint32_t value)
{
	value = (value & 0xffff) + (value >> 16);
	return (value & 0xffff) + (value >> 16);
}

/* The transport's protocol, or -1. */
static int parse_ipv4(const uint8_t *frame, uint32_t length, uint32_t ip, uint32_t *transport)
{
	uint32_t size;

	if (length < ip + IPV4_HEADER)
		return -1;
	size = (frame[ip] & 0xf) * 4u;
	if (frame[ip] >> 4 != 4 || size < IPV4_HEADER || get16(frame + ip + 6) & IPV4_FRAGMENT)
		return -1;
	*transport = ip + size;
	return frame[ip + 9];
}

static int parse_ipv6(const uint8_t *frame, uint32_t length, uint32_t ip, uint32_t *transport)
{
	uint32_t at = ip + IPV6_HEADER;
	int next;

	if (length < at || frame[ip] >> 4 != 6)
		return -1;
	next = frame[ip + 6];
	while (next == IPV6_HOPS || next == IPV6_ROUTING || next == IPV6_OPTIONS) {
		if (length < at + 8)
			return -1;
		next = frame[at];
		at += 8 + frame[at + 1] * 8u;
	}
	*transport = at;
	return next;
}

static bool parse_transport(const uint8_t *frame, uint32_t length, int protocol, uint32_t at,
			    uint32_t *payload, bool *udp)
{
	uint32_t header = protocol == PROTOCOL_TCP ? TCP_HEADER : UDP_HEADER;

	if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) || length < at + header)
		return false;
	*udp = protocol == PROTOCOL_UDP;
	if (!*udp) {
		header = (frame[at + 12] >> 4) * 4u;
		if (header < TCP_HEADER)
			return false;
	}
	*payload = at + header;
	return true;
}

bool frame_parse(const uint8_t *frame, uint32_t length, struct frame_headers *headers)
{
	uint32_t ip = ETHERNET, transport = 0, payload = 0, type;
	int protocol = -1;

	length = length < FRAME_HEADERS_MAX ? length : FRAME_HEADERS_MAX;
	if (length < ETHERNET + 4)
		return false;
	type = get16(frame + 12);
	if (type == TYPE_VLAN) {
		type = get16(frame + 16);
		ip += 4;
	}
	if (type == TYPE_IPV4)
		protocol = parse_ipv4(frame, length, ip, &transport);
	else if (type == TYPE_IPV6)
		protocol = parse_ipv6(frame, length, ip, &transport);
	headers->ipv6 = type == TYPE_IPV6;
	headers->ip = (uint8_t)ip;
	if (!parse_transport(frame, length, protocol, transport, &payload, &headers->udp))
		return false;
	headers->transport = (uint8_t)transport;
	headers->payload = (uint8_t)payload;
	return true;
}

void frame_make_part(uint8_t *frame, const struct frame_headers *headers,
		     const struct frame_part *part)
{
	uint8_t *ip = frame + headers->ip, *tcp = frame + headers->transport;
	uint32_t pseudo =
	    headers->ipv6 ? sum(ip + 8, 32, PROTOCOL_TCP) : sum(ip + 12, 8, PROTOCOL_TCP);

	put16(tcp + TCP_CHECKSUM, fold(pseudo));
	if (headers->ipv6) {
		put16(ip + 4, 0);
	} else {
		put16(ip + 2, 0);
		put16(ip + 4, get16(ip + 4) + part->done / part->mss);
		put16(ip + 10, 0);
	}
	put32(tcp + 4, get32(tcp + 4) + part->done);
	if (!part->last)
		tcp[13] &= (uint8_t)~TCP_FIN_PSH;
	if (part->done)
		tcp[13] &= (uint8_t)~TCP_CWR;
}

bool frame_checksum(uint8_t *frame, uint32_t length, const struct frame_headers *headers)
{
	uint32_t at = headers->transport, end;
	uint8_t *field = frame + at + (headers->udp ? UDP_CHECKSUM : TCP_CHECKSUM);
	uint32_t value;

	/* Behind the IP packet there may be padding. */
	if (headers->ipv6)
		end = headers->ip + IPV6_HEADER + get16(frame + headers->ip + 4);
	else
		end = headers->ip + get16(frame + headers->ip + 2);
	if (end > length || end < at + (headers->udp ? UDP_HEADER : TCP_HEADER))
		return false;
	value = ~fold(sum(frame + at, end - at, 0)) & 0xffff;
	/* Zero would say that UDP has none. */
	put16(field, value || !headers->udp ? value : 0xffff);
	return true;
}
