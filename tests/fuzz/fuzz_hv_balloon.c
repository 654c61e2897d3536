/* SPDX-License-Identifier: MIT */
/* Any messages of a host's about memory, and any behaviour of the guest: no page is taken twice, none is lost, none comes back that was not taken. */
#include "abi/vmbus/balloon.h"
#include "tests/host/fake_hv.h"
#include "tests/host/fuzz_input.h"

#define PAGES 131072u

static struct hv_channel *channel;
static bool given_up[FAKE_PAGES];

static void send_message(struct fuzz_input *input)
{
	struct {
		struct balloon_header header;
		uint8_t body[256];
	} message;
	uint8_t kind = fuzz_byte(input);

	fuzz_bytes(input, message.body, fuzz_byte(input));
	message.header.type = kind % 16;
	message.header.size = kind & 0x40 ? fuzz_byte(input) : sizeof(message);
	message.header.transaction = 0;
	if (kind & 0x80) {
		/* Sensible numbers. */
		const uint64_t word = fuzz_byte(input);

		memcpy(message.body, &word, sizeof(word));
	}
	fake_hv_packet(channel, &message, sizeof(message), 0);
}

static void give_up(uint64_t frame)
{
	if (given_up[frame] || !fake_seam.pages)
		return;
	given_up[frame] = true;
	fake_hv_give_up(frame);
}

/* What waits and what the host has is what the guest gave up. */
static void check_pages(void)
{
	unsigned taken = 0, up = 0;

	for (unsigned i = 0; i < FAKE_PAGES; i++) {
		taken += fake_seam.taken[i];
		up += given_up[i];
	}
	FUZZ_CHECK(taken + fake_seam.waiting == up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct {
		struct balloon_header header;
		struct balloon_accept accept;
	} version = {{BALLOON_VERSION_RESPONSE, sizeof(version), 0}, {1}},
	  capabilities = {{BALLOON_CAPABILITIES_RESPONSE, sizeof(capabilities), 0}, {1}};
	struct fuzz_input input = {data, size};

	fake_hv_reset();
	memset(given_up, 0, sizeof(given_up));
	fake_seam.pages = PAGES;
	channel = fake_hv_open_named("dynamic memory");
	if (fuzz_byte(&input) & 1) {
		fake_hv_packet(channel, &version, sizeof(version), 0);
		fake_hv_packet(channel, &capabilities, sizeof(capabilities), 0);
	}
	while (input.left) {
		uint8_t what = fuzz_byte(&input);

		switch (what % 6) {
		case 0: send_message(&input); break;
		case 1: fake_hv_ring(); break;
		case 2: give_up(fuzz_byte(&input)); break;
		case 3:
			for (unsigned i = 0, from = fuzz_byte(&input) * 8u; i < what / 4u; i++)
				give_up(from + 2 * i);
			break;
		case 4: fake_answer.full = !fake_answer.full; break;
		case 5: fake_hv_drained(channel); break;
		}
	}
	check_pages();
	return 0;
}
