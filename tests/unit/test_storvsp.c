/* SPDX-License-Identifier: MIT */
/* The synthetic SCSI controller, by its guest's end: what is written is read back, every command is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "abi/vmbus/storvsp.h"
#include "host/storvsp.h"
#include "tests/host/fake_guest.h"

#define DISK_SIZE (1u << 20)
#define BLOCKS    (DISK_SIZE / 512)

struct world {
	struct fake_guest guest;
	struct fake_channel channel;
	struct ring *ring; /* NULL in half of the runs */
	struct block_pool pool;
	struct block disk, second;
	struct storvsp *controller;
	int fd;
	uint64_t frame; /* 16 frames of data */
	uint8_t *data;
	struct storvsp_packet answer;
	uint8_t path, target; /* where commands go */
};

static void open_disk(struct world *w, struct block *disk, bool read_only)
{
	char path[64];
	struct block_source source = {path, XD_FORMAT_RAW, read_only, NULL};
	struct xd_error error;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->fd);
	assert_int_equal(block_open(disk, &w->pool, &source, &error), 0);
}

static void ask(struct world *w, struct storvsp_packet *wire, uint64_t transaction,
		const void *ranges, uint32_t length)
{
	const struct vmbus_out_packet packet = {
	    .type = ranges ? VMBUS_PACKET_GPA_DIRECT : VMBUS_PACKET_IN_BAND,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .transaction = transaction,
	    .extension = {ranges, length},
	    .payload[0] = {wire, sizeof(*wire)},
	};

	assert_true(fake_send(&w->channel, &packet));
}

/* Waits for the answer, which must be the only one. */
static const struct storvsp_packet *answer(struct world *w, uint64_t transaction)
{
	struct vmbus_in_packet in;

	block_drain(&w->disk);
	assert_true(fake_receive(&w->channel, &in));
	assert_int_equal(in.type, VMBUS_PACKET_COMPLETION);
	assert_true(in.transaction == transaction);
	assert_int_equal(in.payload_length, sizeof(w->answer));
	memcpy(&w->answer, in.payload, sizeof(w->answer));
	assert_int_equal(w->answer.operation, STORVSP_COMPLETE_IO);
	assert_false(fake_receive(&w->channel, &in));
	return &w->answer;
}

static uint32_t control(struct world *w, uint32_t operation, uint16_t version)
{
	struct storvsp_packet wire = {.operation = operation, .version = version};

	ask(w, &wire, operation, NULL, 0);
	return answer(w, operation)->status;
}

/* Before there is a controller. */
static struct world *start(void)
{
	struct world *w = calloc(1, sizeof(*w));

	fake_create(&w->guest);
	w->fd = memfd_create("disk", 0);
	assert_int_equal(ftruncate(w->fd, DISK_SIZE), 0);
	assert_int_equal(block_pool_init(&w->pool, &w->guest.loop, 2, w->ring), 0);
	open_disk(w, &w->disk, false);
	return w;
}

static void initialise(struct world *w)
{
	struct vmbus_offer offer;

	assert_true(storvsp_insert(w->controller, 0, &w->disk, false));
	assert_true(fake_connect(&w->guest, VMBUS_VERSION_WIN10_V5_3));
	assert_true(fake_offer(&w->guest, &offer));
	assert_true(fake_open(&w->channel, &w->guest, &offer, 16));
	w->frame = fake_frames(&w->guest, 16, (void **)&w->data);
	assert_int_equal(control(w, STORVSP_BEGIN_INITIALIZATION, 0), STORVSP_SUCCESS);
	assert_int_equal(control(w, STORVSP_QUERY_VERSION, STORVSP_VERSION_WIN10), STORVSP_SUCCESS);
	assert_int_equal(control(w, STORVSP_QUERY_PROPERTIES, 0), STORVSP_SUCCESS);
	assert_int_equal(control(w, STORVSP_END_INITIALIZATION, 0), STORVSP_SUCCESS);
}

static int setup(void **state)
{
	struct world *w = *state = start();

	w->controller = storvsp_create(w->guest.bus, 0, FAKE_CPUS);
	initialise(w);
	return 0;
}

/* The secondary slave. */
static int setup_ide(void **state)
{
	struct world *w = *state = start();

	w->controller = storvsp_create_ide(w->guest.bus, 3);
	w->path = w->target = 1;
	initialise(w);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vmbus_destroy(w->guest.bus);
	w->guest.bus = NULL;
	storvsp_destroy(w->controller);
	block_close(&w->disk, NULL);
	block_close(&w->second, NULL);
	block_pool_destroy(&w->pool);
	fake_destroy(&w->guest);
	close(w->fd);
	free(w);
	return 0;
}

/* `bytes` of memory from `offset` in the data frames, as one range. */
static const struct storvsp_request *command(struct world *w, unsigned lun, const uint8_t cdb[16],
					     uint32_t offset, uint32_t bytes)
{
	struct storvsp_packet wire = {
	    .operation = STORVSP_EXECUTE_SRB,
	    .request = {
		.path = w->path, .target = w->target, .lun = (uint8_t)lun, .cdb_length = 16}};
	struct {
		struct vmbus_gpa_direct head;
		struct vmbus_gpa_range range;
		uint64_t frame[16];
	} ranges = {.head.count = 1, .range = {bytes, offset}};
	uint32_t frames = (offset + bytes + 4095) / 4096;

	for (uint32_t i = 0; i < frames; i++) {
		ranges.frame[i] = w->frame + i;
	}
	memcpy(wire.request.cdb, cdb, 16);
	ask(w, &wire, 99, bytes ? &ranges : NULL,
	    bytes ? (uint32_t)(sizeof(ranges) - (16 - frames) * 8) : 0);
	return &answer(w, 99)->request;
}

static void assert_good(const struct storvsp_request *request, uint32_t transferred)
{
	assert_int_equal(request->srb_status, STORVSP_SRB_SUCCESS);
	assert_int_equal(request->scsi_status, SCSI_STATUS_GOOD);
	assert_int_equal(request->transfer_length, transferred);
}

static void assert_sense(const struct storvsp_request *request, uint8_t key, uint8_t asc)
{
	assert_int_equal(request->srb_status, STORVSP_SRB_ERROR | STORVSP_SRB_SENSE_VALID);
	assert_int_equal(request->scsi_status, SCSI_STATUS_CHECK_CONDITION);
	assert_int_equal(request->sense[2], key);
	assert_int_equal(request->sense[12], asc);
}

/* Linux takes a disk away for this SRB status, whatever the sense says. */
static void assert_gone(const struct storvsp_request *request)
{
	assert_int_equal(request->srb_status, STORVSP_SRB_INVALID_LUN | STORVSP_SRB_SENSE_VALID);
	assert_int_equal(request->sense[2], 5);
	assert_int_equal(request->sense[12], 0x25);
}

/* One notification is on its way to the guest; it is no answer. */
static void take_notification(struct world *w)
{
	struct vmbus_in_packet in;

	assert_true(fake_receive(&w->channel, &in));
	assert_int_equal(in.type, VMBUS_PACKET_IN_BAND);
	assert_int_equal(((const struct storvsp_packet *)(const void *)in.payload)->operation,
			 STORVSP_ENUMERATE_BUS);
}

static void what_is_written_is_read_back(void **state)
{
	static const uint8_t write[16] = {0x2a, 0, 0, 0, 0, 5, 0, 0, 12},
			     read[16] = {0x28, 0, 0, 0, 0, 5, 0, 0, 12};
	struct world *w = *state;
	uint8_t expected[12 * 512], on_disk[12 * 512];

	for (unsigned i = 0; i < sizeof(expected); i++) {
		expected[i] = (uint8_t)(i * 13);
	}
	memcpy(w->data + 700, expected, sizeof(expected));
	assert_good(command(w, 0, write, 700, sizeof(expected)), sizeof(expected));
	assert_int_equal(pread(w->fd, on_disk, sizeof(on_disk), 5 * 512), sizeof(on_disk));
	assert_memory_equal(on_disk, expected, sizeof(expected));
	memset(w->data, 0, 16 * 4096);
	assert_good(command(w, 0, read, 3, sizeof(expected)), sizeof(expected));
	assert_memory_equal(w->data + 3, expected, sizeof(expected));
}

static void more_memory_than_the_disk_moves_stays_untouched(void **state)
{
	static const uint8_t read[16] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};
	struct world *w = *state;

	memset(w->data, 0xee, 8192);
	assert_good(command(w, 0, read, 0, 8192), 512);
	assert_int_equal(w->data[511], 0);
	assert_int_equal(w->data[512], 0xee);
}

static void less_memory_than_the_disk_moves_is_refused(void **state)
{
	static const uint8_t read[16] = {0x28, 0, 0, 0, 0, 0, 0, 0, 2};
	struct world *w = *state;

	assert_int_equal(command(w, 0, read, 0, 1023)->srb_status, STORVSP_SRB_INVALID_REQUEST);
	assert_int_equal(command(w, 0, read, 0, 0)->srb_status, STORVSP_SRB_INVALID_REQUEST);
}

static void the_end_of_the_disk_is_where_it_is(void **state)
{
	static const uint8_t last[16] = {0x28, 0, 0, 0, (BLOCKS - 1) >> 8, (BLOCKS - 1) & 0xff,
					 0,    0, 1};
	static const uint8_t beyond[16] = {0x28, 0, 0, 0, (BLOCKS - 1) >> 8, (BLOCKS - 1) & 0xff,
					   0,    0, 2};
	static const uint8_t wrap[16] = {0x88, 0,    0xff, 0xff, 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff, 0,    0,    0,    2};
	struct world *w = *state;

	assert_good(command(w, 0, last, 0, 512), 512);
	assert_sense(command(w, 0, beyond, 0, 1024), 5, 0x21);
	assert_sense(command(w, 0, wrap, 0, 1024), 5, 0x21);
}

static void discards_and_zeros_reach_the_disk(void **state)
{
	static const uint8_t same[16] = {0x93, 1, 0, 0, 0, 0, 0,
					 0,    0, 8, 0, 0, 0, 8}; /* NDOB: zeros */
	static const uint8_t unmap[16] = {0x42, 0, 0, 0, 0, 0, 0, 0, 24};
	static const uint8_t list[24] = {0, 22, 0, 16, 0, 0,  0, 0, 0, 0,
					 0, 0,  0, 0,  0, 16, 0, 0, 0, 8};
	struct world *w = *state;
	uint8_t ones[512], zeros[512] = {0}, got[512];

	memset(ones, 1, sizeof(ones));
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(pwrite(w->fd, ones, 512, i * 512), 512);
	}
	assert_good(command(w, 0, same, 0, 0), 0);
	memcpy(w->data, list, sizeof(list));
	assert_good(command(w, 0, unmap, 0, sizeof(list)), sizeof(list));
	assert_int_equal(pread(w->fd, got, 512, 8 * 512), 512);
	assert_memory_equal(got, zeros, 512);
	assert_int_equal(pread(w->fd, got, 512, 7 * 512), 512);
	assert_memory_equal(got, ones, 512);
	assert_int_equal(pread(w->fd, got, 512, 24 * 512), 512);
	assert_memory_equal(got, ones, 512);
}

/* What the block limits page says is the most is; a guest could have one command write a whole disk of terabytes. */
static void zeros_are_limited_as_the_unit_says(void **state)
{
	static const struct scsi_unit unit = {.blocks = 1u << 24, .block_size = 512};
	static const uint8_t page[16] = {0x12, 1, 0xb0, 0, 64};
	uint8_t same[16] = {0x93, 1}, reply[SCSI_REPLY_MAX];
	struct scsi_action action;

	(void)state;
	scsi_decide(&unit, 1, page, &action, reply);
	assert_int_equal(action.verb, SCSI_REPLY);
	memcpy(same + 10, reply + 4 + 36, 4); /* MAXIMUM WRITE SAME LENGTH, low half */
	scsi_decide(&unit, 1, same, &action, reply);
	assert_int_equal(action.verb, SCSI_ZERO);
	same[13]++;
	scsi_decide(&unit, 1, same, &action, reply);
	assert_int_equal(action.verb, SCSI_REFUSE);
	assert_int_equal(action.sense.asc, 0x24);
}

/* Of one command, not of each of its ranges: 255 times the whole of a large thin disk keep the host for as long as they like. */
static void discards_are_limited_as_the_unit_says(void **state)
{
	static const struct scsi_unit unit = {.blocks = 1u << 24, .block_size = 512};
	static const uint8_t page[16] = {0x12, 1, 0xb0, 0, 64};
	uint8_t list[40] = {0, 38, 0, 32}, reply[SCSI_REPLY_MAX];
	struct scsi_action action;
	uint64_t lba, blocks;
	uint32_t at = 0;
	bool bad;

	(void)state;
	scsi_decide(&unit, 1, page, &action, reply);
	memcpy(list + 8 + 8, reply + 4 + 16, 4); /* MAXIMUM UNMAP LBA COUNT */
	assert_true(scsi_unmap_next(&unit, list, sizeof(list), &at, &lba, &blocks, &bad));
	assert_true(scsi_unmap_next(&unit, list, sizeof(list), &at, &lba, &blocks, &bad));
	assert_false(scsi_unmap_next(&unit, list, sizeof(list), &at, &lba, &blocks, &bad));
	assert_false(bad);
	list[24 + 11] = 1;
	at = 0;
	assert_false(scsi_unmap_next(&unit, list, sizeof(list), &at, &lba, &blocks, &bad));
	assert_true(bad);
}

static void a_discard_beyond_the_disk_changes_nothing(void **state)
{
	static const uint8_t unmap[16] = {0x42, 0, 0, 0, 0, 0, 0, 0, 24};
	static const uint8_t list[24] = {0, 22, 0, 16, 0,           0, 0, 0, 0, 0,
					 0, 0,  0, 0,  BLOCKS >> 8, 0, 0, 0, 0, 1};
	struct world *w = *state;

	memcpy(w->data, list, sizeof(list));
	assert_sense(command(w, 0, unmap, 0, sizeof(list)), 5, 0x21);
}

static void an_absent_lun_says_so(void **state)
{
	static const uint8_t inquiry[16] = {0x12, 0, 0, 0, 36}, ready[16] = {0};
	struct world *w = *state;

	assert_good(command(w, 3, inquiry, 0, 36), 36);
	assert_int_equal(w->data[0], 0x7f);
	assert_gone(command(w, 3, ready, 0, 0));
	assert_gone(command(w, 200, ready, 0, 0));
	assert_good(command(w, 0, ready, 0, 0), 0);
}

static void a_read_only_disk_refuses_writes(void **state)
{
	static const uint8_t write[16] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1};
	struct world *w = *state;

	storvsp_remove(w->controller, 0);
	block_close(&w->disk, NULL);
	open_disk(w, &w->disk, true);
	assert_true(storvsp_insert(w->controller, 0, &w->disk, false));
	take_notification(w);
	take_notification(w);
	assert_sense(command(w, 0, write, 0, 512), 7, 0x27);
}

static void a_disk_that_is_taken_out_is_gone(void **state)
{
	static const uint8_t ready[16] = {0};
	struct world *w = *state;

	storvsp_remove(w->controller, 0);
	take_notification(w);
	assert_gone(command(w, 0, ready, 0, 0));
}

/* A guest that does not know yet would write to the new disk what it has cached for the old one. */
static void a_lun_is_free_once_the_guest_knows(void **state)
{
	static const uint8_t ready[16] = {0}, list[16] = {0xa0, [9] = 64};
	struct world *w = *state;

	assert_false(storvsp_is_free(w->controller, 0));
	assert_true(storvsp_is_free(w->controller, 1));
	storvsp_remove(w->controller, 0);
	take_notification(w);
	assert_false(storvsp_is_free(w->controller, 0));
	assert_gone(command(w, 1, ready, 0, 0));
	assert_false(storvsp_is_free(w->controller, 0));
	assert_gone(command(w, 0, ready, 0, 0));
	assert_true(storvsp_is_free(w->controller, 0));
	assert_true(storvsp_insert(w->controller, 0, &w->disk, false));
	take_notification(w);
	storvsp_remove(w->controller, 0);
	take_notification(w);
	command(w, 0, list, 0, 64);
	assert_true(storvsp_is_free(w->controller, 0));
}

static void a_disk_that_grew_says_so_once(void **state)
{
	static const uint8_t ready[16] = {0}, inquiry[16] = {0x12, 0, 0, 0, 36};
	static const uint8_t capacity[16] = {0x25};
	struct world *w = *state;
	struct xd_error error;

	assert_int_equal(block_grow(&w->disk, 2 * DISK_SIZE, &error), 0);
	storvsp_resized(w->controller, 0);
	take_notification(w);
	assert_good(command(w, 0, inquiry, 0, 36), 36);
	assert_sense(command(w, 0, ready, 0, 0), 6, 0x2a);
	assert_int_equal(w->answer.request.sense[13], 9);
	assert_good(command(w, 0, ready, 0, 0), 0);
	assert_good(command(w, 0, capacity, 0, 8), 8);
	assert_int_equal(w->data[2] << 8 | w->data[3], 2 * BLOCKS - 1);
}

static void memory_that_is_none_is_refused_and_answered(void **state)
{
	struct world *w = *state;
	struct storvsp_packet wire = {.operation = STORVSP_EXECUTE_SRB,
				      .request = {.cdb_length = 16}};
	struct {
		struct vmbus_gpa_direct head;
		struct vmbus_gpa_range range;
		uint64_t frame;
	} ranges = {.head.count = 1, .range = {512, 0}, .frame = FAKE_MEMORY / 4096};

	wire.request.cdb[0] = 0x28;
	wire.request.cdb[8] = 1;
	ask(w, &wire, 1, &ranges, sizeof(ranges));
	assert_int_equal(answer(w, 1)->request.srb_status, STORVSP_SRB_INVALID_REQUEST);
	ranges.frame = UINT64_MAX;
	ask(w, &wire, 2, &ranges, sizeof(ranges));
	assert_int_equal(answer(w, 2)->request.srb_status, STORVSP_SRB_INVALID_REQUEST);
	ranges.range.bytes = UINT32_MAX;
	ask(w, &wire, 3, &ranges, sizeof(ranges));
	assert_int_equal(answer(w, 3)->request.srb_status, STORVSP_SRB_INVALID_REQUEST);
	ranges.head.count = 2;
	ranges.range.bytes = 512;
	ranges.frame = w->frame;
	ask(w, &wire, 4, &ranges, sizeof(ranges));
	assert_int_equal(answer(w, 4)->request.srb_status, STORVSP_SRB_INVALID_REQUEST);
}

static void unknown_operations_and_short_packets_are_answered(void **state)
{
	struct world *w = *state;
	const struct vmbus_out_packet shorter = {.type = VMBUS_PACKET_IN_BAND,
						 .flags = VMBUS_PACKET_WANTS_COMPLETION,
						 .transaction = 8,
						 .payload[0] = {"12345678", 8}};

	assert_int_equal(control(w, 77, 0), STORVSP_INVALID_REQUEST);
	assert_int_equal(control(w, STORVSP_QUERY_VERSION, 0x0909), STORVSP_REVISION_MISMATCH);
	assert_true(fake_send(&w->channel, &shorter));
	assert_int_equal(answer(w, 8)->status, STORVSP_INVALID_PARAMETER);
}

static void subchannels_carry_commands_and_go_with_the_primary_one(void **state)
{
	static struct fake_channel sub;
	struct world *w = *state;
	struct storvsp_packet wire = {.operation = STORVSP_CREATE_SUBCHANNELS, .subchannels = 2};
	struct storvsp_packet ready = {.operation = STORVSP_EXECUTE_SRB,
				       .request = {.cdb_length = 6}};
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
						.flags = VMBUS_PACKET_WANTS_COMPLETION,
						.payload[0] = {&ready, sizeof(ready)}};
	struct vmbus_offer offer;
	struct vmbus_in_packet in;

	ask(w, &wire, 1, NULL, 0);
	assert_int_equal(answer(w, 1)->status, STORVSP_SUCCESS);
	assert_true(fake_offer(&w->guest, &offer));
	assert_int_equal(offer.subchannel, 1);
	assert_true(memcmp(&offer.instance, &w->channel.offer.instance, sizeof(offer.instance)) ==
		    0);
	assert_true(fake_offer(&w->guest, &offer));
	assert_int_equal(offer.subchannel, 2);
	assert_true(fake_open(&sub, &w->guest, &offer, 4));
	assert_true(fake_send(&sub, &packet));
	assert_true(fake_receive(&sub, &in));
	fake_close(&w->channel);
	assert_non_null(fake_next(&w->guest, VMBUS_RESCIND_CHANNEL));
	assert_non_null(fake_next(&w->guest, VMBUS_RESCIND_CHANNEL));
}

static void an_ide_disk_answers_at_its_place_only(void **state)
{
	static const uint8_t read[16] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};
	struct world *w = *state;

	assert_good(command(w, 0, read, 0, 512), 512);
	assert_gone(command(w, 1, read, 0, 512));
	w->target = 0;
	assert_gone(command(w, 0, read, 0, 512));
	w->target = 1;
	w->path = 0; /* as Linux has it */
	assert_good(command(w, 0, read, 0, 512), 512);
}

static void an_ide_disk_has_one_channel(void **state)
{
	struct world *w = *state;

	assert_int_equal(control(w, STORVSP_QUERY_PROPERTIES, 0), STORVSP_SUCCESS);
	assert_int_equal(w->answer.properties.max_subchannels, 0);
	assert_int_equal(control(w, STORVSP_CREATE_SUBCHANNELS, 1), STORVSP_INVALID_PARAMETER);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(what_is_written_is_read_back),
	    TEST(more_memory_than_the_disk_moves_stays_untouched),
	    TEST(less_memory_than_the_disk_moves_is_refused),
	    TEST(the_end_of_the_disk_is_where_it_is),
	    TEST(discards_and_zeros_reach_the_disk),
	    TEST(zeros_are_limited_as_the_unit_says),
	    TEST(discards_are_limited_as_the_unit_says),
	    TEST(a_discard_beyond_the_disk_changes_nothing),
	    TEST(an_absent_lun_says_so),
	    TEST(a_read_only_disk_refuses_writes),
	    TEST(a_disk_that_is_taken_out_is_gone),
	    TEST(a_lun_is_free_once_the_guest_knows),
	    TEST(a_disk_that_grew_says_so_once),
	    TEST(memory_that_is_none_is_refused_and_answered),
	    TEST(unknown_operations_and_short_packets_are_answered),
	    TEST(subchannels_carry_commands_and_go_with_the_primary_one),
	    cmocka_unit_test_setup_teardown(an_ide_disk_answers_at_its_place_only, setup_ide,
					    teardown),
	    cmocka_unit_test_setup_teardown(an_ide_disk_has_one_channel, setup_ide, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
