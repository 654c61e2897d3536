/* SPDX-License-Identifier: MIT */
/* Any StorVSP packets with any memory: each is answered once, the disk serves the next guest, other memory is not touched. */
#include "tests/host/fake_guest.h"
#include "tests/host/fuzz_input.h"

#include "abi/vmbus/storvsp.h"
#include "host/ring.h"
#include "host/storvsp.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define DISK_SIZE (256u << 10)
#define WINDOW    64u /* frames that fuzzed ranges mostly name */

static struct fake_guest guest;
static struct fake_channel channel;
static struct block_pool pool;
static struct block disk;
static struct storvsp *controller;
static unsigned owed;

static void create(void)
{
	char path[64];
	struct block_source source = {path, XD_FORMAT_RAW, false, NULL};
	struct xd_error error;
	int fd = memfd_create("disk", 0);

	fake_create(&guest);
	FUZZ_CHECK(fd >= 0 && ftruncate(fd, DISK_SIZE) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FUZZ_CHECK(block_pool_init(&pool, &guest.loop, 1, ring_create()) == 0);
	FUZZ_CHECK(block_open(&disk, &pool, &source, &error) == 0);
	controller = storvsp_create(guest.bus, 0, FAKE_CPUS);
	FUZZ_CHECK(controller && storvsp_insert(controller, 0, &disk, false));
}

static void settle(void)
{
	struct vmbus_in_packet packet;

	fake_pump(&guest);
	block_drain(&disk);
	while (fake_receive(&channel, &packet)) {
		FUZZ_CHECK(packet.type == VMBUS_PACKET_COMPLETION && owed > 0);
		owed--;
	}
}

static void control(uint32_t operation)
{
	const struct storvsp_packet wire = {.operation = operation,
					    .version = STORVSP_VERSION_WIN10};
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
						.flags = VMBUS_PACKET_WANTS_COMPLETION,
						.payload[0] = {&wire, sizeof(wire)}};

	owed++;
	FUZZ_CHECK(fake_send(&channel, &packet));
	settle();
}

static void start(void)
{
	struct vmbus_offer offer;

	guest.next_frame = WINDOW;
	guest.next_gpadl = 1;
	guest.head = guest.tail = 0;
	owed = 0;
	FUZZ_CHECK(fake_connect(&guest, VMBUS_VERSION_WIN10_V5_3) && fake_offer(&guest, &offer) &&
		   fake_open(&channel, &guest, &offer, 4));
	control(STORVSP_BEGIN_INITIALIZATION);
	control(STORVSP_QUERY_VERSION);
	control(STORVSP_END_INITIALIZATION);
}

/* One range over frames of the window, or what the input wants. */
static uint32_t ranges(struct fuzz_input *input, uint8_t *to)
{
	struct {
		struct vmbus_gpa_direct head;
		struct vmbus_gpa_range range;
		uint64_t frame[8];
	} __attribute__((packed)) direct = {.head.count = 1};
	uint32_t frames = fuzz_byte(input) % 9;

	if (fuzz_byte(input) == 0xff) {
		fuzz_bytes(input, &direct, sizeof(direct));
	} else {
		direct.range.offset = fuzz_byte(input) * 16u;
		direct.range.bytes = fuzz_byte(input) * 128u;
		for (unsigned i = 0; i < frames; i++) {
			direct.frame[i] = fuzz_byte(input) % WINDOW;
		}
	}
	memcpy(to, &direct, sizeof(direct));
	return (uint32_t)(sizeof(direct) - (8 - frames) * 8);
}

static void command(struct fuzz_input *input)
{
	struct storvsp_packet wire = {.operation = STORVSP_EXECUTE_SRB};
	uint8_t extension[128];
	struct vmbus_out_packet packet = {.type = VMBUS_PACKET_GPA_DIRECT,
					  .flags = VMBUS_PACKET_WANTS_COMPLETION,
					  .payload[0] = {&wire, sizeof(wire)}};

	if (fuzz_byte(input) == 0xff) {
		fuzz_bytes(input, &wire, sizeof(wire));
		packet.payload[0].length = fuzz_byte(input) % (sizeof(wire) + 1);
	} else {
		wire.request.lun = fuzz_byte(input) % 3;
		wire.request.cdb_length = 16;
		fuzz_bytes(input, wire.request.cdb, sizeof(wire.request.cdb));
	}
	packet.extension = (struct vmbus_piece){extension, ranges(input, extension)};
	if (fake_send(&channel, &packet)) {
		owed++;
	}
	settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};

	if (!guest.bus) {
		create();
	}
	start();
	while (input.left) {
		command(&input);
	}
	FUZZ_CHECK(owed == 0);
	return 0;
}
