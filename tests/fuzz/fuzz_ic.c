/* SPDX-License-Identifier: MIT */
/* Any answers to the integration services: what the guest tells of itself stays text, and every service lives. */
#include "tests/host/fake_guest.h"
#include "tests/host/fuzz_input.h"

#include "host/ic/services.h"

static struct fake_guest guest;
static struct fake_channel channel[4];
static struct ic_services services;

static uint64_t reference(void *context)
{
	(void)context;
	return 0;
}

/* Takes what the host asked, and sends it back with the input's bytes over it. */
static void answer(struct fuzz_input *input, struct fake_channel *from)
{
	static uint8_t message[8192];
	struct vmbus_in_packet in;
	struct vmbus_out_packet out = {.type = VMBUS_PACKET_IN_BAND, .payload[0] = {message, 0}};
	uint8_t at = fuzz_byte(input), count = fuzz_byte(input) % 64, truth = fuzz_byte(input);
	struct ic_header *header = (struct ic_header *)(void *)(message + 8);

	if (!fake_receive(from, &in) || in.payload_length > sizeof(message)) {
		return;
	}
	memcpy(message, in.payload, in.payload_length);
	out.payload[0].length = truth == 0xff ? fuzz_byte(input) : in.payload_length;
	fuzz_bytes(input, message + at * 4u % 4000u, count);
	if (truth & 1) {
		memcpy(message, in.payload, 28);
		header->flags = IC_FLAG_RESPONSE;
	}
	fake_send(from, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct vmbus_offer offer;

	if (!guest.bus) {
		fake_create(&guest);
		services.timesync.reference = reference;
		FUZZ_CHECK(ic_services_init(&services, guest.bus, &guest.loop) == 0);
	}
	guest.next_frame = 1;
	guest.next_gpadl = 1;
	guest.head = guest.tail = 0;
	FUZZ_CHECK(fake_connect(&guest, VMBUS_VERSION_WIN10_V5_3));
	for (unsigned i = 0; i < 4; i++) {
		FUZZ_CHECK(fake_offer(&guest, &offer));
		channel[i].offer = offer;
	}
	for (unsigned i = 0; i < 4; i++) {
		offer = channel[i].offer;
		FUZZ_CHECK(fake_open(&channel[i], &guest, &offer, 4));
	}
	while (input.left) {
		struct fake_channel *which = &channel[fuzz_byte(&input) % 4];

		answer(&input, which);
		ic_tick(&services.kvp.ic);
		ic_tick(&services.heartbeat.ic);
	}
	FUZZ_CHECK(services.kvp.count <= KVP_MAX_ITEMS);
	for (unsigned i = 0; i < services.kvp.count; i++) {
		FUZZ_CHECK(memchr(services.kvp.item[i].key, 0, KVP_MAX_TEXT));
		FUZZ_CHECK(memchr(services.kvp.item[i].value, 0, KVP_MAX_TEXT));
	}
	return 0;
}
