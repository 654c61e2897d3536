/* SPDX-License-Identifier: MIT */
/* The VMBus server against a guest that behaves, and one that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/hv/hypercall.h"
#include "host/vmbus/inbox.h"
#include "tests/host/fake_guest.h"

/* A device that echoes each packet's payload as a completion. */
struct echo {
	unsigned opens, closes;
	bool refuse;
};

static bool echo_open(void *device, struct vmbus_channel *channel)
{
	struct echo *echo = device;

	(void)channel;
	echo->opens++;
	return !echo->refuse;
}

static void echo_close(void *device, struct vmbus_channel *channel)
{
	struct echo *echo = device;

	(void)channel;
	echo->closes++;
}

static bool echo_packet(void *device, struct vmbus_channel *channel,
			const struct vmbus_in_packet *in)
{
	(void)device;
	return vmbus_complete(channel, in->transaction, in->payload, in->payload_length);
}

static const struct vmbus_device_ops ops = {
    .open = echo_open, .close = echo_close, .packet = echo_packet};

struct world {
	struct fake_guest guest;
	struct echo echo;
	struct vmbus_channel *offered;
	struct fake_channel channel;
	struct vmbus_offer offer;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct vmbus_offering offering = {
	    .type = {.a = 1}, .instance = {.a = 2}, .ops = &ops, .device = &w->echo};

	fake_create(&w->guest);
	w->offered = vmbus_offer(w->guest.bus, &offering);
	*state = w;
	return 0;
}

static int connected(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	return fake_connect(&w->guest, VMBUS_VERSION_WIN10_V5_3) && fake_offer(&w->guest, &w->offer)
		   ? 0
		   : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fake_destroy(&w->guest);
	free(w);
	return 0;
}

static void every_version_that_linux_asks_for_is_spoken(void **state)
{
	static const uint32_t versions[] = {
	    VMBUS_VERSION_WS2008,     VMBUS_VERSION_WIN7,       VMBUS_VERSION_WIN8,
	    VMBUS_VERSION_WIN8_1,     VMBUS_VERSION_WIN10,      VMBUS_VERSION_WIN10_V4_1,
	    VMBUS_VERSION_WIN10_V5,   VMBUS_VERSION_WIN10_V5_1, VMBUS_VERSION_WIN10_V5_2,
	    VMBUS_VERSION_WIN10_V5_3,
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		assert_true(fake_connect(&w->guest, versions[i]));
		assert_int_equal(vmbus_version(w->guest.bus), versions[i]);
		assert_true(fake_offer(&w->guest, &w->offer));
		assert_false(fake_offer(&w->guest, &w->offer));
	}
	assert_false(fake_connect(&w->guest, VMBUS_VERSION(6, 7)));
	assert_int_equal(vmbus_version(w->guest.bus), 0);
}

static void an_offer_says_what_the_device_is(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->offer.type.a, 1);
	assert_int_equal(w->offer.instance.a, 2);
	assert_int_equal(w->offer.dedicated_interrupt, 1);
	assert_int_not_equal(w->offer.channel, 0);
	assert_int_equal(w->offer.monitor_allocated, 0);
}

static void packets_go_both_ways(void **state)
{
	struct world *w = *state;
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
						.flags = VMBUS_PACKET_WANTS_COMPLETION,
						.transaction = 5,
						.payload[0] = {"12345678", 8}};
	struct vmbus_in_packet in;

	assert_true(fake_open(&w->channel, &w->guest, &w->offer, 16));
	assert_int_equal(w->echo.opens, 1);
	assert_true(fake_send(&w->channel, &packet));
	assert_true(fake_receive(&w->channel, &in));
	assert_int_equal(in.type, VMBUS_PACKET_COMPLETION);
	assert_true(in.transaction == 5);
	assert_memory_equal(in.payload, "12345678", 8);
	assert_int_equal(w->guest.signals, 1);
}

/* Before 2.4 both ways of signalling go by one page; Win7 has a connection for each channel to the host already. */
static void old_versions_signal_by_the_shared_page(void **state)
{
	static const uint32_t versions[] = {VMBUS_VERSION_WS2008, VMBUS_VERSION_WIN7};
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
						.flags = VMBUS_PACKET_WANTS_COMPLETION,
						.payload[0] = {"12345678", 8}};
	struct world *w = *state;
	struct vmbus_in_packet in;

	for (size_t i = 0; i < 2; i++) {
		assert_true(fake_connect(&w->guest, versions[i]));
		assert_true(fake_offer(&w->guest, &w->offer));
		assert_true(fake_open(&w->channel, &w->guest, &w->offer, 16));
		w->guest.signals = 0;
		assert_true(fake_send(&w->channel, &packet));
		assert_true(fake_receive(&w->channel, &in));
		assert_memory_equal(in.payload, "12345678", 8);
		assert_int_equal(w->guest.signals, 1);
		assert_int_equal(w->guest.taken[0], 1u << w->offer.channel);
		assert_int_equal(w->guest.interrupts->to_host[0], 0);
	}
}

static void an_offer_of_the_first_version_has_no_connection_of_its_own(void **state)
{
	struct world *w = *state;

	assert_true(fake_connect(&w->guest, VMBUS_VERSION_WS2008));
	assert_true(fake_offer(&w->guest, &w->offer));
	assert_int_equal(w->offer.dedicated_interrupt, 0);
	assert_int_equal(w->offer.connection, VMBUS_CONNECTION_EVENT);
}

static void an_interrupt_page_that_is_no_memory_is_refused(void **state)
{
	static const uint64_t pages[] = {FAKE_MEMORY, 0x1001, UINT64_MAX & ~0xfffull};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		const struct vmbus_initiate_contact contact = {.header.number =
								   VMBUS_INITIATE_CONTACT,
							       .version = VMBUS_VERSION_WIN7,
							       .interrupt_page = pages[i]};
		const struct vmbus_version_response *response;

		fake_post(&w->guest, &contact, sizeof(contact));
		response = fake_next(&w->guest, VMBUS_VERSION_RESPONSE);
		assert_non_null(response);
		assert_int_equal(response->supported, 0);
	}
	assert_int_equal(w->guest.hooks, 0);
}

static void answers_wait_for_room_and_none_is_lost(void **state)
{
	struct world *w = *state;
	uint8_t bytes[1024] = {0};
	struct vmbus_in_packet in;
	unsigned sent = 0, received = 0;

	assert_true(fake_open(&w->channel, &w->guest, &w->offer, 3));
	while (received < 1000) {
		const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
							.transaction = sent,
							.payload[0] = {bytes, sizeof(bytes)}};

		if (sent < 1000 && fake_send(&w->channel, &packet)) {
			sent++;
			continue;
		}
		/* The rings are full both ways: now the guest reads. */
		while (fake_receive(&w->channel, &in)) {
			assert_true(in.transaction == received);
			received++;
		}
	}
	assert_int_equal(sent, 1000);
}

static void a_channel_can_be_closed_and_opened_again(void **state)
{
	struct world *w = *state;

	for (unsigned i = 1; i <= 3; i++) {
		const struct vmbus_gpadl_teardown teardown = {.header.number =
								  VMBUS_GPADL_TEARDOWN};
		struct vmbus_gpadl_teardown message = teardown;
		const struct vmbus_gpadl_torndown *torndown;

		assert_true(fake_open(&w->channel, &w->guest, &w->offer, 4));
		fake_close(&w->channel);
		assert_int_equal(w->echo.closes, i);
		assert_int_equal(w->guest.hooks, 0);
		message.gpadl = w->channel.gpadl;
		fake_post(&w->guest, &message, sizeof(message));
		torndown = fake_next(&w->guest, VMBUS_GPADL_TORNDOWN);
		assert_non_null(torndown);
		assert_int_equal(torndown->gpadl, w->channel.gpadl);
	}
}

static void a_refusing_device_leaves_the_channel_closed(void **state)
{
	struct world *w = *state;

	w->echo.refuse = true;
	assert_false(fake_open(&w->channel, &w->guest, &w->offer, 4));
	assert_int_equal(w->guest.hooks, 0);
	w->echo.refuse = false;
	assert_true(fake_open(&w->channel, &w->guest, &w->offer, 4));
}

static void a_rescinded_channel_is_gone_until_the_guest_lets_go(void **state)
{
	struct world *w = *state;
	const struct vmbus_channel_message released = {.header.number = VMBUS_RELID_RELEASED,
						       .channel = w->offer.channel};
	const struct vmbus_offering again = {.type = {.a = 9}, .ops = &ops, .device = &w->echo};

	assert_true(fake_open(&w->channel, &w->guest, &w->offer, 4));
	vmbus_rescind(w->offered);
	assert_int_equal(w->echo.closes, 1);
	assert_non_null(fake_next(&w->guest, VMBUS_RESCIND_CHANNEL));
	vmbus_offer(w->guest.bus, &again);
	assert_true(fake_offer(&w->guest, &w->offer));
	assert_int_not_equal(w->offer.channel, released.channel);
	fake_post(&w->guest, &released, sizeof(released));
	vmbus_offer(w->guest.bus, &again);
	assert_true(fake_offer(&w->guest, &w->offer));
	assert_int_equal(w->offer.channel, released.channel);
}

static void unload_closes_everything_and_a_new_kernel_connects(void **state)
{
	struct world *w = *state;
	const struct vmbus_header unload = {.number = VMBUS_UNLOAD};

	assert_true(fake_open(&w->channel, &w->guest, &w->offer, 4));
	fake_post(&w->guest, &unload, sizeof(unload));
	assert_non_null(fake_next(&w->guest, VMBUS_UNLOAD_RESPONSE));
	assert_int_equal(w->echo.closes, 1);
	assert_true(fake_connect(&w->guest, VMBUS_VERSION_WIN10));
	assert_true(fake_offer(&w->guest, &w->offer));
	assert_true(fake_open(&w->channel, &w->guest, &w->offer, 4));
}

static void frames_that_are_no_memory_are_refused(void **state)
{
	struct world *w = *state;
	struct vmbus_open open = {.header.number = VMBUS_OPEN_CHANNEL,
				  .channel = w->offer.channel,
				  .gpadl = 77,
				  .host_ring_page = 2};
	const struct vmbus_open_result *result;

	/* The GPADL itself is only a list; opening a channel on it is what fails. */
	fake_gpadl(&w->guest, w->offer.channel, 77, FAKE_MEMORY / GMEM_PAGE_SIZE - 2, 4);
	fake_post(&w->guest, &open, sizeof(open));
	result = fake_next(&w->guest, VMBUS_OPEN_RESULT);
	assert_non_null(result);
	assert_int_not_equal(result->status, VMBUS_STATUS_SUCCESS);
}

/* Each page of a scattered view may be a mapping of its own, and a process may have only so many. */
static void scattered_views_have_a_limit(void **state)
{
	static uint64_t frames[8000];
	void *view[GMEM_VIEWED_MOST / 8000 + 1];
	struct world *w = *state;
	unsigned count = 0;

	for (unsigned i = 0; i < 8000; i++)
		frames[i] = 1 + i % 2 * 2;
	while ((view[count] = gmem_map_frames(&w->guest.memory, frames, 8000)))
		count++;
	assert_int_equal(count, GMEM_VIEWED_MOST / 8000);
	gmem_unmap_frames(&w->guest.memory, view[0], 8000);
	view[0] = gmem_map_frames(&w->guest.memory, frames, 8000);
	assert_non_null(view[0]);
	while (count)
		gmem_unmap_frames(&w->guest.memory, view[--count], 8000);
}

/* A guest can post messages as fast as they are read. */
static void messages_leave_others_their_turn(void **state)
{
	static struct inbox inbox;
	const struct vmbus_header offers = {.number = VMBUS_REQUEST_OFFERS};
	struct world *w = *state;
	unsigned turns = 0;

	assert_int_equal(inbox_init(&inbox, w->guest.bus, &w->guest.loop), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(inbox_post(&inbox, VMBUS_CONNECTION_V5, VMBUS_MESSAGE_TYPE,
					    &offers, sizeof(offers)),
				 HV_STATUS_SUCCESS);
	for (; inbox.tail != inbox.head; turns++)
		assert_true(loop_turn(&w->guest.loop, 0));
	assert_in_range(turns, 3, 50);
	inbox_destroy(&inbox);
}

static void wrong_opens_are_refused(void **state)
{
	struct world *w = *state;
	struct vmbus_open good = {.header.number = VMBUS_OPEN_CHANNEL,
				  .channel = w->offer.channel,
				  .gpadl = 5,
				  .host_ring_page = 2};
	struct vmbus_open wrong[6] = {good, good, good, good, good, good};

	wrong[0].gpadl = 6;
	wrong[1].host_ring_page = 3; /* leaves one page for the other ring */
	wrong[2].host_ring_page = UINT32_MAX;
	wrong[3].host_ring_page = 0;
	wrong[4].target_vp = FAKE_CPUS;
	wrong[5].channel = 200; /* which was never offered */
	assert_true(fake_gpadl(&w->guest, w->offer.channel, 5, fake_frames(&w->guest, 4, NULL), 4));
	for (unsigned i = 0; i < 6; i++) {
		const struct vmbus_open_result *result;

		fake_post(&w->guest, &wrong[i], sizeof(wrong[i]));
		result = fake_next(&w->guest, VMBUS_OPEN_RESULT);
		assert_non_null(result);
		assert_int_not_equal(result->status, VMBUS_STATUS_SUCCESS);
	}
	fake_post(&w->guest, &good, sizeof(good));
	assert_int_equal(w->echo.opens, 1);
}

static void a_broken_ring_deafens_its_channel_only(void **state)
{
	struct world *w = *state;
	struct vmbus_offering second = {.type = {.a = 3}, .ops = &ops, .device = &w->echo};
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
						.payload[0] = {"12345678", 8}};
	static struct fake_channel other;
	struct vmbus_in_packet in;

	assert_true(fake_open(&w->channel, &w->guest, &w->offer, 4));
	vmbus_offer(w->guest.bus, &second);
	assert_true(fake_offer(&w->guest, &w->offer));
	assert_true(fake_open(&other, &w->guest, &w->offer, 4));
	w->channel.out.control->write = 12;
	fake_signal(&w->channel);
	assert_false(vmbus_is_open(w->offered));
	assert_true(fake_send(&other, &packet));
	assert_true(fake_receive(&other, &in));
}

static void any_message_of_any_length_is_survived(void **state)
{
	struct world *w = *state;
	uint8_t bytes[VMBUS_MESSAGE_MAX];

	for (uint32_t number = 0; number < 40; number++) {
		for (uint32_t length = 0; length <= sizeof(bytes); length += 4) {
			memset(bytes, (int)(length * 7 + number), sizeof(bytes));
			memcpy(bytes, &number, sizeof(number));
			vmbus_receive(w->guest.bus, VMBUS_CONNECTION_V5, bytes, length);
		}
		w->guest.tail = w->guest.head;
	}
	assert_true(fake_connect(&w->guest, VMBUS_VERSION_WIN10_V5_3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_version_that_linux_asks_for_is_spoken, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(an_offer_says_what_the_device_is, connected, teardown),
	    cmocka_unit_test_setup_teardown(packets_go_both_ways, connected, teardown),
	    cmocka_unit_test_setup_teardown(old_versions_signal_by_the_shared_page, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(
		an_offer_of_the_first_version_has_no_connection_of_its_own, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_interrupt_page_that_is_no_memory_is_refused, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(answers_wait_for_room_and_none_is_lost, connected,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_channel_can_be_closed_and_opened_again, connected,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_refusing_device_leaves_the_channel_closed, connected,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_rescinded_channel_is_gone_until_the_guest_lets_go,
					    connected, teardown),
	    cmocka_unit_test_setup_teardown(unload_closes_everything_and_a_new_kernel_connects,
					    connected, teardown),
	    cmocka_unit_test_setup_teardown(frames_that_are_no_memory_are_refused, connected,
					    teardown),
	    cmocka_unit_test_setup_teardown(scattered_views_have_a_limit, connected, teardown),
	    cmocka_unit_test_setup_teardown(messages_leave_others_their_turn, connected, teardown),
	    cmocka_unit_test_setup_teardown(wrong_opens_are_refused, connected, teardown),
	    cmocka_unit_test_setup_teardown(a_broken_ring_deafens_its_channel_only, connected,
					    teardown),
	    cmocka_unit_test_setup_teardown(any_message_of_any_length_is_survived, connected,
					    teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
