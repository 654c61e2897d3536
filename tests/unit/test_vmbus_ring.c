/* SPDX-License-Identifier: MIT */
/* VMBus rings: what goes in comes out, the peer is told when it must be, nonsense from it breaks nothing but the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/vmbus_ring.h"

#define PAGES 2

struct world {
	_Alignas(4096) uint8_t memory[PAGES * VMBUS_RING_PAGE];
	struct vmbus_ring producer, consumer;
	uint8_t buffer[8192];
};

static int setup(void **state)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);

	memset(w, 0, sizeof(*w));
	vmbus_ring_init(&w->producer, w->memory, PAGES);
	vmbus_ring_init(&w->consumer, w->memory, PAGES);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static enum vmbus_ring_result send_bytes(struct world *w, const void *bytes, uint32_t length,
					 bool *signal)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND, .transaction = 42, .payload[0] = {bytes, length}};

	return vmbus_ring_send(&w->producer, &packet, signal);
}

static enum vmbus_ring_result receive(struct world *w, struct vmbus_in_packet *packet)
{
	return vmbus_ring_receive(&w->consumer, w->buffer, sizeof(w->buffer), packet);
}

static void what_goes_in_comes_out(void **state)
{
	struct world *w = *state;
	const uint64_t extension[2] = {1, 2};
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_GPA_DIRECT,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .transaction = 0x1122334455667788,
	    .extension = {extension, sizeof(extension)},
	    .payload = {{"hello ", 6}, {"world", 5}},
	};
	struct vmbus_in_packet in;
	bool signal;

	assert_int_equal(vmbus_ring_send(&w->producer, &packet, &signal), VMBUS_RING_OK);
	assert_int_equal(receive(w, &in), VMBUS_RING_OK);
	assert_int_equal(in.type, VMBUS_PACKET_GPA_DIRECT);
	assert_int_equal(in.flags, VMBUS_PACKET_WANTS_COMPLETION);
	assert_true(in.transaction == 0x1122334455667788);
	assert_int_equal(in.extension_length, sizeof(extension));
	assert_memory_equal(in.extension, extension, sizeof(extension));
	assert_int_equal(in.payload_length, 16);
	assert_memory_equal(in.payload, "hello world\0\0\0\0\0", 16);
	assert_int_equal(receive(w, &in), VMBUS_RING_EMPTY);
}

static void packets_survive_the_end_of_the_ring(void **state)
{
	struct world *w = *state;
	struct vmbus_in_packet in;
	uint8_t bytes[1000];
	bool signal;

	for (unsigned i = 0; i < 1000; i++) {
		uint32_t length = 1 + i * 7 % sizeof(bytes);

		memset(bytes, (int)i, length);
		assert_int_equal(send_bytes(w, bytes, length, &signal), VMBUS_RING_OK);
		assert_int_equal(receive(w, &in), VMBUS_RING_OK);
		assert_int_equal(in.payload_length, (length + 7) & ~7u);
		assert_memory_equal(in.payload, bytes, length);
		vmbus_ring_release(&w->consumer);
	}
}

static void only_the_packet_into_an_empty_ring_signals(void **state)
{
	struct world *w = *state;
	struct vmbus_in_packet in;
	bool signal;

	send_bytes(w, "a", 1, &signal);
	assert_true(signal);
	send_bytes(w, "b", 1, &signal);
	assert_false(signal);
	receive(w, &in);
	receive(w, &in);
	vmbus_ring_release(&w->consumer);
	vmbus_ring_mask(&w->consumer);
	send_bytes(w, "c", 1, &signal);
	assert_false(signal);
	assert_true(vmbus_ring_unmask(&w->consumer)); /* and the consumer learns of it here */
}

static void a_full_ring_takes_nothing_and_asks_for_a_signal(void **state)
{
	struct world *w = *state;
	struct vmbus_in_packet in;
	uint8_t bytes[512] = {0};
	unsigned sent = 0;
	bool signal;

	while (send_bytes(w, bytes, sizeof(bytes), &signal) == VMBUS_RING_OK) {
		sent++;
	}
	assert_int_equal(sent, 7); /* of 536 bytes each; the last byte stays free */
	assert_int_equal(w->producer.control->pending_send, 536);
	receive(w, &in);
	assert_true(vmbus_ring_release(&w->consumer));
	receive(w, &in);
	assert_false(vmbus_ring_release(&w->consumer)); /* told once */
	assert_int_equal(send_bytes(w, bytes, sizeof(bytes), &signal), VMBUS_RING_OK);
	assert_int_equal(w->producer.control->pending_send, 0);
}

/* A smaller packet may find room where a larger one waits; that is still to be told. */
static void who_waits_for_room_hears_of_it_whoever_sends_meanwhile(void **state)
{
	struct world *w = *state;
	const uint64_t transaction = 1;
	struct vmbus_in_packet in;
	uint8_t bytes[512] = {0};
	bool signal;

	while (send_bytes(w, bytes, sizeof(bytes), &signal) == VMBUS_RING_OK) {
	}
	assert_int_equal(send_bytes(w, "small", 5, &signal), VMBUS_RING_OK);
	assert_int_equal(vmbus_ring_complete(&w->producer, &transaction, 1, 0, &signal), 1);
	receive(w, &in);
	assert_true(vmbus_ring_release(&w->consumer));
	assert_int_equal(send_bytes(w, bytes, sizeof(bytes), &signal), VMBUS_RING_OK);
	assert_int_equal(w->producer.control->pending_send, 0);
}

/* Around the ring's end too; as many as fit; told of once. */
static void completions_go_together_as_far_as_there_is_room(void **state)
{
	struct world *w = *state;
	uint64_t transaction[400], next = 1, seen = 1, payload;
	struct vmbus_in_packet in;
	bool signal;

	for (unsigned round = 0; round < 7; round++) {
		unsigned done;

		for (unsigned i = 0; i < 400; i++)
			transaction[i] = next + i;
		/* A packet of another length first, so that one of them goes around the end at each place. */
		assert_int_equal(send_bytes(w, "12345678", 8 * (round % 4 == 0), &signal),
				 VMBUS_RING_OK);
		assert_int_equal(receive(w, &in), VMBUS_RING_OK);
		vmbus_ring_release(&w->consumer);
		done = vmbus_ring_complete(&w->producer, transaction, 400, 0x123456789abcdef0,
					   &signal);
		assert_true(signal);
		assert_int_equal(done, (w->producer.size - 1) / 32);
		assert_int_equal(vmbus_ring_complete(&w->producer, transaction, 1, 0, &signal), 0);
		next += done;
		while (receive(w, &in) == VMBUS_RING_OK) {
			assert_int_equal(in.type, VMBUS_PACKET_COMPLETION);
			assert_int_equal(in.flags, 0);
			assert_true(in.transaction == seen);
			assert_int_equal(in.extension_length, 0);
			assert_int_equal(in.payload_length, sizeof(payload));
			memcpy(&payload, in.payload, sizeof(payload));
			assert_true(payload == 0x123456789abcdef0);
			seen++;
		}
		assert_true(seen == next);
		vmbus_ring_release(&w->consumer);
	}
	assert_int_equal(vmbus_ring_complete(&w->producer, transaction, 2, 0, &signal), 2);
	assert_true(signal);
	assert_int_equal(vmbus_ring_complete(&w->producer, transaction, 2, 0, &signal), 2);
	assert_false(signal);
	w->producer.control->read = 4;
	assert_int_equal(vmbus_ring_complete(&w->producer, transaction, 2, 0, &signal), 0);
}

static void wrong_indices_break_the_ring(void **state)
{
	static const uint32_t wrong[] = {4, 4095, 4096, 8192, UINT32_MAX};
	struct world *w = *state;
	struct vmbus_in_packet in;
	bool signal;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		w->consumer.control->write = wrong[i];
		assert_int_equal(receive(w, &in), VMBUS_RING_BROKEN);
		w->producer.control->read = wrong[i];
		assert_int_equal(send_bytes(w, "a", 1, &signal), VMBUS_RING_BROKEN);
	}
	w->consumer.control->write = 8; /* less than a header */
	assert_int_equal(receive(w, &in), VMBUS_RING_BROKEN);
}

static void wrong_lengths_break_the_ring(void **state)
{
	static const struct vmbus_packet_header wrong[] = {
	    {.payload_offset8 = 1, .length8 = 2},          {.payload_offset8 = 3, .length8 = 2},
	    {.payload_offset8 = 2, .length8 = 0},          {.payload_offset8 = 2, .length8 = 9},
	    {.payload_offset8 = 2, .length8 = UINT16_MAX},
	};
	struct world *w = *state;
	struct vmbus_in_packet in;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(w->consumer.data, &wrong[i], sizeof(wrong[i]));
		w->consumer.control->write = 64;
		assert_int_equal(receive(w, &in), VMBUS_RING_BROKEN);
	}
}

static void a_packet_larger_than_the_buffer_breaks_the_ring(void **state)
{
	struct world *w = *state;
	struct vmbus_in_packet in;
	uint8_t bytes[1024] = {0};
	bool signal;

	send_bytes(w, bytes, sizeof(bytes), &signal);
	assert_int_equal(vmbus_ring_receive(&w->consumer, w->buffer, 1024, &in), VMBUS_RING_BROKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_goes_in_comes_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(packets_survive_the_end_of_the_ring, setup, teardown),
	    cmocka_unit_test_setup_teardown(only_the_packet_into_an_empty_ring_signals, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_full_ring_takes_nothing_and_asks_for_a_signal, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(who_waits_for_room_hears_of_it_whoever_sends_meanwhile,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(completions_go_together_as_far_as_there_is_room, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(wrong_indices_break_the_ring, setup, teardown),
	    cmocka_unit_test_setup_teardown(wrong_lengths_break_the_ring, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_packet_larger_than_the_buffer_breaks_the_ring, setup,
					    teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
