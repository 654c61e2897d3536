/* SPDX-License-Identifier: MIT */
/* What is joined can be cut again into what came; what could not is not joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/coalesce.h"
#include "tests/hosted/tcp.h"

#define BOTH   (1u << NET_GSO_TCPV4 | 1u << NET_GSO_TCPV6)
#define FRAMES 70u
#define SIZE   9100u

static struct coalesce held;
static uint8_t came[FRAMES][SIZE], buffer[FRAMES][SIZE];
static uint32_t came_length[FRAMES];
static unsigned nr_came;
static uint8_t packet[NET_PACKET_MAX];
static struct net_offload offload;
static uint32_t next_seq;

static int setup(void **state)
{
	(void)state;
	memset(&held, 0, sizeof(held));
	nr_came = 0;
	next_seq = 0xfffff000; /* it wraps */
	return 0;
}

/* The n-th frame of a flow. */
static struct tcp_frame frame_of(bool ipv6, unsigned n, uint32_t payload)
{
	const struct tcp_frame frame = {
	    .ipv6 = ipv6,
	    .fragmentable = true,
	    .options = 12,
	    .id = (uint16_t)(0xfffe + n),
	    .seq = next_seq,
	    .payload = payload,
	    .fill = (uint8_t)(n + 1),
	};

	next_seq += payload;
	return frame;
}

static bool add_bytes(uint32_t length)
{
	uint8_t *frame = buffer[nr_came];
	bool may;

	memcpy(came[nr_came], frame, length);
	came_length[nr_came] = length;
	may = coalesce_may_add(&held, frame, length);
	if (!coalesce_add(&held, BOTH, frame, length))
		return false;
	assert_true(may);
	nr_came++;
	return true;
}

static bool add(const struct tcp_frame *frame)
{
	return add_bytes(tcp_make(buffer[nr_came], frame));
}

static bool add_next(bool ipv6, uint32_t payload)
{
	const struct tcp_frame frame = frame_of(ipv6, nr_came, payload);

	return add(&frame);
}

static uint32_t take(void)
{
	unsigned nr = coalesce_packet(&held, &offload);
	uint32_t length = 0;

	for (unsigned i = 0; i < nr; i++) {
		assert_true(length + held.piece[i].len <= sizeof(packet));
		memcpy(packet + length, held.piece[i].data, held.piece[i].len);
		length += held.piece[i].len;
	}
	return length;
}

/* What is held is one packet whose segments are the frames that came. */
static void check_packet(bool ipv6, uint16_t size)
{
	uint32_t length = take();
	uint8_t segment[SIZE];

	assert_int_equal(held.frames, nr_came);
	assert_true(offload.csum_blank && !offload.csum_good);
	assert_int_equal(offload.gso, ipv6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4);
	assert_int_equal(offload.gso_size, size);
	assert_true(tcp_is_to_be_completed(packet, length));
	for (unsigned i = 0; i < nr_came; i++) {
		assert_int_equal(tcp_cut(packet, length, size, i, segment), came_length[i]);
		assert_memory_equal(segment, came[i], came_length[i]);
	}
	assert_int_equal(tcp_cut(packet, length, size, nr_came, segment), 0);
}

static void segments_become_one_packet(void **state)
{
	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		setup(NULL);
		for (unsigned i = 0; i < 40; i++)
			assert_true(add_next(ipv6, 1448));
		check_packet(ipv6, 1448);
		coalesce_drop(&held);
		assert_int_equal(held.frames, 0);
	}
}

static void one_frame_alone_is_as_it_was(void **state)
{
	(void)state;
	assert_true(add_next(false, 1000));
	assert_int_equal(take(), came_length[0]);
	assert_memory_equal(packet, came[0], came_length[0]);
	assert_true(offload.csum_good && !offload.csum_blank && !offload.gso);
	/* It may have to wait, and then another comes. */
	assert_true(add_next(false, 1000));
	check_packet(false, 1000);
	assert_true(add_next(false, 1000));
	check_packet(false, 1000);
}

static void a_shorter_one_is_the_last(void **state)
{
	(void)state;
	assert_true(add_next(false, 1448));
	assert_true(add_next(false, 7));
	assert_false(add_next(false, 7));
	assert_false(add_next(false, 1448));
	check_packet(false, 1448);
}

static void psh_is_the_last_and_stays_there(void **state)
{
	struct tcp_frame frame;

	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		setup(NULL);
		assert_true(add_next(ipv6, 1448));
		frame = frame_of(ipv6, 1, 1448);
		frame.flags = TCP_FLAG_ACK | TCP_FLAG_PSH;
		assert_true(add(&frame));
		assert_false(add_next(ipv6, 1448));
		check_packet(ipv6, 1448);
		/* There is nothing to wait for. */
		coalesce_drop(&held);
		assert_false(add(&frame));
	}
}

static void a_longer_one_begins_anew(void **state)
{
	(void)state;
	assert_true(add_next(false, 1000));
	assert_false(add_next(false, 1001));
}

static void a_packet_is_no_longer_than_it_may_be(void **state)
{
	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		uint32_t headers = ipv6 ? 86 : 66;

		setup(NULL);
		for (unsigned i = 0; i < 7; i++)
			assert_true(add_next(ipv6, 9000));
		assert_false(add_next(ipv6, NET_PACKET_MAX - headers - 7 * 9000 + 1));
		next_seq -= NET_PACKET_MAX - headers - 7 * 9000 + 1;
		assert_true(add_next(ipv6, NET_PACKET_MAX - headers - 7 * 9000));
		check_packet(ipv6, 9000);
	}
}

static void there_are_no_more_than_there_is_room_for(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COALESCE_FRAMES_MAX; i++)
		assert_true(add_next(false, 100));
	assert_false(add_next(false, 100));
	check_packet(false, 100);
}

/* The host may write where the frames lie: what was judged is what goes on. */
static void headers_are_read_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_true(add_next(false, 500));
		memset(buffer[i], 0xee, 66);
	}
	check_packet(false, 500);
}

static void only_what_the_guest_takes_begins(void **state)
{
	struct tcp_frame frame = {.payload = 100};

	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		uint32_t length;

		frame.ipv6 = ipv6;
		length = tcp_make(buffer[0], &frame);
		assert_false(coalesce_add(&held, 0, buffer[0], length));
		assert_false(coalesce_add(&held, 1u << (ipv6 ? NET_GSO_TCPV4 : NET_GSO_TCPV6),
					  buffer[0], length));
		assert_true(coalesce_add(&held, 1u << (ipv6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4),
					 buffer[0], length));
		coalesce_drop(&held);
	}
}

/* With DF it identifies nothing, and whoever sends may leave it. */
static void with_df_the_identification_does_not_matter(void **state)
{
	static const uint16_t ids[] = {7, 7, 1234};
	struct tcp_frame frame;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		frame = frame_of(false, i, 1000);
		frame.id = ids[i];
		frame.fragmentable = false;
		assert_true(add(&frame));
	}
	assert_true(tcp_is_to_be_completed(packet, take()));
	assert_int_equal(held.frames, 3);
}

/* ---- what does not join ---- */

/* Changes a byte of the second frame; its checksums are right again unless one of them was changed. */
static bool joins_with(bool ipv6, uint32_t offset, uint8_t value)
{
	struct tcp_frame frame;
	uint32_t length, at = ipv6 ? 54 : 34;

	setup(NULL);
	assert_true(add_next(ipv6, 600));
	frame = frame_of(ipv6, 1, 600);
	length = tcp_make(buffer[1], &frame);
	buffer[1][offset] ^= value;
	/* A length or a header's length that is wrong shall stay so. */
	if (!ipv6 && offset != 24 && offset != 25) {
		tcp_put16(buffer[1] + 24, 0);
		tcp_put16(buffer[1] + 24, ~tcp_sum(buffer[1] + 14, 20, 0));
	}
	if (offset != at + 16 && offset != at + 17) {
		tcp_put16(buffer[1] + at + 16, 0);
		tcp_put16(buffer[1] + at + 16, ~tcp_sum(buffer[1] + at, length - at,
							tcp_pseudo(buffer[1], length - at)));
	}
	return add_bytes(length);
}

/* Every bit of the headers but these: TCP's checksum, which has been looked at, and PSH. */
static void another_header_does_not_join(void **state)
{
	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		uint32_t at = ipv6 ? 54 : 34;

		for (uint32_t offset = 0; offset < at + 32; offset++) {
			for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
				bool may = offset == at + 16 || offset == at + 17 ||
					   (offset == at + 13 && bit == TCP_FLAG_PSH);

				assert_int_equal(joins_with(ipv6, offset, (uint8_t)bit), may);
			}
		}
		assert_true(joins_with(ipv6, at + 13, TCP_FLAG_PSH));
		check_packet(ipv6, 600);
	}
}

static bool begins_with(bool ipv6, uint32_t offset, uint8_t value)
{
	const struct tcp_frame frame = {.ipv6 = ipv6, .payload = 60};
	uint32_t length = tcp_make(buffer[0], &frame);

	setup(NULL);
	buffer[0][offset] = value;
	if (!ipv6) {
		tcp_put16(buffer[0] + 24, 0);
		tcp_put16(buffer[0] + 24, ~tcp_sum(buffer[0] + 14, 20, 0));
	}
	return add_bytes(length);
}

static void what_is_no_plain_segment_does_not_begin(void **state)
{
	static const struct {
		bool ipv6;
		uint32_t offset;
		uint8_t value;
	} changes[] = {
	    {false, 12, 0x81},            /* another type */
	    {false, 14, 0x46},            /* IP options */
	    {false, 14, 0x65},            /* another version */
	    {false, 17, 101},             /* more in the frame than in the packet */
	    {false, 20, 0x20},            /* more fragments, */
	    {false, 21, 1},               /* the last one */
	    {false, 23, 17},              /* UDP */
	    {false, 34 + 12, 0x40},       /* a header too short, */
	    {false, 34 + 12, 0xf0 | 0x1}, /* a reserved bit */
	    {false, 34 + 13, 0},          /* flags */
	    {false, 34 + 13, 0x11},
	    {false, 34 + 13, 0x12},
	    {false, 34 + 13, 0x14},
	    {false, 34 + 13, 0x18},
	    {false, 34 + 13, 0x30},
	    {false, 34 + 13, 0x50},
	    {false, 34 + 13, 0x90},
	    {true, 12, 0},
	    {true, 14, 0x40},
	    {true, 19, 79},
	    {true, 20, 0}, /* an extension header */
	    {true, 54 + 12, 0x40},
	    {true, 54 + 13, 0x11},
	};

	(void)state;
	assert_true(begins_with(false, 22, 1) && begins_with(true, 21, 1));
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_false(begins_with(changes[i].ipv6, changes[i].offset, changes[i].value));
}

static void a_wrong_header_checksum_is_not_put_right(void **state)
{
	const struct tcp_frame frame = {.payload = 60};
	uint32_t length = tcp_make(buffer[0], &frame);

	(void)state;
	buffer[0][25] ^= 1;
	assert_false(add_bytes(length));
}

/* Without payload there is nothing to join; behind the packet there must be nothing; and nothing is read behind the frame. */
static void a_frame_has_payload_and_no_padding(void **state)
{
	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		struct tcp_frame frame = {.ipv6 = ipv6, .options = 40};
		uint32_t length = tcp_make(buffer[0], &frame);

		assert_false(add_bytes(length));
		frame.payload = 1;
		length = tcp_make(buffer[0], &frame);
		assert_false(add_bytes(length + 1));
		for (uint32_t n = 0; n < length; n++) {
			uint8_t exact[120];

			memcpy(exact + sizeof(exact) - n, buffer[0], n);
			assert_false(coalesce_add(&held, BOTH, exact + sizeof(exact) - n, n));
			coalesce_may_add(&held, exact + sizeof(exact) - n, n);
		}
		assert_true(add_bytes(length));
		coalesce_drop(&held);
		nr_came = 0;
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
	    TEST(segments_become_one_packet),
	    TEST(one_frame_alone_is_as_it_was),
	    TEST(a_shorter_one_is_the_last),
	    TEST(psh_is_the_last_and_stays_there),
	    TEST(a_longer_one_begins_anew),
	    TEST(a_packet_is_no_longer_than_it_may_be),
	    TEST(there_are_no_more_than_there_is_room_for),
	    TEST(headers_are_read_once),
	    TEST(only_what_the_guest_takes_begins),
	    TEST(with_df_the_identification_does_not_matter),
	    TEST(another_header_does_not_join),
	    TEST(what_is_no_plain_segment_does_not_begin),
	    TEST(a_wrong_header_checksum_is_not_put_right),
	    TEST(a_frame_has_payload_and_no_padding),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
