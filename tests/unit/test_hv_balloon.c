/* SPDX-License-Identifier: MIT */
/* The guest's end of dynamic memory, packet by packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/vmbus/balloon.h"
#include "tests/host/fake_hv.h"

#define PAGES 131072u /* 512 MiB */

static struct hv_channel *channel;

static struct balloon_header last(void)
{
	struct balloon_header header;

	memcpy(&header, fake_answer.bytes, sizeof(header));
	assert_int_equal(header.size, fake_answer.length);
	return header;
}

static const void *body(void)
{
	return fake_answer.bytes + sizeof(struct balloon_header);
}

static void send(uint16_t type, const void *rest, uint32_t length)
{
	struct {
		struct balloon_header header;
		uint8_t body[4000];
	} message = {.header = {.type = type, .size = (uint16_t)(sizeof(message.header) + length)}};

	memcpy(message.body, rest, length);
	fake_hv_packet(channel, &message, message.header.size, 0);
}

static void answer_yes(uint16_t type, uint64_t yes)
{
	const struct balloon_accept accept = {yes};

	send(type, &accept, sizeof(accept));
}

static int setup(void **state)
{
	(void)state;
	fake_hv_reset();
	fake_seam.pages = PAGES;
	fake_seam.now = 1000000000;
	channel = fake_hv_open_named("dynamic memory");
	return 0;
}

static int setup_ready(void **state)
{
	setup(state);
	answer_yes(BALLOON_VERSION_RESPONSE, 1);
	answer_yes(BALLOON_CAPABILITIES_RESPONSE, 1);
	fake_hv_ring();
	assert_int_equal(last().type, BALLOON_STATUS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_hv_reset();
	return 0;
}

static void the_newest_version_that_the_host_takes_is_spoken(void **state)
{
	struct balloon_version_request request;

	(void)state;
	memcpy(&request, body(), sizeof(request));
	assert_int_equal(last().type, BALLOON_VERSION_REQUEST);
	assert_int_equal(request.version, BALLOON_VERSION_WIN10);
	assert_int_equal(request.last, 0);
	answer_yes(BALLOON_VERSION_RESPONSE, 0);
	answer_yes(BALLOON_VERSION_RESPONSE, 0);
	memcpy(&request, body(), sizeof(request));
	assert_int_equal(request.version, BALLOON_VERSION_WIN7);
	assert_int_equal(request.last, 1);
	answer_yes(BALLOON_VERSION_RESPONSE, 1);
	assert_int_equal(last().type, BALLOON_CAPABILITIES);
	assert_int_equal(((const struct balloon_capabilities *)body())->flags, BALLOON_CAN_INFLATE);
}

static void a_host_that_takes_none_is_left_alone(void **state)
{
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		answer_yes(BALLOON_VERSION_RESPONSE, 0);
	count = fake_answer.count;
	answer_yes(BALLOON_VERSION_RESPONSE, 1);
	answer_yes(BALLOON_CAPABILITIES_RESPONSE, 1);
	fake_hv_ring();
	assert_int_equal(fake_answer.count, count);
}

static void ask_for(uint32_t pages)
{
	const struct balloon_inflate request = {.pages = pages};

	send(BALLOON_INFLATE, &request, sizeof(request));
}

static void what_the_guest_gives_up_the_host_gets(void **state)
{
	const struct balloon_inflate_response *response = body();
	const uint64_t *range = (const uint64_t *)(response + 1);
	unsigned count = fake_answer.count;

	(void)state;
	ask_for(8);
	assert_int_equal(fake_seam.target_kib, (PAGES - 8) * 4);
	fake_hv_ring();
	assert_int_equal(fake_answer.count, count); /* nothing yet, so nothing is said */
	for (uint64_t frame = 100; frame < 104; frame++)
		fake_hv_give_up(frame);
	fake_hv_ring();
	assert_int_equal(last().type, BALLOON_INFLATE_RESPONSE);
	assert_int_equal(response->count_and_more, 1 << 1 | 1);
	assert_int_equal(range[0], BALLOON_RANGE(100, 4));
	fake_hv_give_up(51);
	fake_hv_give_up(50);
	fake_hv_give_up(60);
	fake_hv_give_up(61);
	fake_hv_ring();
	assert_int_equal(response->count_and_more, 2 << 1);
	assert_int_equal(range[0], BALLOON_RANGE(60, 2));
	assert_int_equal(range[1], BALLOON_RANGE(50, 2));
}

static void a_guest_that_gives_nothing_keeps_what_it_has(void **state)
{
	const struct balloon_inflate_response *response = body();
	unsigned count = fake_answer.count;

	(void)state;
	ask_for(8);
	fake_hv_give_up(7);
	for (unsigned i = 0; i < 100 && (fake_answer.count < count + 2); i++)
		fake_hv_ring();
	assert_int_equal(last().type, BALLOON_INFLATE_RESPONSE);
	assert_int_equal(response->count_and_more, 0);
	assert_in_range(fake_seam.now, 6000000000, 7000000000);
	/* It is not to go on giving. */
	assert_int_equal(fake_seam.target_kib, (PAGES - 1) * 4);
}

static void a_guest_that_gives_slowly_is_asked_again(void **state)
{
	const struct balloon_inflate_response *response = body();
	uint64_t frame = 0;

	(void)state;
	ask_for(1000);
	do {
		fake_hv_give_up(frame += 2);
		fake_hv_ring();
	} while (frame < 900 && response->count_and_more & 1);
	assert_int_equal(response->count_and_more, 1 << 1);
	assert_in_range(fake_seam.now, 11000000000, 11300000000);
	assert_int_equal(fake_seam.target_kib, fake_seam.pages * 4);
}

static void the_guest_is_not_asked_for_what_it_needs(void **state)
{
	(void)state;
	ask_for(PAGES);
	assert_int_equal(fake_seam.target_kib, 128 << 10);
}

static void pages_come_back_once(void **state)
{
	struct {
		struct balloon_deflate head;
		uint64_t range[3];
	} request = {
	    .head.ranges = 3,
	    .range = {BALLOON_RANGE(10, 4), BALLOON_RANGE(4000000, 9000000), BALLOON_RANGE(12, 2)}};

	(void)state;
	ask_for(4);
	for (uint64_t frame = 10; frame < 14; frame++)
		fake_hv_give_up(frame);
	fake_hv_ring();
	send(BALLOON_DEFLATE, &request, sizeof(request));
	assert_int_equal(last().type, BALLOON_DEFLATE_RESPONSE);
	assert_int_equal(fake_seam.waiting, 4);
	assert_int_equal(fake_seam.target_kib, PAGES * 4);
	/* More ranges announced than there are; and more requests to follow. */
	request.head = (struct balloon_deflate){.more = 1, .ranges = UINT32_MAX};
	unsigned count = fake_answer.count;
	send(BALLOON_DEFLATE, &request, sizeof(request));
	assert_int_equal(fake_answer.count, count);
	assert_int_equal(fake_seam.waiting, 4);
}

static void nothing_is_lost_while_the_ring_is_full(void **state)
{
	const struct balloon_inflate_response *response = body();

	(void)state;
	ask_for(2);
	fake_hv_give_up(20);
	fake_answer.full = true;
	fake_hv_ring();
	fake_hv_give_up(30);
	fake_hv_ring();
	fake_answer.full = false;
	fake_hv_drained(channel);
	assert_int_equal(response->count_and_more, 1 << 1 | 1);
	fake_hv_ring();
	assert_int_equal(response->count_and_more, 1 << 1);
}

/* As above, with a request that waits behind what waits: whoever sends that, the request is taken up. */
static void a_request_behind_what_waited_is_heard(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fake_answer.full = true;
		fake_seam.now += 10000000000;
		fake_hv_ring(); /* a report */
		send(BALLOON_HOT_ADD, "", 0);
		fake_answer.full = false;
		if (i)
			fake_hv_ring();
		else
			channel->driver->drained(channel);
		assert_int_equal(last().type, BALLOON_HOT_ADD_RESPONSE);
	}
}

static void the_guests_agent_says_what_is_free(void **state)
{
	const struct balloon_status *status = body();

	(void)state;
	assert_int_equal(status->available, 0);
	assert_int_equal(status->committed, PAGES);
	xen_control_write("data/meminfo_free", "4096");
	fake_hv_ring();
	assert_int_equal(last().type, BALLOON_STATUS);
	assert_int_equal(status->available, 1024);
	assert_int_equal(status->committed, PAGES - 1024);
}

static void hot_added_memory_is_declined(void **state)
{
	const struct balloon_hot_add add = {BALLOON_RANGE(1 << 20, 32768)};
	const struct balloon_hot_add_response *response = body();

	(void)state;
	send(BALLOON_HOT_ADD, &add, sizeof(add));
	assert_int_equal(last().type, BALLOON_HOT_ADD_RESPONSE);
	assert_int_equal(response->pages + response->result, 0);
}

#define TEST(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define READY(f) cmocka_unit_test_setup_teardown(f, setup_ready, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_newest_version_that_the_host_takes_is_spoken),
	    TEST(a_host_that_takes_none_is_left_alone),
	    READY(what_the_guest_gives_up_the_host_gets),
	    READY(a_guest_that_gives_nothing_keeps_what_it_has),
	    READY(a_guest_that_gives_slowly_is_asked_again),
	    READY(the_guest_is_not_asked_for_what_it_needs),
	    READY(pages_come_back_once),
	    READY(nothing_is_lost_while_the_ring_is_full),
	    READY(a_request_behind_what_waited_is_heard),
	    READY(the_guests_agent_says_what_is_free),
	    READY(hot_added_memory_is_declined),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
