/* SPDX-License-Identifier: MIT */
/* Any answers of a guest about its memory: the sums stay within what there is, and only RAM is ever taken. */
#include "tests/host/fake_guest.h"
#include "tests/host/fuzz_input.h"

#include "host/balloon.h"

static struct fake_guest guest;
static struct fake_channel channel;
static struct balloon balloon;

static bool add(void *context, struct gmem_range range)
{
	(void)context;
	FUZZ_CHECK(gmem_at(&guest.memory, gpa(range.start), range.size));
	return true;
}

static void say(struct fuzz_input *input)
{
	static const uint8_t lengths[] = {8, 16, 24, 32, 40, 48, 64, 96};
	struct {
		struct balloon_header header;
		uint8_t body[96];
	} message = {.header.type = fuzz_byte(input) % 14};
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .payload[0] = {&message, lengths[fuzz_byte(input) % sizeof(lengths)]}};

	fuzz_bytes(input, message.body, packet.payload[0].length - sizeof(message.header));
	fake_send(&channel, &packet);
}

static void listen(void)
{
	struct vmbus_in_packet packet;

	while (fake_receive(&channel, &packet)) {
		FUZZ_CHECK(packet.payload_length >= sizeof(struct balloon_header));
	}
}

static void check(void)
{
	uint64_t taken = 0;

	for (uint64_t i = 0; i <= FAKE_MEMORY_MOST / GMEM_PAGE_SIZE / 64; i++) {
		taken += (uint64_t)__builtin_popcountll(balloon.map[i]);
	}
	FUZZ_CHECK(taken == balloon.taken);
	FUZZ_CHECK(balloon_assigned(&balloon) <= FAKE_MEMORY_MOST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct vmbus_offer offer;

	if (!guest.bus) {
		fake_create(&guest);
		balloon =
		    (struct balloon){.memory = &guest.memory, .add = add, .context = &balloon};
		FUZZ_CHECK(balloon_offer(&balloon, guest.bus) == 0);
	}
	guest.next_frame = 1;
	guest.next_gpadl = 1;
	guest.head = guest.tail = 0;
	FUZZ_CHECK(fake_connect(&guest, VMBUS_VERSION_WIN10_V5_3) && fake_offer(&guest, &offer) &&
		   fake_open(&channel, &guest, &offer, 4));
	while (input.left) {
		switch (fuzz_byte(&input) % 4) {
		case 0:
			balloon_set_target(&balloon, (uint64_t)(fuzz_byte(&input) % 33) << 20);
			break;
		case 1: listen(); break;
		default: say(&input); break;
		}
	}
	check();
	return 0;
}
