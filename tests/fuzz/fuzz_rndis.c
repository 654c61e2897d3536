/* SPDX-License-Identifier: MIT */
/* Any RNDIS message, control or data, and any frame in it: answers fit, frames lie inside, segments are of legal size. */
#include "tests/host/fuzz_input.h"

#include "host/rndis.h"

static void emit(void *context, const uint8_t *frame, uint32_t length)
{
	uint32_t *sum = context;

	FUZZ_CHECK(length <= NET_FRAME_MAX);
	for (uint32_t i = 0; i < length; i++) {
		*sum += frame[i];
	}
}

/* Straight to the offloads: three bytes say what to do, the rest is the frame. */
static void finish(struct fuzz_input input)
{
	struct net_work work = {0};
	uint8_t what = fuzz_byte(&input);
	size_t length;
	uint8_t *frame;
	uint32_t sum = 0;

	work.ip_checksum = what & 1;
	work.tcp = what & 2;
	work.udp = what & 4;
	fuzz_bytes(&input, &work.mss, sizeof(work.mss));
	work.mss %= NET_MTU_MOST + 1;
	length = input.left;
	frame = malloc(length ? length : 1);
	fuzz_bytes(&input, frame, length);
	net_finish(frame, (uint32_t)length, &work, emit, &sum);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rndis_adapter adapter = {.mtu = 1500, .queues = 4, .link = true};
	uint8_t *message = malloc(size ? size : 1), reply[RNDIS_REPLY_MAX];
	struct rndis_frame frame;
	uint32_t took, sum = 0;

	if (size && size <= NET_FRAME_MAX) {
		finish((struct fuzz_input){data, size});
	}
	/* A heap copy of its exact size, so that every byte beyond is caught. */
	memcpy(message, data, size);
	FUZZ_CHECK(rndis_control(&adapter, message, (uint32_t)size, reply) <= sizeof(reply));
	for (uint32_t i = 0; i < adapter.rss_entries && adapter.rss; i++) {
		FUZZ_CHECK(adapter.rss_table[i] < adapter.queues);
	}
	for (uint32_t at = 0; at < size; at += took) {
		took = rndis_read_packet(message + at, (uint32_t)size - at, &frame);
		if (!took) {
			break;
		}
		FUZZ_CHECK(frame.frame >= message + at &&
			   frame.frame + frame.length <= message + at + took);
		net_finish((uint8_t *)(uintptr_t)frame.frame, frame.length, &frame.work, emit,
			   &sum);
	}
	free(message);
	return 0;
}
