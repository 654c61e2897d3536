/* SPDX-License-Identifier: MIT */
/* Offloads in software: checksums and segments are what the RFCs say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "host/net.h"

struct capture {
	unsigned frames;
	uint32_t length[64];
	uint8_t frame[64][2048];
};

static void emit(void *context, const uint8_t *frame, uint32_t length)
{
	struct capture *capture = context;

	assert_true(capture->frames < 64 && length <= sizeof(capture->frame[0]));
	memcpy(capture->frame[capture->frames], frame, length);
	capture->length[capture->frames++] = length;
}

static void nowhere(void *context, const uint8_t *frame, uint32_t length)
{
	(void)context, (void)frame, (void)length;
}

static uint32_t be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t be32(const uint8_t *at)
{
	return be16(at) << 16 | be16(at + 2);
}

/* Over data with a right checksum in it this is 0xffff. Written apart from the code under test: byte by byte. */
static uint32_t ones_sum(const uint8_t *bytes, uint32_t length, uint32_t start)
{
	uint64_t sum = start;

	for (uint32_t i = 0; i < length; i++) {
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	}
	while (sum > 0xffff) {
		sum = (sum >> 16) + (sum & 0xffff);
	}
	return (uint32_t)sum;
}

/* Ethernet, IPv4, TCP or UDP with `payload` bytes of data; checksums and, for TCP, the IP length are left to us. */
static uint32_t make(uint8_t *frame, uint8_t protocol, uint32_t payload)
{
	uint32_t header = protocol == 6 ? 20 : 8, total = 20 + header + payload;

	memset(frame, 0, 14 + 20 + header);
	frame[12] = 8;
	frame[14] = 0x45;
	frame[16] = (uint8_t)(total >> 8);
	frame[17] = (uint8_t)total;
	frame[18] = 0x12; /* identification */
	frame[22] = 64;
	frame[23] = protocol;
	memcpy(frame + 26, "\x0a\x00\x02\x0f\x0a\x00\x02\x02", 8);
	if (protocol == 6) {
		memcpy(frame + 38, "\x00\x00\x10\x00", 4); /* sequence */
		frame[46] = 0x50;
		frame[47] = 0x19; /* ACK, PSH, FIN */
	} else {
		frame[38] = (uint8_t)((8 + payload) >> 8);
		frame[39] = (uint8_t)(8 + payload);
	}
	for (uint32_t i = 0; i < payload; i++) {
		frame[34 + header + i] = (uint8_t)(i * 31 + 7);
	}
	return 14 + total;
}

static void assert_right(const uint8_t *frame, uint32_t length)
{
	uint32_t total = be16(frame + 16);

	assert_int_equal(total, length - 14);
	assert_int_equal(ones_sum(frame + 14, 20, 0), 0xffff);
	assert_int_equal(
	    ones_sum(frame + 34, total - 20, ones_sum(frame + 26, 8, frame[23] + total - 20)),
	    0xffff);
}

static void checksums_are_right_for_every_length(void **state)
{
	const struct net_work work = {.ip_checksum = true, .tcp = true, .udp = true};
	static struct capture capture;
	uint8_t frame[2048];

	(void)state;
	for (uint32_t payload = 0; payload < 1400; payload += 1 + payload / 40) {
		for (unsigned i = 0; i < 2; i++) {
			uint32_t length = make(frame, i ? 17 : 6, payload);

			capture.frames = 0;
			net_finish(frame, length, &work, emit, &capture);
			assert_int_equal(capture.frames, 1);
			assert_right(capture.frame[0], length);
		}
	}
}

static void a_large_send_is_cut_and_adds_up(void **state)
{
	const struct net_work work = {.mss = 1460};
	static struct capture capture;
	static uint8_t frame[40000], data[40000];
	uint32_t done = 0, length = make(frame, 6, 30000);

	(void)state;
	memcpy(data, frame + 54, 30000);
	capture.frames = 0;
	frame[16] = frame[17] = 0; /* as clients leave it for large sends */
	net_finish(frame, length, &work, emit, &capture);
	assert_int_equal(capture.frames, (30000 + 1459) / 1460);
	for (unsigned i = 0; i < capture.frames; i++) {
		const uint8_t *piece = capture.frame[i];
		uint32_t payload = capture.length[i] - 54;

		assert_right(piece, capture.length[i]);
		assert_int_equal(be16(piece + 18), 0x1200 + i);
		assert_int_equal(be32(piece + 38), 0x1000 + done);
		assert_int_equal(piece[47], i + 1 == capture.frames ? 0x19 : 0x10);
		assert_memory_equal(piece + 54, data + done, payload);
		done += payload;
	}
	assert_int_equal(done, 30000);
}

static void a_large_send_can_stay_whole(void **state)
{
	const struct net_work work = {.mss = 1460};
	static uint8_t frame[61000];
	uint32_t length = make(frame, 6, 60001);

	(void)state;
	frame[16] = frame[17] = 0;
	net_finish_whole(frame, length, &work, nowhere, NULL);
	assert_right(frame, length);
}

/* What the kernel does with the answer: sums up from `start`, over what it finds in the checksum's place. */
static void a_frame_prepared_for_the_kernel_gets_right(void **state)
{
	const struct net_work work = {.ip_checksum = true, .tcp = true, .udp = true};
	const struct net_work large = {.mss = 1460};
	static uint8_t frame[4000];
	struct net_prepared offload;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t length = make(frame, i == 1 ? 17 : 6, 3001), sum;

		net_prepare(frame, length, i == 2 ? &large : &work, &offload);
		assert_true(offload.checksum && !offload.ipv6);
		assert_int_equal(offload.start, 34);
		assert_int_equal(offload.mss, i == 2 ? 1460 : 0);
		assert_int_equal(offload.headers, i == 2 ? 54 : 0);
		sum = ~ones_sum(frame + offload.start, length - offload.start, 0) & 0xffff;
		frame[offload.start + offload.offset] = (uint8_t)(sum >> 8);
		frame[offload.start + offload.offset + 1] = (uint8_t)sum;
		assert_right(frame, length);
		memset(frame + offload.start + offload.offset, 0xee, 2);
		net_finish_checksum(frame, length);
		assert_right(frame, length);
	}
}

static void ipv6_too(void **state)
{
	const struct net_work work = {.tcp = true};
	static struct capture capture;
	uint8_t frame[14 + 40 + 24] = {0};

	(void)state;
	frame[12] = 0x86;
	frame[13] = 0xdd;
	frame[14] = 0x60;
	frame[19] = 24;
	frame[20] = 6;
	memset(frame + 22, 0xab, 32);
	memset(frame + 54, 0x11, 24);
	capture.frames = 0;
	net_finish(frame, sizeof(frame), &work, emit, &capture);
	assert_int_equal(
	    ones_sum(capture.frame[0] + 54, 24, ones_sum(capture.frame[0] + 22, 32, 6 + 24)),
	    0xffff);
}

/* With a hop-by-hop header and destination options before TCP, 16 bytes together. */
static void a_large_send_over_ipv6_is_cut_behind_its_options(void **state)
{
	enum { OPTIONS = 16, HEADERS = 14 + 40 + OPTIONS + 20, DATA = 5000, MSS = 1400 };
	const struct net_work work = {.mss = MSS};
	static struct capture capture;
	static uint8_t frame[HEADERS + DATA];
	uint32_t done = 0;

	(void)state;
	memset(frame, 0x3c, sizeof(frame));
	memcpy(frame + 12, "\x86\xdd\x60\0\0\0\0\0\0\x40", 10); /* length 0, next: hop by hop */
	memcpy(frame + 54, "\x3c\0\1\4\0\0\0\0", 8);
	memcpy(frame + 62, "\x06\0\1\4\0\0\0\0", 8);
	memset(frame + 70, 0, 20);
	frame[70 + 12] = 0x50;
	frame[70 + 13] = 0x18;
	capture.frames = 0;
	net_finish(frame, sizeof(frame), &work, emit, &capture);
	assert_int_equal(capture.frames, (DATA + MSS - 1) / MSS);
	for (unsigned i = 0; i < capture.frames; i++) {
		const uint8_t *piece = capture.frame[i];
		uint32_t payload = capture.length[i] - HEADERS;

		assert_int_equal(be16(piece + 18), OPTIONS + 20 + payload);
		assert_memory_equal(piece + 54, frame + 54, OPTIONS);
		assert_int_equal(be32(piece + 74), done);
		assert_int_equal(
		    ones_sum(piece + 70, 20 + payload, ones_sum(piece + 22, 32, 6 + 20 + payload)),
		    0xffff);
		done += payload;
	}
	assert_int_equal(done, DATA);
}

static void a_routing_header_says_who_the_destination_is(void **state)
{
	const struct net_work work = {.tcp = true};
	static struct capture capture;
	uint8_t frame[14 + 40 + 40 + 24];

	(void)state;
	for (unsigned type = 0; type <= 4; type += 2) {
		memset(frame, 0x11, sizeof(frame));
		memcpy(frame + 12, "\x86\xdd\x60\0\0\0\0\x40\x2b\x40", 10);
		memset(frame + 22, 0xab, 32);
		memcpy(frame + 54, "\x06\4\0\1\0\0\0\0", 8);
		frame[56] = (uint8_t)type;
		memset(frame + 62, 0x77, 16);
		memset(frame + 78, 0x99, 16);
		capture.frames = 0;
		net_finish(frame, sizeof(frame), &work, emit, &capture);
		assert_int_equal(
		    ones_sum(capture.frame[0] + 94, 24,
			     ones_sum(capture.frame[0] + 22, 16,
				      ones_sum(frame + (type == 4 ? 62 : 78), 16, 6 + 24))),
		    0xffff);
	}
}

static void options_that_do_not_end_in_the_frame_are_left_alone(void **state)
{
	const struct net_work work = {.tcp = true, .mss = 100};
	static struct capture capture;
	uint8_t frame[14 + 40 + 24] = {0}, copy[sizeof(frame)];

	(void)state;
	memcpy(frame + 12, "\x86\xdd\x60\0\0\0\0\x18\0\x40", 10);
	frame[54] = 6;
	frame[55] = 3; /* 32 bytes of 24 */
	memcpy(copy, frame, sizeof(frame));
	capture.frames = 0;
	net_finish(frame, sizeof(frame), &work, emit, &capture);
	assert_int_equal(capture.frames, 1);
	assert_memory_equal(capture.frame[0], copy, sizeof(frame));
}

static void what_is_no_ip_goes_through_unchanged(void **state)
{
	const struct net_work work = {.ip_checksum = true, .tcp = true, .mss = 1000};
	static struct capture capture;
	uint8_t frame[60], copy[60];

	(void)state;
	for (unsigned length = 14; length <= sizeof(frame); length++) {
		memset(frame, 0x08, sizeof(frame));
		memcpy(copy, frame, sizeof(frame));
		capture.frames = 0;
		net_finish(frame, length, &work, emit, &capture);
		assert_int_equal(capture.frames, 1);
		assert_int_equal(capture.length[0], length);
		assert_memory_equal(capture.frame[0], copy, length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(checksums_are_right_for_every_length),
	    cmocka_unit_test(a_large_send_is_cut_and_adds_up),
	    cmocka_unit_test(a_large_send_can_stay_whole),
	    cmocka_unit_test(a_frame_prepared_for_the_kernel_gets_right),
	    cmocka_unit_test(ipv6_too),
	    cmocka_unit_test(a_large_send_over_ipv6_is_cut_behind_its_options),
	    cmocka_unit_test(options_that_do_not_end_in_the_frame_are_left_alone),
	    cmocka_unit_test(a_routing_header_says_who_the_destination_is),
	    cmocka_unit_test(what_is_no_ip_goes_through_unchanged),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
