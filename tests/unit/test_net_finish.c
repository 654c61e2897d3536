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
	    cmocka_unit_test(ipv6_too),
	    cmocka_unit_test(what_is_no_ip_goes_through_unchanged),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
