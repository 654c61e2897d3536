/* SPDX-License-Identifier: MIT */
/* Headers of the guest's frames: found where they are, refused where they are not; checksums are what the host would have made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/hv/netvsc_frame.h"
#include "host/net.h"

#define PAYLOAD 333u

struct shape {
	bool vlan, ipv6, udp;
	unsigned
	    options; /* bytes in the IPv4 or of an IPv6 extension header, and in the TCP header; a multiple of 8 */
};

static uint8_t frame[600], finished[600];
static uint32_t finished_length;

static uint32_t sum(const uint8_t *at, uint32_t n)
{
	uint32_t s = 0;

	for (uint32_t i = 0; i < n; i += 2)
		s += (uint32_t)at[i] << 8 | at[i + 1];
	return s;
}

static void put16(uint32_t at, uint32_t value)
{
	frame[at] = (uint8_t)(value >> 8);
	frame[at + 1] = (uint8_t)value;
}

/* A frame whose transport checksum is the pseudo-header's, as a guest leaves it. Returns its length. */
static uint32_t make(const struct shape *shape, struct frame_headers *want)
{
	uint32_t ip = shape->vlan ? 18 : 14, at, length, pseudo, protocol = shape->udp ? 17 : 6;

	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 37 + 11);
	put16(12, shape->vlan ? 0x8100 : shape->ipv6 ? 0x86dd : 0x0800);
	if (shape->vlan)
		put16(16, shape->ipv6 ? 0x86dd : 0x0800);
	at = ip + (shape->ipv6 ? 40 : 20) + shape->options;
	length = (shape->udp ? 8 : 20 + shape->options) + PAYLOAD;
	if (shape->ipv6) {
		frame[ip] = 0x60;
		put16(ip + 4, length + shape->options);
		frame[ip + 6] = shape->options ? 60 : (uint8_t)protocol;
		frame[ip + 40] = (uint8_t)protocol; /* of the extension header, if that is one */
		frame[ip + 41] = (uint8_t)(shape->options / 8 - 1);
		pseudo = sum(frame + ip + 8, 32);
	} else {
		frame[ip] = (uint8_t)(0x45 + shape->options / 4);
		put16(ip + 2, length + 20 + shape->options);
		put16(ip + 6, 0x4000);
		frame[ip + 9] = (uint8_t)protocol;
		pseudo = sum(frame + ip + 12, 8);
	}
	pseudo += protocol + length;
	pseudo = (pseudo & 0xffff) + (pseudo >> 16);
	pseudo = (pseudo & 0xffff) + (pseudo >> 16);
	if (!shape->udp)
		frame[at + 12] = (uint8_t)((5 + shape->options / 4) << 4);
	else
		put16(at + 4, length);
	put16(at + (shape->udp ? 6 : 16), pseudo);
	*want = (struct frame_headers){shape->ipv6, shape->udp, (uint8_t)ip, (uint8_t)at,
				       (uint8_t)(at + length - PAYLOAD)};
	return at + length;
}

static void emit(void *context, const uint8_t *bytes, uint32_t length)
{
	(void)context;
	memcpy(finished, bytes, length);
	finished_length = length;
}

/* Every combination; extension headers only where the host's code knows them too. */
static void all_shapes(void (*check)(const struct shape *shape))
{
	for (unsigned i = 0; i < 16; i++) {
		const struct shape shape = {i & 1, i & 2, i & 4, i & 8 ? 8 : 0};

		check(&shape);
	}
}

static void is_found(const struct shape *shape)
{
	struct frame_headers want, got;
	uint32_t length = make(shape, &want);

	assert_true(frame_parse(frame, length, &got));
	assert_int_equal(got.ipv6, want.ipv6);
	assert_int_equal(got.udp, want.udp);
	assert_int_equal(got.ip, want.ip);
	assert_int_equal(got.transport, want.transport);
	assert_int_equal(got.payload, want.payload);
	/* Cut short anywhere before the end of what must be there, it is none. */
	for (uint32_t n = 0; n < want.transport + (want.udp ? 8u : 20u); n++)
		assert_false(frame_parse(frame, n, &got));
}

static void headers_are_found_whole_or_not_at_all(void **state)
{
	(void)state;
	all_shapes(is_found);
}

static void is_completed(const struct shape *shape)
{
	struct frame_headers headers;
	uint32_t length = make(shape, &headers);
	struct net_work work = {.tcp = !shape->udp, .udp = shape->udp};

	if (shape->ipv6 && shape->options)
		return;                  /* the host's code does not know those */
	memset(frame + length, 0xee, 5); /* padding behind the packet does not count */
	net_finish(memcpy(finished, frame, sizeof(frame)), length + 5, &work, emit, NULL);
	assert_true(frame_checksum(frame, length + 5, &headers));
	assert_memory_equal(frame, finished, length);
}

static void checksums_are_the_hosts(void **state)
{
	(void)state;
	all_shapes(is_completed);
}

static void a_frame_that_says_more_than_it_has_is_refused(void **state)
{
	struct frame_headers headers;
	uint32_t length = make(&(struct shape){0}, &headers);

	(void)state;
	assert_false(frame_checksum(frame, length - 1, &headers));
	put16(16, 30); /* less than its headers */
	assert_false(frame_checksum(frame, length, &headers));
}

static void what_is_not_tcp_or_udp_has_no_checksum(void **state)
{
	struct frame_headers headers;
	uint32_t length = make(&(struct shape){0}, &headers);

	(void)state;
	frame[23] = 1; /* ICMP */
	assert_false(frame_parse(frame, length, &headers));
	frame[23] = 6;
	put16(20, 0x2000); /* a fragment */
	assert_false(frame_parse(frame, length, &headers));
	put16(20, 0);
	frame[14] = 0x44;
	assert_false(frame_parse(frame, length, &headers));
	frame[14] = 0x65;
	assert_false(frame_parse(frame, length, &headers));
	make(&(struct shape){0}, &headers);
	frame[46] = 0x40; /* a TCP header of 16 bytes */
	assert_false(frame_parse(frame, length, &headers));
}

/* Extension headers that lead out of the packet. */
static void a_chain_without_end_is_left(void **state)
{
	struct frame_headers headers;
	uint32_t length = make(&(struct shape){.ipv6 = true}, &headers);

	(void)state;
	frame[20] = 60;
	for (unsigned i = 54; i < sizeof(frame); i += 8) {
		frame[i] = 60;
		frame[i + 1] = 0;
	}
	assert_false(frame_parse(frame, length, &headers));
	frame[55] = 255;
	assert_false(frame_parse(frame, length, &headers));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_are_found_whole_or_not_at_all),
	    cmocka_unit_test(checksums_are_the_hosts),
	    cmocka_unit_test(a_frame_that_says_more_than_it_has_is_refused),
	    cmocka_unit_test(what_is_not_tcp_or_udp_has_no_checksum),
	    cmocka_unit_test(a_chain_without_end_is_left),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
