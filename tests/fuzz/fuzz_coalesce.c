/* SPDX-License-Identifier: MIT */
/* Frames of a few flows, more or less as they should be: whatever is joined gives the same frames, in the same order, when it is cut again. */
#include <assert.h>
#include <stdlib.h>

#include "core/coalesce.h"
#include "tests/hosted/tcp.h"
#include "tests/loop/input.h"

#define FLOWS 2u
#define MOST  9200u

/* What is held, as it came; `now` is where it lies, and as long as it is. */
static struct {
	uint8_t bytes[MOST], *now;
	uint32_t length;
} came[COALESCE_FRAMES_MAX];
static unsigned nr_came;
static struct coalesce held;
static struct tcp_frame flow[FLOWS];

static uint32_t gather(const struct net_piece *piece, unsigned nr, uint8_t *packet)
{
	uint32_t length = 0;

	for (unsigned i = 0; i < nr; i++) {
		assert(piece[i].len && length + piece[i].len <= NET_PACKET_MAX);
		memcpy(packet + length, piece[i].data, piece[i].len);
		length += piece[i].len;
	}
	return length;
}

/* With DF the identification says nothing, and need not be the same. */
static void forget_id(uint8_t *frame)
{
	if (tcp_at(frame) == 34 && frame[20] & 0x40) {
		tcp_put16(frame + 18, 0);
		tcp_finish(frame, 14 + tcp_get16(frame + 16));
	}
}

static void check(void)
{
	static uint8_t packet[NET_PACKET_MAX], segment[NET_PACKET_MAX];
	struct net_offload offload;
	uint32_t length = gather(held.piece, coalesce_packet(&held, &offload), packet);

	assert(held.frames == nr_came);
	if (nr_came == 1) {
		assert(offload.csum_good && !offload.csum_blank && !offload.gso);
		assert(length == came[0].length && !memcmp(packet, came[0].now, length));
		return;
	}
	assert(offload.csum_blank && !offload.csum_good && offload.gso && offload.gso_size);
	assert((offload.gso == NET_GSO_TCPV6) == (tcp_at(packet) == 54));
	assert(tcp_is_to_be_completed(packet, length));
	for (unsigned i = 0; i < nr_came; i++) {
		uint32_t n = tcp_cut(packet, length, offload.gso_size, i, segment);

		forget_id(segment);
		forget_id(came[i].bytes);
		assert(n == came[i].length && !memcmp(segment, came[i].bytes, n));
	}
	assert(!tcp_cut(packet, length, offload.gso_size, nr_came, segment));
}

static void drop(void)
{
	for (unsigned i = 0; i < nr_came; i++)
		free(came[i].now);
	nr_came = 0;
	coalesce_drop(&held);
}

/* Mostly the next one of a flow. Its TCP checksum is right, as the host says; of the rest anything may be wrong. */
static uint32_t make(uint8_t *frame)
{
	unsigned what = byte();
	struct tcp_frame *f = &flow[what % FLOWS];
	uint32_t length;

	if (what & 2)
		f->payload = 1 + (byte() & 1 ? byte() : word() % 9000);
	f->flags = what & 4 ? TCP_FLAG_ACK | (byte() & TCP_FLAG_PSH) : 0;
	f->fill++;
	length = tcp_make(frame, f);
	f->seq += f->payload;
	f->id++;
	if ((what & 0x70) == 0x70) {
		frame[byte() % 96] ^= byte();
		if (byte() & 1 && tcp_at(frame) == (f->ipv6 ? 54u : 34u))
			tcp_finish(frame, length);
		length -= byte() % 4 == 0 ? byte() % length : 0;
		length += byte() % 4 == 0 ? byte() % 8 : 0;
	}
	return length;
}

static void add(unsigned kinds)
{
	static uint8_t frame[MOST];
	uint32_t length = make(frame), at = tcp_at(frame);
	uint8_t *now = malloc(length);
	bool scribble = byte() & 1, may;

	memcpy(now, frame, length);
	may = coalesce_may_add(&held, now, length);
	if (coalesce_add(&held, kinds, now, length)) {
		assert(may);
	} else {
		if (nr_came) {
			check();
			drop();
		}
		if (!coalesce_add(&held, kinds, now, length)) {
			free(now);
			return;
		}
	}
	assert(nr_came < COALESCE_FRAMES_MAX);
	/* A checksum that was wrong is the host's word against ours. */
	tcp_put16(frame + at + 16, 0);
	tcp_put16(frame + at + 16,
		  ~tcp_sum(frame + at, length - at, tcp_pseudo(frame, length - at)));
	memcpy(came[nr_came].bytes, frame, length);
	came[nr_came].length = length;
	came[nr_came++].now = now;
	/* The host writes over the headers, now that they have been read. */
	if (scribble)
		memset(now, byte(), at + 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	at = data;
	end = data + size;
	memset(&held, 0, sizeof(held));
	for (unsigned i = 0; i < FLOWS; i++) {
		uint8_t how = byte();

		flow[i] = (struct tcp_frame){
		    .ipv6 = how & 1,
		    .fragmentable = how & 2,
		    .options = how / 4 % 4 * 12,
		    .id = (uint16_t)(0xfff0 + how / 16),
		    .seq = how & 0x80 ? 0xffffff00 : 1,
		    .payload = 1448,
		};
	}
	while (at < end) {
		unsigned kinds = byte();

		add(kinds & 7 ? 6 : kinds >> 3);
		/* Sometimes there is no room for it, and it is asked for again. */
		if (nr_came && kinds & 8)
			check();
	}
	if (nr_came)
		check();
	drop();
	return 0;
}
