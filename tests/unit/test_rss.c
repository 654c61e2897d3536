/* SPDX-License-Identifier: MIT */
/* The hash is the one of Microsoft's "Verifying the RSS Hash Calculation", which gives these values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "host/rss.h"

static const uint8_t key[RSS_KEY_SIZE] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
	uint8_t from[4], to[4];
	uint16_t from_port, to_port;
	uint32_t with_ports, without;
} vectors[] = {
    {{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766, 0x51ccc178, 0x323e8fc2},
    {{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739, 0xc626b0ea, 0xd718262a},
    {{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024, 0x5c2b394a, 0xd2d0a5de},
    {{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217, 0xafc7327f, 0x82989176},
    {{153, 39, 163, 191}, {202, 188, 127, 2}, 44251, 1303, 0x10e828a2, 0x5d1809c5},
};

static void make(uint8_t frame[54], unsigned i, uint8_t protocol)
{
	memset(frame, 0, 54);
	frame[12] = 8;
	frame[14] = 0x45;
	frame[23] = protocol;
	memcpy(frame + 26, vectors[i].from, 4);
	memcpy(frame + 30, vectors[i].to, 4);
	frame[34] = (uint8_t)(vectors[i].from_port >> 8);
	frame[35] = (uint8_t)vectors[i].from_port;
	frame[36] = (uint8_t)(vectors[i].to_port >> 8);
	frame[37] = (uint8_t)vectors[i].to_port;
}

static void the_published_values_come_out(void **state)
{
	uint8_t frame[54];

	(void)state;
	for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		make(frame, i, 6);
		assert_int_equal(rss_hash(key, frame, sizeof(frame)), vectors[i].with_ports);
		make(frame, i, 17);
		assert_int_equal(rss_hash(key, frame, sizeof(frame)), vectors[i].without);
		make(frame, i, 6);
		frame[20] = 0x20; /* a fragment has no ports */
		assert_int_equal(rss_hash(key, frame, sizeof(frame)), vectors[i].without);
	}
}

static void short_frames_and_other_protocols_have_none(void **state)
{
	uint8_t frame[54];

	(void)state;
	make(frame, 0, 6);
	for (uint32_t length = 0; length < 34; length++) {
		assert_int_equal(rss_hash(key, frame, length), 0);
	}
	frame[12] = 9;
	assert_int_equal(rss_hash(key, frame, sizeof(frame)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_published_values_come_out),
	    cmocka_unit_test(short_frames_and_other_protocols_have_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
