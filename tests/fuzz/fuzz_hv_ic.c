/* SPDX-License-Identifier: MIT */
/*
 * Any packets of a host's to the integration components, and any course of the guest behind them: every question is answered once at most, in the
 * place of its own kind, and by the end of the input each service still negotiates.
 */
#include "tests/host/fake_hv.h"
#include "tests/host/fuzz_input.h"

#include "host/ic/services.h"

static struct hv_ic *const ics[] = {&hv_ic_shutdown, &hv_ic_heartbeat, &hv_ic_timesync, &hv_ic_kvp};
#define ICS (sizeof(ics) / sizeof(*ics))

static struct hv_channel *channels[ICS];
static uint8_t packet[HV_CHANNEL_PACKET_MAX];

/* Most packets have a sound head, so that the bodies are reached; and a body that is mostly zeros. */
static uint32_t make_packet(struct fuzz_input *input, const struct hv_ic *ic)
{
	struct ic_header *header = (struct ic_header *)packet;
	uint8_t kind = fuzz_byte(input);
	uint32_t length = kind & 1 ? sizeof(*header) + IC_MAX_BODY : fuzz_byte(input) * 16u;
	uint32_t at = fuzz_byte(input) * 4u;

	memset(packet, 0, sizeof(packet));
	header->type = kind & 2 ? ic->message_type : kind & 4 ? IC_NEGOTIATE : fuzz_byte(input);
	header->flags = kind & 8 ? fuzz_byte(input) : IC_FLAG_REQUEST;
	fuzz_bytes(input, packet + sizeof(*header) + at, fuzz_byte(input) % 64u);
	fuzz_bytes(input, packet + sizeof(*header), fuzz_byte(input) % 24u);
	return length < sizeof(packet) ? length : (uint32_t)sizeof(packet);
}

static void send_packet(struct fuzz_input *input, unsigned which)
{
	unsigned before = fake_answer.count;
	uint32_t length = make_packet(input, ics[which]);

	fake_hv_packet(channels[which], packet, length, fuzz_byte(input));
	FUZZ_CHECK(fake_answer.count <= before + 2); /* one that was owed, and this one's */
	if (fake_answer.count != before) {
		const struct ic_header *header = (const struct ic_header *)fake_answer.bytes;

		FUZZ_CHECK(fake_answer.length >= sizeof(*header));
		FUZZ_CHECK(header->flags == (IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE));
	}
}

static void negotiate(unsigned which)
{
	static const struct {
		struct ic_header header;
		struct ic_negotiate head;
		uint32_t framework, message;
	} __attribute__((packed)) question = {
	    .header = {.type = IC_NEGOTIATE, .flags = IC_FLAG_REQUEST},
	    .head = {1, 1, 0},
	    .framework = IC_VERSION(3, 0),
	    .message = IC_VERSION(3, 0),
	};

	fake_hv_packet(channels[which], &question, sizeof(question), 1);
}

static void something_else(struct fuzz_input *input, unsigned which)
{
	char text[8] = {0};

	switch (fuzz_byte(input) % 8) {
	case 0: control_shutdown_taken(fuzz_byte(input) & 1); break;
	case 1: fake_answer.full = !fake_answer.full; break;
	case 2: fake_hv_drained(channels[which]); break;
	case 3: fake_seam.listens = fuzz_byte(input) & 1; break;
	case 4: fake_seam.now += (uint64_t)fuzz_byte(input) << 32; break;
	case 5: fake_seam.progress++; break;
	case 6:
		fuzz_bytes(input, text, sizeof(text) - 1);
		xen_control_write(fuzz_byte(input) & 1 ? "data/os_name" : "attr/vif/0/ipv4/0",
				  text);
		break;
	case 7: negotiate(which); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};

	fake_hv_reset();
	for (unsigned i = 0; i < ICS; i++) {
		channels[i] = fake_hv_open(ics[i]);
		negotiate(i);
	}
	while (input.left) {
		uint8_t what = fuzz_byte(&input);

		if (what & 0x80)
			something_else(&input, what % ICS);
		else
			send_packet(&input, what % ICS);
	}
	fake_answer.full = false;
	for (unsigned i = 0; i < ICS; i++) {
		fake_hv_drained(channels[i]);
		control_shutdown_taken(false);
		control_shutdown_taken(false); /* for a second question that had to wait */
		negotiate(i);
		FUZZ_CHECK(ics[i]->version == IC_VERSION(3, 0) && ics[i]->state == HV_IC_IDLE);
	}
	return 0;
}
