/* SPDX-License-Identifier: MIT */
/*
 * Any NVSP and RNDIS messages, any completions, frames of any length: the adapter lives, writes nowhere but into the buffer that it was given,
 * and the next guest gets frames through.
 */
#include "tests/host/fake_guest.h"
#include "tests/host/fuzz_input.h"

#include "abi/vmbus/netvsp.h"
#include "host/netvsp.h"
#include "host/rndis.h"

#define RECEIVE_FRAMES 3u /* few sections, so that the last one is in use soon */
#define GUARD_FRAMES   3u
#define SEND_FRAMES    16u
#define GUARD          0xee

static struct fake_guest guest;
static struct fake_channel channel;
static struct netvsp *adapter;
static uint8_t *send_buffer, *guard;

static void swallow(struct net_backend *backend, uint8_t *frame, uint32_t length,
		    const struct net_work *work)
{
	uint8_t first = frame[0];

	(void)backend, (void)work;
	/* A backend reads and may change all of it. */
	memset(frame, 0, length);
	frame[0] = first;
}

static void resume(struct net_backend *backend)
{
	(void)backend;
}

static const struct net_backend_ops backend_ops = {.send = swallow, .resume = resume};
static struct net_backend backend = {.ops = &backend_ops};

static bool send_nvsp(const struct nvsp_message *message)
{
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_IN_BAND,
						.flags = VMBUS_PACKET_WANTS_COMPLETION,
						.payload[0] = {message, sizeof(*message)}};

	return fake_send(&channel, &packet);
}

static void read_all(void)
{
	struct vmbus_in_packet packet;

	for (unsigned i = 0; i < 64 && fake_receive(&channel, &packet); i++) {
	}
}

static void give_back(uint64_t transaction)
{
	const struct vmbus_out_packet packet = {.type = VMBUS_PACKET_COMPLETION,
						.transaction = transaction};

	fake_send(&channel, &packet);
}

/* Without it nothing that arrives is for this guest. */
static void set_filter(void)
{
	struct {
		struct rndis_header header;
		struct rndis_request request;
		uint32_t value;
	} set = {{RNDIS_SET, sizeof(set)},
		 {1, OID_GEN_CURRENT_PACKET_FILTER, 4, sizeof(struct rndis_request), 0},
		 0xf};
	const struct nvsp_message message = {.type = NVSP_SEND_RNDIS_PACKET,
					     .rndis = {NVSP_CHANNEL_CONTROL, 0, sizeof(set)}};

	memcpy(send_buffer, &set, sizeof(set));
	FUZZ_CHECK(send_nvsp(&message));
	give_back(1);
}

static void start(void)
{
	struct nvsp_message init = {.type = NVSP_INIT, .init = {NVSP_VERSION_61, NVSP_VERSION_61}};
	struct nvsp_message receive = {.type = NVSP_SEND_RECEIVE_BUFFER,
				       .buffer = {100, 0xcafe, 0}};
	struct nvsp_message send = {.type = NVSP_SEND_SEND_BUFFER, .buffer = {101, 0, 0}};
	struct vmbus_offer offer;

	guest.next_frame = 1;
	guest.next_gpadl = 1;
	guest.head = guest.tail = 0;
	FUZZ_CHECK(fake_connect(&guest, VMBUS_VERSION_WIN10_V5_3) && fake_offer(&guest, &offer) &&
		   fake_open(&channel, &guest, &offer, 8));
	FUZZ_CHECK(fake_gpadl(&guest, offer.channel, 100, fake_frames(&guest, RECEIVE_FRAMES, NULL),
			      RECEIVE_FRAMES));
	fake_frames(&guest, GUARD_FRAMES, (void **)&guard);
	memset(guard, GUARD, GUARD_FRAMES * 4096);
	FUZZ_CHECK(fake_gpadl(&guest, offer.channel, 101,
			      fake_frames(&guest, SEND_FRAMES, (void **)&send_buffer),
			      SEND_FRAMES));
	FUZZ_CHECK(send_nvsp(&init) && send_nvsp(&receive) && send_nvsp(&send));
	set_filter();
	read_all();
}

static void rndis(struct fuzz_input *input)
{
	struct nvsp_message message = {.type = NVSP_SEND_RNDIS_PACKET};

	message.rndis.channel = fuzz_byte(input) & 1;
	message.rndis.section = fuzz_byte(input) % 12;
	message.rndis.section_bytes = fuzz_byte(input) * 2u;
	fuzz_bytes(input, send_buffer + message.rndis.section % 10 * 6144u, 200);
	send_nvsp(&message);
}

static void any(struct fuzz_input *input)
{
	struct nvsp_message message;
	struct vmbus_out_packet packet = {.payload[0] = {&message, sizeof(message)}};

	packet.type = fuzz_byte(input) % 16;
	packet.flags = fuzz_byte(input) & 1;
	packet.transaction = fuzz_byte(input);
	fuzz_bytes(input, &message, sizeof(message));
	message.type %= 140;
	fake_send(&channel, &packet);
}

static void configure(struct fuzz_input *input)
{
	struct nvsp_message message = {.type = NVSP_SEND_NDIS_CONFIG,
				       .ndis_config.mtu = fuzz_byte(input) * 40u};

	send_nvsp(&message);
}

static void arrive(struct fuzz_input *input)
{
	static uint8_t frame[9100];
	uint32_t length = NET_HEADER + fuzz_byte(input) * 35u;

	fuzz_bytes(input, frame, 64);
	backend.receive(backend.adapter, frame, length, fuzz_byte(input) & 1);
	fake_pump(&guest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t address[6] = {2, 0, 0, 0, 0, 1};
	struct fuzz_input input = {data, size};

	if (!guest.bus) {
		fake_create(&guest);
		adapter = netvsp_create(guest.bus, 0, FAKE_CPUS, address, &backend);
		FUZZ_CHECK(adapter);
	}
	start();
	while (input.left) {
		switch (fuzz_byte(&input) % 7) {
		case 0:
		case 1: rndis(&input); break;
		case 2: any(&input); break;
		case 3: arrive(&input); break;
		case 4: configure(&input); break;
		case 5: give_back(fuzz_byte(&input)); break;
		default: read_all(); break;
		}
	}
	for (unsigned i = 0; i < GUARD_FRAMES * 4096; i++) {
		FUZZ_CHECK(guard[i] == GUARD);
	}
	return 0;
}
