/* SPDX-License-Identifier: MIT */
/* Any messages, any ring contents, any indices: the server lives, and a new guest can connect afterwards. */
#include "tests/host/fake_guest.h"
#include "tests/host/fuzz_input.h"

static bool open_channel(void *device, struct vmbus_channel *channel)
{
	(void)device, (void)channel;
	return true;
}

static void close_channel(void *device, struct vmbus_channel *channel)
{
	(void)device, (void)channel;
}

static bool echo(void *device, struct vmbus_channel *channel, const struct vmbus_in_packet *in)
{
	struct iovec iov[16];
	uint64_t bytes;
	int count = vmbus_packet_memory(channel, in, iov, 16, &bytes);

	(void)device;
	for (int i = 0; i < count; i++) {
		memset(iov[i].iov_base, 0, iov[i].iov_len);
	}
	return vmbus_complete(channel, in->transaction, in->payload, in->payload_length);
}

static const struct vmbus_device_ops ops = {
    .open = open_channel, .close = close_channel, .packet = echo};

static struct fake_guest guest;
static struct fake_channel channel;

/* Of the three ways to signal. */
static void start(uint8_t way)
{
	static const uint32_t versions[] = {VMBUS_VERSION_WIN10_V5_3, VMBUS_VERSION_WIN10_V5_3,
					    VMBUS_VERSION_WIN7, VMBUS_VERSION_WS2008};
	struct vmbus_offer offer;

	guest.next_frame = 1;
	guest.next_gpadl = 1;
	guest.head = guest.tail = 0;
	FUZZ_CHECK(fake_connect(&guest, versions[way % 4]) && fake_offer(&guest, &offer) &&
		   fake_open(&channel, &guest, &offer, 3));
}

static void post(struct fuzz_input *input)
{
	uint8_t message[VMBUS_MESSAGE_MAX];
	uint32_t number = fuzz_byte(input) % 30;
	uint32_t length = 8 + fuzz_byte(input) % (sizeof(message) - 7);

	fuzz_bytes(input, message + 8, length - 8);
	memcpy(message, &number, sizeof(number));
	memset(message + 4, 0, 4);
	fake_post(&guest, message, length);
}

static void send_packet(struct fuzz_input *input)
{
	uint8_t extension[128], payload[64];
	struct vmbus_out_packet packet = {.type = fuzz_byte(input) % 16,
					  .transaction = fuzz_byte(input)};

	packet.extension = (struct vmbus_piece){extension, fuzz_byte(input) % 17 * 8u};
	packet.payload[0] = (struct vmbus_piece){payload, fuzz_byte(input) % 65};
	fuzz_bytes(input, extension, packet.extension.length);
	fuzz_bytes(input, payload, packet.payload[0].length);
	fake_send(&channel, &packet);
}

static void scribble(struct fuzz_input *input)
{
	struct vmbus_ring *ring = fuzz_byte(input) & 1 ? &channel.in : &channel.out;
	uint8_t *control = (uint8_t *)ring->control;

	switch (fuzz_byte(input) % 3) {
	case 0: fuzz_bytes(input, control, 16); break;
	case 1: control[fuzz_byte(input) % 16] = fuzz_byte(input); break;
	default: fuzz_bytes(input, ring->data + fuzz_byte(input) * 8, 32); break;
	}
	fake_signal(&channel);
}

static void read_answers(void)
{
	struct vmbus_in_packet packet;

	for (unsigned i = 0; i < 8 && fake_receive(&channel, &packet); i++) {
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmbus_offering offering = {.type = {.a = 1}, .ops = &ops};
	struct fuzz_input input = {data, size};

	if (!guest.bus) {
		fake_create(&guest);
		vmbus_offer(guest.bus, &offering);
	}
	start(fuzz_byte(&input));
	while (input.left) {
		switch (fuzz_byte(&input) % 4) {
		case 0: post(&input); break;
		case 1: send_packet(&input); break;
		case 2: scribble(&input); break;
		default: read_answers(); break;
		}
	}
	start(0);
	return 0;
}
