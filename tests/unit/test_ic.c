/* SPDX-License-Identifier: MIT */
/* The integration services, by a guest's end; and their layouts against those that Debian ships for its KVP daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/hyperv.h>

#include "host/ic/services.h"
#include "tests/host/fake_guest.h"

struct message {
	struct vmbus_pipe_header pipe;
	struct ic_header header;
	uint8_t body[IC_MAX_BODY];
} __attribute__((packed));

struct world {
	struct fake_guest guest;
	struct fake_channel channel;
	struct ic_shutdown_service shutdown;
	struct message message;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct vmbus_offer offer;

	*state = w;
	fake_create(&w->guest);
	assert_int_equal(ic_offer(&w->shutdown.ic, &ic_shutdown_ops, w->guest.bus), 0);
	assert_true(fake_connect(&w->guest, VMBUS_VERSION_WIN10_V5_3));
	assert_true(fake_offer(&w->guest, &offer));
	assert_true(offer.flags & VMBUS_OFFER_NAMED_PIPE);
	assert_true(fake_open(&w->channel, &w->guest, &offer, 4));
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fake_destroy(&w->guest);
	free(w);
	return 0;
}

static bool next(struct world *w)
{
	struct vmbus_in_packet in;

	if (!fake_receive(&w->channel, &in)) {
		return false;
	}
	assert_true(in.payload_length <= sizeof(w->message) + 8);
	memcpy(&w->message, in.payload,
	       in.payload_length < sizeof(w->message) ? in.payload_length : sizeof(w->message));
	return true;
}

/* The guest answers in the packet that it got. */
static void answer(struct world *w, uint32_t status)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND, .payload[0] = {&w->message, w->message.pipe.bytes + 8}};

	w->message.header.status = status;
	w->message.header.flags = IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE;
	assert_true(fake_send(&w->channel, &packet));
}

static void negotiate(struct world *w, uint32_t framework, uint32_t version)
{
	const struct {
		struct ic_negotiate head;
		uint32_t framework, version;
	} __attribute__((packed)) choice = {{1, 1, 0}, framework, version};

	assert_true(next(w));
	assert_int_equal(w->message.header.type, IC_NEGOTIATE);
	memcpy(w->message.body, &choice, sizeof(choice));
	answer(w, IC_STATUS_SUCCESS);
}

static void a_guest_that_negotiated_can_be_asked(void **state)
{
	struct world *w = *state;
	struct ic_shutdown question;

	assert_false(ic_shutdown(&w->shutdown, false)); /* not yet */
	negotiate(w, IC_VERSION(3, 0), IC_VERSION(3, 2));
	assert_true(ic_shutdown(&w->shutdown, true));
	assert_true(next(w));
	assert_int_equal(w->message.header.type, IC_SHUTDOWN);
	assert_int_equal(w->message.header.message_version, IC_VERSION(3, 2));
	memcpy(&question, w->message.body, sizeof(question));
	assert_int_equal(question.flags, IC_SHUTDOWN_RESTART);
	assert_false(ic_shutdown(&w->shutdown, false)); /* it owes an answer */
	answer(w, IC_STATUS_FAIL);
	assert_true(w->shutdown.refused);
	assert_true(ic_shutdown(&w->shutdown, false));
}

static void an_old_guest_is_not_asked_to_restart(void **state)
{
	struct world *w = *state;

	negotiate(w, IC_VERSION(1, 0), IC_VERSION(1, 0));
	assert_false(ic_shutdown(&w->shutdown, true));
	assert_true(ic_shutdown(&w->shutdown, false));
}

static void answers_to_nothing_are_ignored(void **state)
{
	struct world *w = *state;

	assert_true(next(w));
	w->message.header.transaction++;
	answer(w, IC_STATUS_SUCCESS);
	assert_int_equal(w->shutdown.ic.state, IC_NEGOTIATING);
	w->message.header.transaction--;
	w->message.header.type = IC_SHUTDOWN;
	answer(w, IC_STATUS_SUCCESS);
	assert_int_equal(w->shutdown.ic.state, IC_NEGOTIATING);
	w->message.pipe.bytes = 3;
	answer(w, IC_STATUS_SUCCESS);
	assert_int_equal(w->shutdown.ic.state, IC_NEGOTIATING);
}

/* Once a second, whether the guest answers or not: one that hangs for a year must not cost memory for each. */
static void a_guest_that_reads_nothing_is_not_asked_for_ever(void **state)
{
	struct world *w = *state;
	struct ic_heartbeat_service heartbeat = {0};
	struct vmbus_offer offer;
	unsigned asked = 0;

	assert_int_equal(ic_offer(&heartbeat.ic, &ic_heartbeat_ops, w->guest.bus), 0);
	assert_true(fake_offer(&w->guest, &offer));
	assert_true(fake_open(&w->channel, &w->guest, &offer, 4));
	negotiate(w, IC_VERSION(3, 0), IC_VERSION(3, 0));
	for (unsigned second = 0; second < 2000; second++) {
		ic_tick(&heartbeat.ic);
	}
	while (next(w)) {
		asked++;
	}
	assert_in_range(asked, 1, 500);
	vmbus_rescind(heartbeat.ic.channel);
}

static void the_layouts_are_those_of_linux(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct ic_kvp_value), sizeof(struct hv_kvp_exchg_msg_value));
	assert_int_equal(offsetof(struct ic_kvp_value, key),
			 offsetof(struct hv_kvp_exchg_msg_value, key));
	assert_int_equal(offsetof(struct ic_kvp_value, value),
			 offsetof(struct hv_kvp_exchg_msg_value, value));
	assert_int_equal(offsetof(struct ic_kvp, index),
			 offsetof(struct hv_kvp_msg, body.kvp_enum_data.index));
	assert_int_equal(offsetof(struct ic_kvp, data),
			 offsetof(struct hv_kvp_msg, body.kvp_enum_data.data));
	assert_int_equal(IC_KVP_ENUMERATE, KVP_OP_ENUMERATE);
	assert_int_equal(IC_KVP_AUTO, KVP_POOL_AUTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_guest_that_negotiated_can_be_asked, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_old_guest_is_not_asked_to_restart, setup, teardown),
	    cmocka_unit_test_setup_teardown(answers_to_nothing_are_ignored, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_guest_that_reads_nothing_is_not_asked_for_ever, setup,
					    teardown),
	    cmocka_unit_test(the_layouts_are_those_of_linux),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
