/* SPDX-License-Identifier: MIT */
/* What a network card's offloads do: checksums (RFC 1071) and TCP segmentation. Pure functions of the frame. */
#include "host/net.h"

#include "core/big_endian.h"

#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define HOP_BY_HOP     0
#define PROTOCOL_TCP   6
#define PROTOCOL_UDP   17
#define DESTINATION    60
#define ROUTING        43
#define SEGMENT_ROUTES 4 /* the routing header's type: the last segment comes first, RFC 8754 */
#define IPV6_HEADER    40u
#define TCP_HEADER     20u
#define TCP_CHECKSUM   16u
#define UDP_CHECKSUM   6u
#define TCP_FIN_PSH    0x09
#define TCP_CWR        0x80

/* Where things are in a frame; all offsets lie inside it. */
struct layout {
	bool ipv6;
	uint32_t ip;
	uint32_t transport;
	uint32_t end;         /* of the IP packet, which padding may follow */
	uint32_t destination; /* the last one, which is what counts for checksums */
	uint8_t protocol;
};

/* Of at most 64 KiB, so the sums cannot overflow. Eight bytes at a time: the order of a ones' complement sum is free (RFC 1071 2). */
static uint32_t sum(const uint8_t *bytes, uint32_t length, uint32_t start)
{
	uint64_t wide = 0, part;

	for (; length >= 8; bytes += 8, length -= 8) {
		memcpy(&part, bytes, 8);
		part = __builtin_bswap64(part);
		wide += (part >> 32) + (part & UINT32_MAX);
	}
	for (; length > 1; bytes += 2, length -= 2) {
		wide += get16(bytes);
	}
	wide += start + (length ? (uint32_t)*bytes << 8 : 0);
	while (wide >> 16) {
		wide = (wide & 0xffff) + (wide >> 16);
	}
	return (uint32_t)wide;
}

static uint32_t fold(uint32_t value)
{
	while (value >> 16) {
		value = (value & 0xffff) + (value >> 16);
	}
	return ~value & 0xffff;
}

static bool find_ipv4(const uint8_t *frame, uint32_t length, struct layout *at)
{
	uint32_t header, total;

	if (length - at->ip < 20 || frame[at->ip] >> 4 != 4) {
		return false;
	}
	header = (frame[at->ip] & 0xf) * 4u;
	total = get16(frame + at->ip + 2);
	/* A large-send frame may say 0 for its length. */
	if (total == 0 || total > length - at->ip) {
		total = length - at->ip;
	}
	if (header < 20 || header > total) {
		return false;
	}
	at->transport = at->ip + header;
	at->end = at->ip + total;
	at->protocol = frame[at->ip + 9];
	return true;
}

/* While there are segments left the destination is in the routing header (RFC 8200 8.1). */
static void take_route(const uint8_t *frame, struct layout *at, uint32_t length)
{
	const uint8_t *header = frame + at->transport;

	if (header[3] && length >= 24) {
		at->destination = at->transport + (header[2] == SEGMENT_ROUTES ? 8 : length - 16);
	}
}

/* Past options and routes (RFC 8200 4.3, 4.4, 4.6). */
static bool skip_extensions(const uint8_t *frame, struct layout *at)
{
	while (at->protocol == HOP_BY_HOP || at->protocol == DESTINATION ||
	       at->protocol == ROUTING) {
		uint32_t length;

		if (at->end - at->transport < 8) {
			return false;
		}
		length = (frame[at->transport + 1] + 1u) * 8;
		if (length > at->end - at->transport) {
			return false;
		}
		if (at->protocol == ROUTING) {
			take_route(frame, at, length);
		}
		at->protocol = frame[at->transport];
		at->transport += length;
	}
	return true;
}

static bool find_ipv6(const uint8_t *frame, uint32_t length, struct layout *at)
{
	uint32_t payload;

	if (length - at->ip < IPV6_HEADER || frame[at->ip] >> 4 != 6) {
		return false;
	}
	payload = get16(frame + at->ip + 4);
	if (payload == 0 || payload > length - at->ip - IPV6_HEADER) {
		payload = length - at->ip - IPV6_HEADER;
	}
	at->ipv6 = true;
	at->destination = at->ip + 24;
	at->transport = at->ip + IPV6_HEADER;
	at->end = at->transport + payload;
	at->protocol = frame[at->ip + 6];
	return skip_extensions(frame, at);
}

static bool find(const uint8_t *frame, uint32_t length, struct layout *at)
{
	uint32_t type;

	*at = (struct layout){.ip = NET_HEADER};
	if (length < NET_HEADER + 4) {
		return false;
	}
	type = get16(frame + 12);
	if (type == ETHERTYPE_VLAN) {
		type = get16(frame + 16);
		at->ip += 4;
	}
	if (type == ETHERTYPE_IPV4) {
		return find_ipv4(frame, length, at);
	}
	return type == ETHERTYPE_IPV6 && find_ipv6(frame, length, at);
}

static void checksum_ip(uint8_t *frame, const struct layout *at)
{
	if (!at->ipv6) {
		put16(frame + at->ip + 10, 0);
		put16(frame + at->ip + 10, fold(sum(frame + at->ip, at->transport - at->ip, 0)));
	}
}

/* RFC 793 and RFC 8200 8.1: the addresses, the protocol, the length. */
static uint32_t pseudo_sum(const uint8_t *frame, const struct layout *at)
{
	uint32_t start = at->protocol + at->end - at->transport;

	if (!at->ipv6) {
		return sum(frame + at->ip + 12, 8, start);
	}
	return sum(frame + at->ip + 8, 16, sum(frame + at->destination, 16, start));
}

/* And the segment. */
static uint32_t transport_sum(const uint8_t *frame, const struct layout *at)
{
	return fold(sum(frame + at->transport, at->end - at->transport, pseudo_sum(frame, at)));
}

static void checksum_transport(uint8_t *frame, const struct layout *at)
{
	uint32_t offset = at->protocol == PROTOCOL_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	uint32_t value;

	if (at->end - at->transport < offset + 2) {
		return;
	}
	put16(frame + at->transport + offset, 0);
	value = transport_sum(frame, at);
	/* Zero would say that UDP has none. */
	put16(frame + at->transport + offset,
	      value || at->protocol != PROTOCOL_UDP ? value : 0xffff);
}

static void set_lengths(uint8_t *frame, const struct layout *at, uint16_t id)
{
	if (at->ipv6) {
		put16(frame + at->ip + 4, at->end - at->ip - IPV6_HEADER);
	} else {
		put16(frame + at->ip + 2, at->end - at->ip);
		put16(frame + at->ip + 4, id);
		checksum_ip(frame, at);
	}
}

/* Each segment has the first one's headers with its own sequence number, lengths, identification and checksums. */
static void segment(uint8_t *frame, const struct layout *whole, uint16_t mss,
		    void (*emit)(void *context, const uint8_t *frame, uint32_t length),
		    void *context)
{
	uint32_t headers = whole->transport + (frame[whole->transport + 12] >> 4) * 4u;
	uint32_t sequence = get32(frame + whole->transport + 4);
	uint16_t id = (uint16_t)get16(frame + whole->ip + 4);
	uint8_t flags = frame[whole->transport + 13];
	uint8_t piece[NET_MTU_MOST + NET_HEADER + 4];
	uint32_t total = whole->end - headers;

	for (uint32_t done = 0; done < total;) {
		uint32_t length = total - done < mss ? total - done : mss;
		struct layout at = *whole;

		memcpy(piece, frame, headers);
		memcpy(piece + headers, frame + headers + done, length);
		at.end = headers + length;
		put32(piece + at.transport + 4, sequence + done);
		piece[at.transport + 13] =
		    done + length < total ? flags & (uint8_t)~TCP_FIN_PSH : flags;
		if (done) {
			piece[at.transport + 13] &= (uint8_t)~TCP_CWR;
		}
		set_lengths(piece, &at, id++);
		checksum_transport(piece, &at);
		emit(context, piece, at.end);
		done += length;
	}
}

static bool can_segment(const uint8_t *frame, const struct layout *at, uint16_t mss)
{
	uint32_t header;

	if (at->protocol != PROTOCOL_TCP || at->end - at->transport < TCP_HEADER) {
		return false;
	}
	header = (frame[at->transport + 12] >> 4) * 4u;
	return header >= TCP_HEADER && header <= at->end - at->transport &&
	       at->transport + header + mss <= NET_MTU_MOST + NET_HEADER + 4;
}

static void checksums(uint8_t *frame, const struct layout *at, const struct net_work *work)
{
	if (work->ip_checksum) {
		checksum_ip(frame, at);
	}
	if ((work->tcp && at->protocol == PROTOCOL_TCP) ||
	    (work->udp && at->protocol == PROTOCOL_UDP)) {
		checksum_transport(frame, at);
	}
}

static bool has_work(const struct net_work *work)
{
	return work->mss || work->ip_checksum || work->tcp || work->udp;
}

void net_finish(uint8_t *frame, uint32_t length, const struct net_work *work,
		void (*emit)(void *context, const uint8_t *frame, uint32_t length), void *context)
{
	struct layout at;

	if (has_work(work) && find(frame, length, &at)) {
		if (work->mss && can_segment(frame, &at, work->mss)) {
			segment(frame, &at, work->mss, emit, context);
			return;
		}
		checksums(frame, &at, work);
	}
	emit(context, frame, length);
}

void net_finish_whole(uint8_t *frame, uint32_t length, const struct net_work *work,
		      void (*emit)(void *context, const uint8_t *frame, uint32_t length),
		      void *context)
{
	struct layout at;

	if (has_work(work) && find(frame, length, &at)) {
		if (work->mss && can_segment(frame, &at, work->mss)) {
			set_lengths(frame, &at, (uint16_t)get16(frame + at.ip + 4));
			checksum_transport(frame, &at);
		} else {
			checksums(frame, &at, work);
		}
	}
	emit(context, frame, length);
}

void net_finish_checksum(uint8_t *frame, uint32_t length)
{
	struct layout at;

	if (find(frame, length, &at) &&
	    (at.protocol == PROTOCOL_TCP || at.protocol == PROTOCOL_UDP)) {
		checksum_transport(frame, &at);
	}
}

void net_prepare(uint8_t *frame, uint32_t length, const struct net_work *work,
		 struct net_prepared *offload)
{
	struct layout at;

	*offload = (struct net_prepared){0};
	if (!has_work(work) || !find(frame, length, &at)) {
		return;
	}
	if (work->mss && can_segment(frame, &at, work->mss)) {
		set_lengths(frame, &at, (uint16_t)get16(frame + at.ip + 4));
		offload->mss = work->mss;
		offload->headers = (uint16_t)(at.transport + (frame[at.transport + 12] >> 4) * 4u);
	} else if (work->ip_checksum) {
		checksum_ip(frame, &at);
	}
	offload->ipv6 = at.ipv6;
	offload->start = (uint16_t)at.transport;
	offload->offset = at.protocol == PROTOCOL_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	offload->checksum = (offload->mss || (work->tcp && at.protocol == PROTOCOL_TCP) ||
			     (work->udp && at.protocol == PROTOCOL_UDP)) &&
			    at.end - at.transport >= offload->offset + 2u;
	if (offload->checksum) {
		put16(frame + at.transport + offload->offset, pseudo_sum(frame, &at));
	}
}
