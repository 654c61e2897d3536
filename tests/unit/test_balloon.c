/* SPDX-License-Identifier: MIT */
/* Dynamic memory against a guest that plays along, and one that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "host/balloon.h"
#include "tests/host/fake_guest.h"

#define PAGES      (FAKE_MEMORY / GMEM_PAGE_SIZE)
#define MOST_PAGES (FAKE_MEMORY_MOST / GMEM_PAGE_SIZE)
#define ALIGNMENT  2u /* MiB log2 */

struct world {
	struct fake_guest guest;
	struct fake_channel channel;
	struct balloon balloon;
	struct gmem_range added;
	unsigned adds;
	uint16_t type; /* of the last message */
	uint8_t body[4096];
};

static bool add(void *context, struct gmem_range range)
{
	struct world *w = context;

	w->added = range;
	w->adds++;
	return true;
}

static void say(struct world *w, uint16_t type, const void *body, uint32_t length)
{
	uint8_t message[2048];
	const struct balloon_header header = {type, (uint16_t)(sizeof(header) + length), 1};
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .payload[0] = {message, (uint32_t)sizeof(header) + length}};

	memcpy(message, &header, sizeof(header));
	if (length) {
		memcpy(message + sizeof(header), body, length);
	}
	assert_true(fake_send(&w->channel, &packet));
}

/* The next message of the host; false where there is none. */
static bool hear(struct world *w)
{
	struct vmbus_in_packet in;
	struct balloon_header header;

	if (!fake_receive(&w->channel, &in)) {
		return false;
	}
	memcpy(&header, in.payload, sizeof(header));
	assert_true(header.size <= in.payload_length && header.size >= sizeof(header));
	w->type = header.type;
	memcpy(w->body, in.payload + sizeof(header), header.size - sizeof(header));
	return true;
}

static void assert_hears(struct world *w, uint16_t type)
{
	assert_true(hear(w));
	assert_int_equal(w->type, type);
}

static bool accepted(struct world *w)
{
	struct balloon_accept answer;

	memcpy(&answer, w->body, sizeof(answer));
	return answer.accepted & 1;
}

static bool ask_version(struct world *w, uint32_t version)
{
	const struct balloon_version_request request = {.version = version};

	say(w, BALLOON_VERSION_REQUEST, &request, sizeof(request));
	assert_hears(w, BALLOON_VERSION_RESPONSE);
	return accepted(w);
}

static void tell_capabilities(struct world *w, uint64_t flags)
{
	const struct balloon_capabilities capabilities = {.flags = flags | ALIGNMENT << 2};

	say(w, BALLOON_CAPABILITIES, &capabilities, sizeof(capabilities));
	assert_hears(w, BALLOON_CAPABILITIES_RESPONSE);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct vmbus_offer offer;

	*state = w;
	fake_create(&w->guest);
	w->balloon = (struct balloon){.memory = &w->guest.memory, .add = add, .context = w};
	assert_int_equal(balloon_offer(&w->balloon, w->guest.bus), 0);
	assert_true(fake_connect(&w->guest, VMBUS_VERSION_WIN10_V5_3));
	assert_true(fake_offer(&w->guest, &offer));
	assert_true(fake_open(&w->channel, &w->guest, &offer, 16));
	return 0;
}

static int ready(void **state)
{
	setup(state);
	assert_true(ask_version(*state, BALLOON_VERSION_WIN10));
	tell_capabilities(*state, BALLOON_CAN_INFLATE | BALLOON_CAN_HOT_ADD);
	assert_true(accepted(*state));
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fake_destroy(&w->guest);
	balloon_destroy(&w->balloon);
	free(w);
	return 0;
}

static void give(struct world *w, uint64_t first, uint64_t count, bool more)
{
	const struct {
		struct balloon_inflate_response head;
		uint64_t range;
	} response = {{.count_and_more = 1u << 1 | more}, BALLOON_RANGE(first, count)};

	say(w, BALLOON_INFLATE_RESPONSE, &response, sizeof(response));
}

static uint32_t asked(struct world *w)
{
	struct balloon_inflate message;

	assert_hears(w, BALLOON_INFLATE);
	memcpy(&message, w->body, sizeof(message));
	return message.pages;
}

static void versions_are_agreed_on(void **state)
{
	struct world *w = *state;

	assert_false(ask_version(w, BALLOON_VERSION(9, 0)));
	tell_capabilities(w, BALLOON_CAN_INFLATE);
	assert_false(accepted(w));
	assert_false(balloon_set_target(&w->balloon, FAKE_MEMORY / 2));
	assert_true(ask_version(w, BALLOON_VERSION_WIN7));
	assert_true(ask_version(w, BALLOON_VERSION_WIN8));
	assert_true(ask_version(w, BALLOON_VERSION_WIN10));
}

static void pages_are_taken_and_given_back(void **state)
{
	struct world *w = *state;
	uint8_t *page = gmem_at(&w->guest.memory, gpa(2000 * GMEM_PAGE_SIZE), GMEM_PAGE_SIZE);
	struct balloon_deflate deflate;
	uint64_t range[2];

	memset(page, 1, GMEM_PAGE_SIZE);
	assert_true(balloon_set_target(&w->balloon, (PAGES - 100) * GMEM_PAGE_SIZE));
	assert_int_equal(asked(w), 100);
	give(w, 2000, 60, true);
	give(w, 3000, 40, false);
	assert_int_equal(page[0], 0);
	assert_int_equal(balloon_assigned(&w->balloon), (PAGES - 100) * GMEM_PAGE_SIZE);
	assert_false(hear(w));
	assert_true(balloon_set_target(&w->balloon, (PAGES - 30) * GMEM_PAGE_SIZE));
	assert_hears(w, BALLOON_DEFLATE);
	memcpy(&deflate, w->body, sizeof(deflate));
	memcpy(range, w->body + sizeof(deflate), sizeof(range));
	assert_int_equal(deflate.ranges, 2);
	assert_true(range[0] == BALLOON_RANGE(2000, 60) && range[1] == BALLOON_RANGE(3000, 10));
	say(w, BALLOON_DEFLATE_RESPONSE, NULL, 0);
	assert_int_equal(balloon_assigned(&w->balloon), (PAGES - 30) * GMEM_PAGE_SIZE);
	assert_false(hear(w));
}

static void a_guest_that_gives_nothing_is_asked_again_later(void **state)
{
	const struct balloon_inflate_response nothing = {0};
	const struct balloon_status status = {.available = 7};
	struct world *w = *state;

	assert_true(balloon_set_target(&w->balloon, FAKE_MEMORY / 2));
	assert_int_equal(asked(w), PAGES / 2);
	say(w, BALLOON_INFLATE_RESPONSE, &nothing, sizeof(nothing));
	assert_false(hear(w));
	say(w, BALLOON_STATUS, &status, sizeof(status));
	assert_int_equal(asked(w), PAGES / 2);
	assert_int_equal(w->balloon.status.available, 7);
}

/* What an answer names it pays for, be it taken already. */
static void an_answer_names_no_more_than_was_asked(void **state)
{
	struct {
		struct balloon_inflate_response head;
		uint64_t range[2];
	} response = {{.count_and_more = 2u << 1 | 1}, {BALLOON_RANGE(1000, 60), 0}};
	struct world *w = *state;

	assert_true(balloon_set_target(&w->balloon, (PAGES - 100) * GMEM_PAGE_SIZE));
	assert_int_equal(asked(w), 100);
	give(w, 1000, 60, true);
	/* 40 are asked for still: the first range uses that up, though nothing of it is new. */
	response.range[1] = BALLOON_RANGE(2000, 40);
	say(w, BALLOON_INFLATE_RESPONSE, &response, sizeof(response));
	assert_int_equal(balloon_assigned(&w->balloon), (PAGES - 60) * GMEM_PAGE_SIZE);
	give(w, 2000, 40, false);
	assert_int_equal(balloon_assigned(&w->balloon), (PAGES - 100) * GMEM_PAGE_SIZE);
}

static void what_is_not_ram_or_given_twice_does_not_count(void **state)
{
	static const struct {
		uint64_t first, count, good;
	} gifts[] = {{PAGES, 1, 0},  {PAGES - 1, 2, 0}, {(1ull << 40) - 1, 1, 0},    {5, 0, 0},
		     {1000, 10, 10}, {1005, 10, 5},     {0, BALLOON_RANGE_MOST, 35}, {100, 50, 0}};
	struct world *w = *state;
	uint64_t total = 0;

	assert_true(balloon_set_target(&w->balloon, (PAGES - 50) * GMEM_PAGE_SIZE));
	assert_int_equal(asked(w), 50);
	for (size_t i = 0; i < sizeof(gifts) / sizeof(gifts[0]); i++) {
		/* More than was asked is cut to that. */
		give(w, gifts[i].first, gifts[i].count, true);
		total += gifts[i].good;
		assert_int_equal(w->balloon.taken, total);
	}
}

static void answers_without_a_question_change_nothing(void **state)
{
	const struct balloon_hot_add_response added = {100, 1};
	struct world *w = *state;

	give(w, 1000, 10, false);
	say(w, BALLOON_HOT_ADD_RESPONSE, &added, sizeof(added));
	say(w, BALLOON_DEFLATE_RESPONSE, NULL, 0);
	assert_int_equal(balloon_assigned(&w->balloon), FAKE_MEMORY);
	assert_false(hear(w));
}

static void memory_is_added_in_units_up_to_the_most(void **state)
{
	struct balloon_hot_add_response done = {1024, 1};
	struct balloon_hot_add message;
	struct world *w = *state;

	assert_true(balloon_set_target(&w->balloon, FAKE_MEMORY + GMEM_PAGE_SIZE));
	assert_hears(w, BALLOON_HOT_ADD);
	memcpy(&message, w->body, sizeof(message));
	assert_true(message.range == BALLOON_RANGE(GMEM_HOLE_END / GMEM_PAGE_SIZE, 1024));
	assert_int_equal(w->added.size, 4u << 20);
	assert_non_null(gmem_at(&w->guest.memory, gpa(GMEM_HOLE_END), 4u << 20));
	assert_null(gmem_at(&w->guest.memory, gpa(GMEM_HOLE_END), (4u << 20) + 1));
	say(w, BALLOON_HOT_ADD_RESPONSE, &done, sizeof(done));
	assert_int_equal(balloon_assigned(&w->balloon), FAKE_MEMORY + (4u << 20));
	/* What went beyond the target is taken back. */
	assert_int_equal(asked(w), 1023);
	give(w, GMEM_HOLE_END / GMEM_PAGE_SIZE, 1023, false);
	assert_false(hear(w));
	/* The taken ones first, then the rest there can be. */
	assert_true(balloon_set_target(&w->balloon, FAKE_MEMORY_MOST));
	assert_hears(w, BALLOON_DEFLATE);
	say(w, BALLOON_DEFLATE_RESPONSE, NULL, 0);
	assert_hears(w, BALLOON_HOT_ADD);
	memcpy(&message, w->body, sizeof(message));
	assert_int_equal(BALLOON_RANGE_COUNT(message.range), MOST_PAGES - PAGES - 1024);
	assert_int_equal(w->adds, 2);
}

static void a_new_guest_has_all_its_memory(void **state)
{
	struct world *w = *state;

	assert_true(balloon_set_target(&w->balloon, FAKE_MEMORY / 2));
	assert_int_equal(asked(w), PAGES / 2);
	give(w, 1000, 1000, true);
	fake_close(&w->channel);
	assert_int_equal(balloon_assigned(&w->balloon), FAKE_MEMORY);
	assert_false(balloon_set_target(&w->balloon, FAKE_MEMORY / 2));
}

int main(void)
{
#define TEST(name, before) cmocka_unit_test_setup_teardown(name, before, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(versions_are_agreed_on, setup),
	    TEST(pages_are_taken_and_given_back, ready),
	    TEST(a_guest_that_gives_nothing_is_asked_again_later, ready),
	    TEST(an_answer_names_no_more_than_was_asked, ready),
	    TEST(what_is_not_ram_or_given_twice_does_not_count, ready),
	    TEST(answers_without_a_question_change_nothing, ready),
	    TEST(memory_is_added_in_units_up_to_the_most, ready),
	    TEST(a_new_guest_has_all_its_memory, ready),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
