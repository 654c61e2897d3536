/* SPDX-License-Identifier: MIT */
/* The synthetic network adapter, by its guest's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/vmbus/netvsp.h"
#include "host/netvsp.h"
#include "host/rndis.h"
#include "tests/host/fake_guest.h"

#define RECEIVE_FRAMES 8u
#define SEND_FRAMES    6u

struct world {
	struct fake_guest guest;
	struct fake_channel channel;
	struct net_backend backend;
	struct netvsp *adapter;
	unsigned sent, resumed;
	uint32_t sent_length;
	uint8_t sent_frame[2048];
	struct net_work sent_work;
	uint8_t *receive, *send;
	uint32_t section_size, sections;
	struct vmbus_offer offer, offers[3];
};

static void backend_send(struct net_backend *backend, uint8_t *frame, uint32_t length,
			 const struct net_work *work)
{
	struct world *w = (struct world *)((char *)backend - offsetof(struct world, backend));

	w->sent++;
	w->sent_length = length;
	memcpy(w->sent_frame, frame,
	       length < sizeof(w->sent_frame) ? length : sizeof(w->sent_frame));
	w->sent_work = *work;
}

static void backend_resume(struct net_backend *backend)
{
	struct world *w = (struct world *)((char *)backend - offsetof(struct world, backend));

	w->resumed++;
}

static const struct net_backend_ops backend_ops = {.send = backend_send, .resume = backend_resume};

/* Sends an NVSP message and returns the answer. */
static struct nvsp_message ask(struct world *w, const struct nvsp_message *message)
{
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
						.flags = VMBUS_PACKET_WANTS_COMPLETION,
						.transaction = 3,
						.payload[0] = {message, sizeof(*message)}};
	struct nvsp_message answer;
	struct vmbus_in_packet in;

	assert_true(fake_send(&w->channel, &packet));
	do {
		assert_true(fake_receive(&w->channel, &in));
	} while (in.type != VMBUS_PACKET_COMPLETION);
	assert_true(in.transaction == 3);
	memcpy(&answer, in.payload, sizeof(answer));
	return answer;
}

/* A section of the send buffer as an RNDIS message. */
static uint32_t rndis(struct world *w, uint32_t channel, uint32_t section, uint32_t bytes)
{
	const struct nvsp_message message = {.type = NVSP_SEND_RNDIS_PACKET,
					     .rndis = {channel, section, bytes}};

	return ask(w, &message).rndis_complete.status;
}

static void give_back(struct world *w, uint64_t transaction)
{
	const struct nvsp_message done = {.type = NVSP_SEND_RNDIS_PACKET_COMPLETE,
					  .rndis_complete.status = NVSP_STATUS_SUCCESS};
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_COMPLETION,
						.transaction = transaction,
						.payload[0] = {&done, sizeof(done)}};

	assert_true(fake_send(&w->channel, &packet));
}

static void set_filter(struct world *w, uint32_t filter)
{
	struct {
		struct rndis_header header;
		struct rndis_request request;
		uint32_t value;
	} message = {{RNDIS_SET, sizeof(message)},
		     {1, OID_GEN_CURRENT_PACKET_FILTER, 4, sizeof(struct rndis_request), 0},
		     filter};

	memcpy(w->send, &message, sizeof(message));
	/* The answer comes before the completion; its section, the first, is given back. */
	assert_int_equal(rndis(w, NVSP_CHANNEL_CONTROL, 0, sizeof(message)), NVSP_STATUS_SUCCESS);
	give_back(w, 1);
}

static int bare(void **state)
{
	static const uint8_t address[6] = {2, 1, 2, 3, 4, 5};
	struct world *w = calloc(1, sizeof(*w));
	struct vmbus_offer offer;
	uint64_t receive, send;

	*state = w;
	fake_create(&w->guest);
	w->backend.ops = &backend_ops;
	w->adapter = netvsp_create(w->guest.bus, 0, FAKE_CPUS, address, &w->backend);
	assert_true(fake_connect(&w->guest, VMBUS_VERSION_WIN10_V5_3));
	assert_true(fake_offer(&w->guest, &offer));
	w->offer = offer;
	assert_true(fake_open(&w->channel, &w->guest, &offer, 16));
	receive = fake_frames(&w->guest, RECEIVE_FRAMES, (void **)&w->receive);
	send = fake_frames(&w->guest, SEND_FRAMES, (void **)&w->send);
	assert_true(fake_gpadl(&w->guest, offer.channel, 100, receive, RECEIVE_FRAMES));
	assert_true(fake_gpadl(&w->guest, offer.channel, 101, send, SEND_FRAMES));
	return 0;
}

static int setup(void **state)
{
	const struct nvsp_message init = {.type = NVSP_INIT,
					  .init = {NVSP_VERSION_61, NVSP_VERSION_61}};
	const struct nvsp_message receive = {.type = NVSP_SEND_RECEIVE_BUFFER,
					     .buffer = {100, 0xcafe, 0}};
	const struct nvsp_message send = {.type = NVSP_SEND_SEND_BUFFER, .buffer = {101, 0, 0}};
	struct nvsp_message answer;
	struct world *w;

	bare(state);
	w = *state;
	assert_int_equal(ask(w, &init).init_complete.status, NVSP_STATUS_SUCCESS);
	answer = ask(w, &receive);
	assert_int_equal(answer.receive_buffer_complete.status, NVSP_STATUS_SUCCESS);
	assert_int_equal(answer.receive_buffer_complete.sections, 1);
	w->section_size = answer.receive_buffer_complete.section.size;
	w->sections = answer.receive_buffer_complete.section.count;
	assert_true(w->section_size * w->sections <= RECEIVE_FRAMES * 4096);
	answer = ask(w, &send);
	assert_int_equal(answer.send_buffer_complete.status, NVSP_STATUS_SUCCESS);
	assert_int_equal(answer.send_buffer_complete.section_size, 6144);
	set_filter(w, 0xf);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vmbus_destroy(w->guest.bus);
	w->guest.bus = NULL;
	netvsp_destroy(w->adapter);
	fake_destroy(&w->guest);
	free(w);
	return 0;
}

/* Sections were cut for the MTU that there was. */
static void a_late_mtu_makes_no_frame_longer_than_a_section(void **state)
{
	static const uint8_t frame[8000] = {2, 1, 2, 3, 4, 5};
	struct world *w = *state;
	const struct nvsp_message config = {.type = NVSP_SEND_NDIS_CONFIG, .ndis_config.mtu = 9014};
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
						.payload[0] = {&config, sizeof(config)}};

	memset(w->receive, 0xee, RECEIVE_FRAMES * 4096);
	assert_true(fake_send(&w->channel, &packet));
	assert_true(w->backend.receive(w->adapter, frame, sizeof(frame), false));
	assert_int_equal(w->receive[w->section_size], 0xee);
}

static void every_version_is_spoken_and_no_other(void **state)
{
	static const uint32_t versions[] = {NVSP_VERSION_1, NVSP_VERSION_2, NVSP_VERSION_4,
					    NVSP_VERSION_5, NVSP_VERSION_6, NVSP_VERSION_61};
	struct world *w = *state;
	struct nvsp_message init = {.type = NVSP_INIT, .init = {0x70000, 0x70000}};

	assert_int_equal(ask(w, &init).init_complete.status, NVSP_STATUS_FAILURE);
	for (unsigned i = 0; i < 6; i++) {
		init.init.lowest = init.init.highest = versions[i];
		assert_int_equal(ask(w, &init).init_complete.status, NVSP_STATUS_SUCCESS);
	}
}

static void the_guest_learns_its_address(void **state)
{
	struct world *w = *state;
	const struct {
		struct rndis_header header;
		struct rndis_request request;
	} query = {{RNDIS_QUERY, sizeof(query)}, {9, OID_802_3_PERMANENT_ADDRESS, 0, 0, 0}};
	const uint8_t *answer = w->receive; /* the first section */
	struct rndis_query_complete complete;

	memcpy(w->send, &query, sizeof(query));
	assert_int_equal(rndis(w, NVSP_CHANNEL_CONTROL, 0, sizeof(query)), NVSP_STATUS_SUCCESS);
	memcpy(&complete, answer + sizeof(struct rndis_header), sizeof(complete));
	assert_int_equal(complete.request, 9);
	assert_int_equal(complete.status, RNDIS_STATUS_SUCCESS);
	assert_int_equal(complete.length, 6);
	assert_memory_equal(answer + 8 + complete.offset, "\2\1\2\3\4\5", 6);
}

/* Writes an RNDIS packet with a frame of `length` bytes and a checksum request to the start of the send buffer. */
static uint32_t write_packet(struct world *w, uint32_t length)
{
	struct {
		struct rndis_header header;
		struct rndis_packet packet;
		struct rndis_packet_info info;
		uint32_t value;
	} message = {
	    .header = {RNDIS_PACKET, (uint32_t)sizeof(message) + length},
	    .packet = {.data_offset = sizeof(message) - 8,
		       .data_length = length,
		       .info_offset = sizeof(struct rndis_packet),
		       .info_length = 16},
	    .info = {16, RNDIS_INFO_CHECKSUM, 12},
	    .value = RNDIS_TX_IPV4 | RNDIS_TX_TCP,
	};

	memcpy(w->send, &message, sizeof(message));
	memset(w->send + sizeof(message), 0x5a, length);
	return message.header.length;
}

static void a_frame_reaches_the_backend_with_what_it_lacks(void **state)
{
	struct world *w = *state;
	uint32_t bytes = write_packet(w, 100);

	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, bytes), NVSP_STATUS_SUCCESS);
	assert_int_equal(w->sent, 1);
	assert_int_equal(w->sent_length, 100);
	assert_int_equal(w->sent_frame[99], 0x5a);
	assert_true(w->sent_work.tcp);
	assert_false(w->sent_work.ip_checksum);
	assert_int_equal(w->sent_work.mss, 0);
}

static void malformed_frames_are_refused_and_answered(void **state)
{
	struct world *w = *state;
	struct rndis_packet *packet = (struct rndis_packet *)(void *)(w->send + 8);
	uint32_t bytes = write_packet(w, 100);

	packet->data_offset = 2000;
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, bytes), NVSP_STATUS_INVALID_RNDIS);
	packet->data_offset = UINT32_MAX;
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, bytes), NVSP_STATUS_INVALID_RNDIS);
	bytes = write_packet(w, 100);
	packet->info_length = 15;
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, bytes), NVSP_STATUS_INVALID_RNDIS);
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 4, 10),
			 NVSP_STATUS_FAILURE); /* no such section */
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, UINT32_MAX - 1, 10), NVSP_STATUS_FAILURE);
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, 6145), NVSP_STATUS_FAILURE);
	assert_int_equal(w->sent, 0);
}

static void frames_wait_for_the_guest_to_give_room(void **state)
{
	struct world *w = *state;
	uint8_t frame[1514];
	struct vmbus_in_packet in;
	uint64_t first = 0;

	for (unsigned i = 0; i < w->sections; i++) {
		memset(frame, (int)i, sizeof(frame));
		assert_true(w->backend.receive(w->backend.adapter, frame, sizeof(frame), true));
		assert_true(fake_receive(&w->channel, &in));
		assert_int_equal(in.type, VMBUS_PACKET_TRANSFER_PAGES);
		first = first ? first : in.transaction;
	}
	assert_false(w->backend.receive(w->backend.adapter, frame, sizeof(frame), true));
	give_back(w, 0);
	give_back(w, w->sections + 1);
	assert_int_equal(w->resumed, 0); /* neither was lent */
	give_back(w, first);
	assert_int_equal(w->resumed, 1);
	give_back(w, first); /* a second time it is not the guest's any more */
	assert_true(w->backend.receive(w->backend.adapter, frame, sizeof(frame), true));
	assert_false(w->backend.receive(w->backend.adapter, frame, sizeof(frame), true));
}

/* Its ring asks for no signal while more is to come, and is looked at all the same. */
static void what_comes_back_one_by_one_is_told_of_once(void **state)
{
	struct world *w = *state;
	const _Atomic uint32_t *mask =
	    (const _Atomic uint32_t *)&w->channel.out.control->interrupt_mask;
	uint8_t frame[60] = {0};
	uint64_t lent[10];
	struct vmbus_in_packet in;

	assert_true(w->sections > 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(w->backend.receive(w->backend.adapter, frame, sizeof(frame), true));
		assert_true(fake_receive(&w->channel, &in));
		lent[i] = in.transaction;
	}
	give_back(w, lent[0]);
	assert_int_equal(*mask, 1);
	for (unsigned i = 1; i < 10; i++) {
		give_back(w, lent[i]);
	}
	while (*mask) {
		assert_true(loop_turn(&w->guest.loop, 1000));
	}
	for (unsigned i = 0; i < w->sections; i++) {
		assert_true(w->backend.receive(w->backend.adapter, frame, sizeof(frame), true));
	}
}

static void a_frame_lies_whole_in_the_guests_buffer(void **state)
{
	struct world *w = *state;
	struct vmbus_in_packet in;
	struct vmbus_transfer_range range;
	struct rndis_rx_header header;
	uint8_t frame[1514];

	memset(frame, 0x77, sizeof(frame));
	w->backend.receive(w->backend.adapter, frame, sizeof(frame), false);
	assert_true(fake_receive(&w->channel, &in));
	memcpy(&range, in.extension + sizeof(struct vmbus_transfer_pages), sizeof(range));
	assert_true(range.offset + range.bytes <= RECEIVE_FRAMES * 4096);
	memcpy(&header, w->receive + range.offset, sizeof(header));
	assert_int_equal(header.header.length, range.bytes);
	assert_int_equal(header.packet.data_length, sizeof(frame));
	assert_int_equal(header.checksum, 0); /* nobody checked it */
	assert_memory_equal(w->receive + range.offset + 8 + header.packet.data_offset, frame,
			    sizeof(frame));
}

static void without_a_filter_nothing_is_received(void **state)
{
	struct world *w = *state;
	struct vmbus_in_packet in;
	uint8_t frame[60] = {0};

	set_filter(w, 0);
	while (fake_receive(&w->channel, &in)) {
	}
	assert_true(w->backend.receive(w->backend.adapter, frame, sizeof(frame), true));
	assert_false(fake_receive(&w->channel, &in));
}

/* Found by the fuzzer: a section of no bytes where no send buffer was shared read from NULL. */
static void an_empty_section_without_send_buffer_is_harmless(void **state)
{
	const struct nvsp_message init = {.type = NVSP_INIT,
					  .init = {NVSP_VERSION_61, NVSP_VERSION_61}};
	struct world *w = *state;

	ask(w, &init);
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, 0), NVSP_STATUS_FAILURE);
}

/* Its frames are in the hole below 4 GiB: what came of it must not be its size without its memory. */
static void a_send_buffer_that_is_no_memory_is_none(void **state)
{
	const struct nvsp_message init = {.type = NVSP_INIT,
					  .init = {NVSP_VERSION_61, NVSP_VERSION_61}};
	const struct nvsp_message send = {.type = NVSP_SEND_SEND_BUFFER, .buffer = {102, 0, 0}};
	struct world *w = *state;

	assert_true(fake_gpadl(&w->guest, w->offer.channel, 102, 0xc0000, SEND_FRAMES));
	ask(w, &init);
	assert_int_equal(ask(w, &send).send_buffer_complete.status, NVSP_STATUS_FAILURE);
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, 100), NVSP_STATUS_FAILURE);
}

/* All flows go to queue 1. */
static void steer(struct world *w)
{
	struct {
		struct rndis_header header;
		struct rndis_request request;
		struct ndis_rss_parameters rss;
		uint8_t key[40];
		uint32_t table[1];
	} set = {.header = {RNDIS_SET, sizeof(set)},
		 .request = {1, OID_GEN_RECEIVE_SCALE_PARAMETERS,
			     sizeof(set) - sizeof(set.header) - sizeof(set.request),
			     sizeof(struct rndis_request), 0},
		 .rss = {.key_size = 40,
			 .key_offset = sizeof(set.rss),
			 .table_size = 4,
			 .table_offset = sizeof(set.rss) + 40},
		 .table = {1}};

	memcpy(w->send, &set, sizeof(set));
	assert_int_equal(rndis(w, NVSP_CHANNEL_CONTROL, 0, sizeof(set)), NVSP_STATUS_SUCCESS);
	give_back(w, 1);
}

static void a_queue_that_closes_gives_back_what_it_was_lent(void **state)
{
	static const uint8_t frame[60] = {2, 1, 2, 3, 4, 5};
	static struct fake_channel queue;
	const struct nvsp_message one = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 1}};
	struct world *w = *state;
	struct vmbus_offer offer;
	unsigned count = 0;

	assert_int_equal(ask(w, &one).subchannel_complete.count, 1);
	assert_true(fake_offer(&w->guest, &offer));
	assert_true(fake_open(&queue, &w->guest, &offer, 2));
	steer(w);
	while (w->backend.receive(w->adapter, frame, sizeof(frame), false))
		count++;
	assert_int_equal(count, w->sections);
	w->resumed = 0;
	fake_close(&queue);
	assert_int_equal(w->resumed, 1);
	for (count = 0; w->backend.receive(w->adapter, frame, sizeof(frame), false); count++) {
	}
	assert_int_equal(count, w->sections);
}

static void a_cable_pulled_is_told(void **state)
{
	struct world *w = *state;
	struct vmbus_in_packet in;
	struct vmbus_transfer_range range;
	uint32_t status;

	while (fake_receive(&w->channel, &in)) {
	}
	netvsp_set_link(w->adapter, false);
	assert_true(fake_receive(&w->channel, &in));
	memcpy(&range, in.extension + sizeof(struct vmbus_transfer_pages), sizeof(range));
	memcpy(&status, w->receive + range.offset + sizeof(struct rndis_header), sizeof(status));
	assert_int_equal(status, RNDIS_STATUS_MEDIA_DISCONNECT);
}

static void queues_open_and_close_with_the_adapter(void **state)
{
	static struct fake_channel queue;
	const struct nvsp_message too_many = {.type = NVSP_SUBCHANNEL,
					      .subchannel = {1, FAKE_CPUS}};
	const struct nvsp_message three = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 3}};
	struct world *w = *state;
	struct vmbus_in_packet in;
	struct vmbus_offer offer;
	struct nvsp_message answer;

	assert_int_equal(ask(w, &too_many).subchannel_complete.status, NVSP_STATUS_FAILURE);
	answer = ask(w, &three);
	assert_int_equal(answer.subchannel_complete.status, NVSP_STATUS_SUCCESS);
	assert_int_equal(answer.subchannel_complete.count, 3);
	while (fake_receive(&w->channel, &in)) {
	}
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(vmbus_version(w->guest.bus));
		assert_false(
		    fake_receive(&w->channel, &in)); /* no table before the last one is open */
		assert_true(fake_offer(&w->guest, &offer));
		assert_int_equal(offer.subchannel, i);
		w->offers[i - 1] = offer;
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_true(fake_open(&queue, &w->guest, &w->offers[i], 4));
	}
	assert_true(fake_receive(&w->channel, &in));
	memcpy(&answer, in.payload, sizeof(answer));
	assert_int_equal(answer.type, NVSP_SEND_INDIRECTION_TABLE);
	assert_int_equal(answer.table.count, 16);
	assert_true(answer.table.offset + 16 * 4 <= in.payload_length);
	fake_close(&w->channel);
	for (unsigned i = 0; i < 3; i++) {
		assert_non_null(fake_next(&w->guest, VMBUS_RESCIND_CHANNEL));
	}
}

/* A guest that opens a queue again and again, and reads nothing: what the host remembers of it stays bounded. */
static void tables_that_nobody_reads_are_not_collected(void **state)
{
	static struct fake_channel queue;
	const struct nvsp_message one = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 1}};
	struct vmbus_gpadl_teardown teardown = {.header.number = VMBUS_GPADL_TEARDOWN};
	const unsigned openings = 2000;
	struct world *w = *state;
	struct vmbus_in_packet in;
	unsigned tables = 0;

	assert_int_equal(ask(w, &one).subchannel_complete.count, 1);
	assert_true(fake_offer(&w->guest, &w->offers[0]));
	w->guest.next_gpadl = 1000; /* past those that have names of their own */
	for (unsigned i = 0; i < openings; i++) {
		assert_true(fake_open(&queue, &w->guest, &w->offers[0], 4));
		fake_close(&queue);
		teardown.gpadl = queue.gpadl;
		fake_post(&w->guest, &teardown, sizeof(teardown));
		assert_non_null(fake_next(&w->guest, VMBUS_GPADL_TORNDOWN));
		w->guest.next_frame -= 8; /* the same rings again */
	}
	while (fake_receive(&w->channel, &in)) {
		tables++;
	}
	assert_in_range(tables, 1, openings / 2);
	/* And the last one is not forgotten. */
	assert_true(fake_open(&queue, &w->guest, &w->offers[0], 4));
	fake_signal(&w->channel);
	assert_true(fake_receive(&w->channel, &in));
}

/* With its queues open and a buffer of its lent; its successor's offer is another one. */
static void an_adapter_goes_and_another_comes(void **state)
{
	static const uint8_t address[6] = {2, 1, 2, 3, 4, 6};
	static const uint8_t frame[64];
	static struct fake_channel queue;
	const struct nvsp_message two = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 2}};
	struct world *w = *state;
	struct vmbus_offer first = w->offer, offer;

	assert_int_equal(ask(w, &two).subchannel_complete.count, 2);
	assert_true(fake_offer(&w->guest, &w->offers[0]));
	assert_true(fake_offer(&w->guest, &offer));
	assert_true(fake_open(&queue, &w->guest, &offer, 4));
	assert_true(w->backend.receive(w->adapter, frame, sizeof(frame), false));
	netvsp_remove(w->adapter);
	for (unsigned i = 0; i < 3; i++) {
		assert_non_null(fake_next(&w->guest, VMBUS_RESCIND_CHANNEL));
	}
	w->adapter = netvsp_create(w->guest.bus, 1, FAKE_CPUS, address, &w->backend);
	assert_non_null(w->adapter);
	assert_true(fake_offer(&w->guest, &offer));
	assert_true(memcmp(&offer.instance, &first.instance, sizeof(offer.instance)) != 0);
	assert_true(offer.channel != first.channel); /* which the guest has not given back */
	assert_true(fake_open(&queue, &w->guest, &offer, 16));
}

static void an_adapter_that_goes_sends_nowhere_and_answers(void **state)
{
	struct world *w = *state;
	struct vmbus_in_packet in;
	uint32_t bytes = write_packet(w, 100);
	uint64_t messages;

	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, bytes), NVSP_STATUS_SUCCESS);
	assert_int_equal(w->sent, 1);
	netvsp_unplug(w->adapter);
	messages = netvsp_counts(w->adapter).messages;
	assert_false(netvsp_link(w->adapter));
	assert_true(fake_receive(&w->channel, &in));
	assert_int_equal(in.type, VMBUS_PACKET_TRANSFER_PAGES); /* the cable */
	assert_int_equal(rndis(w, NVSP_CHANNEL_DATA, 0, bytes), NVSP_STATUS_SUCCESS);
	assert_int_equal(w->sent, 1);
	assert_int_equal(netvsp_counts(w->adapter).messages - messages, 1);
}

/* Linux waits for the answers, with its lock of all network devices held; the signal of the last sends had not come yet. */
static void what_was_sent_is_answered_before_the_adapter_goes(void **state)
{
	struct world *w = *state;
	const struct nvsp_message message = {
	    .type = NVSP_SEND_RNDIS_PACKET,
	    .rndis = {NVSP_CHANNEL_DATA, NVSP_NO_SECTION, 0},
	};
	struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .payload[0] = {&message, sizeof(message)},
	};
	struct vmbus_in_packet in;
	bool signal;

	for (packet.transaction = 1; packet.transaction <= 200; packet.transaction++) {
		assert_int_equal(vmbus_ring_send(&w->channel.out, &packet, &signal), VMBUS_RING_OK);
	}
	netvsp_remove(w->adapter);
	w->adapter = NULL;
	for (uint64_t transaction = 1; transaction <= 200; transaction++) {
		assert_true(fake_receive(&w->channel, &in));
		assert_int_equal(in.type, VMBUS_PACKET_COMPLETION);
		assert_true(in.transaction == transaction);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_version_is_spoken_and_no_other, bare, teardown),
	    TEST(a_late_mtu_makes_no_frame_longer_than_a_section),
	    cmocka_unit_test_setup_teardown(an_empty_section_without_send_buffer_is_harmless, bare,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_send_buffer_that_is_no_memory_is_none, bare,
					    teardown),
	    TEST(a_queue_that_closes_gives_back_what_it_was_lent),
	    TEST(the_guest_learns_its_address),
	    TEST(a_frame_reaches_the_backend_with_what_it_lacks),
	    TEST(malformed_frames_are_refused_and_answered),
	    TEST(frames_wait_for_the_guest_to_give_room),
	    TEST(what_comes_back_one_by_one_is_told_of_once),
	    TEST(a_frame_lies_whole_in_the_guests_buffer),
	    TEST(without_a_filter_nothing_is_received),
	    TEST(a_cable_pulled_is_told),
	    TEST(queues_open_and_close_with_the_adapter),
	    TEST(tables_that_nobody_reads_are_not_collected),
	    TEST(an_adapter_goes_and_another_comes),
	    TEST(an_adapter_that_goes_sends_nowhere_and_answers),
	    TEST(what_was_sent_is_answered_before_the_adapter_goes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
