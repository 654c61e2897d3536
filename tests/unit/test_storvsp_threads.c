/* SPDX-License-Identifier: MIT */
/*
 * The synthetic SCSI controller with all its threads: a guest that keeps more commands under way than its rings hold, and looks at them only
 * when it is told to, as Linux does. A signal that is lost on either way leaves it waiting. Under the thread sanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "abi/vmbus/storvsp.h"
#include "host/ring.h"
#include "host/storvsp.h"
#include "tests/host/fake_guest.h"

#define RING_PAGES 2u
#define COMMANDS   80u /* twice what the host's ring has room for */
#define ROUNDS     60000u
#define SECTOR     512u
#define THREADS    4u
#define PATIENCE   10 /* seconds */

/* On the device thread, where cmocka's would jump into another one. */
#define must(what) ((what) ? (void)0 : abort())

enum step { IDLE, WRITING, FLUSHING, READING };

struct command {
	enum step step;
	uint32_t stamp;
	uint64_t frame;
	uint8_t *data;
};

struct world {
	struct fake_guest guest;
	struct fake_channel channel;
	struct ring *ring;
	struct block_pool pool;
	struct block disk;
	struct storvsp *controller;
	int fd;
	pthread_t device;
	sem_t started;
	bool with_ring;
	struct loop_watch end;
	struct command command[COMMANDS];
	unsigned under_way, done, full;
	uint32_t seen; /* signals of the guest's */
};

static void ends(void *context, uint32_t events)
{
	struct world *w = context;

	(void)events;
	event_take(w->end.fd);
	loop_stop(&w->guest.loop);
}

static void control(struct world *w, uint32_t operation, uint16_t version)
{
	const struct storvsp_packet wire = {.operation = operation, .version = version};
	const struct vmbus_out_packet packet = {
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .type = VMBUS_PACKET_IN_BAND,
	    .transaction = 1,
	    .payload[0] = {&wire, sizeof(wire)},
	};
	struct vmbus_in_packet in;

	must(fake_send(&w->channel, &packet));
	must(fake_receive(&w->channel, &in));
}

static void start(struct world *w)
{
	char path[64];
	struct block_source source = {path, XD_FORMAT_RAW, false, NULL};
	struct vmbus_offer offer;
	struct xd_error error;

	w->ring = w->with_ring ? ring_create() : NULL;
	fake_create(&w->guest);
	w->fd = memfd_create("disk", 0);
	must(ftruncate(w->fd, COMMANDS * SECTOR) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->fd);
	must(block_pool_init(&w->pool, &w->guest.loop, THREADS, w->ring) == 0);
	must(block_open(&w->disk, &w->pool, &source, &error) == 0);
	w->controller = storvsp_create(w->guest.bus, 0, 1);
	must(storvsp_insert(w->controller, 0, &w->disk, false));
	must(fake_connect(&w->guest, VMBUS_VERSION_WIN10_V5_3));
	must(fake_offer(&w->guest, &offer));
	must(fake_open(&w->channel, &w->guest, &offer, RING_PAGES));
	control(w, STORVSP_BEGIN_INITIALIZATION, 0);
	control(w, STORVSP_QUERY_VERSION, STORVSP_VERSION_WIN10);
	control(w, STORVSP_QUERY_PROPERTIES, 0);
	control(w, STORVSP_END_INITIALIZATION, 0);
	for (unsigned i = 0; i < COMMANDS; i++)
		w->command[i].frame = fake_frames(&w->guest, 1, (void **)&w->command[i].data);
	w->end = (struct loop_watch){event_create(), ends, w};
	must(loop_add(&w->guest.loop, &w->end, EPOLLIN) == 0);
}

static void stop(struct world *w)
{
	loop_remove(&w->guest.loop, &w->end);
	vmbus_destroy(w->guest.bus);
	w->guest.bus = NULL;
	storvsp_destroy(w->controller);
	block_close(&w->disk, NULL);
	block_pool_destroy(&w->pool);
	fake_destroy(&w->guest);
	ring_destroy(w->ring);
	close(w->fd);
}

/* The ring is its thread's alone. */
static void *device_thread(void *argument)
{
	struct world *w = argument;

	start(w);
	sem_post(&w->started);
	loop_run(&w->guest.loop);
	stop(w);
	return NULL;
}

static int setup_with(void **state, bool ring)
{
	struct world *w = *state = calloc(1, sizeof(*w));

	w->with_ring = ring;
	sem_init(&w->started, 0, 0);
	must(pthread_create(&w->device, NULL, device_thread, w) == 0);
	sem_wait(&w->started);
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false);
}

static int setup_ring(void **state)
{
	return setup_with(state, true);
}

static int teardown(void **state)
{
	struct world *w = *state;

	event_signal(w->end.fd);
	pthread_join(w->device, NULL);
	close(w->end.fd);
	sem_destroy(&w->started);
	free(w);
	return 0;
}

/* fake_signal() would do the device thread's work here. */
static void signal_host(const struct world *w)
{
	for (unsigned i = 0; i < w->guest.hooks; i++)
		if (w->guest.hook[i].connection == w->channel.offer.connection)
			event_signal(w->guest.hook[i].fd);
}

/* False: the ring has no room, and the host will say when it has. */
static bool send_command(struct world *w, unsigned i)
{
	struct command *c = &w->command[i];
	struct {
		struct vmbus_gpa_direct direct;
		struct vmbus_gpa_range range;
		uint64_t frame;
	} memory = {{.count = 1}, {SECTOR, 0}, c->frame};
	struct storvsp_packet wire = {
	    .operation = STORVSP_EXECUTE_SRB,
	    .request = {.length = sizeof(wire.request),
			.cdb_length = 10,
			.transfer_length = SECTOR,
			.data_in = c->step == READING,
			.cdb = {c->step == WRITING    ? 0x2a
				: c->step == FLUSHING ? 0x35
						      : 0x28,
				[5] = (uint8_t)i, [8] = c->step != FLUSHING}},
	};
	const struct vmbus_out_packet packet = {
	    .type = c->step == FLUSHING ? VMBUS_PACKET_IN_BAND : VMBUS_PACKET_GPA_DIRECT,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .transaction = i,
	    .extension = {&memory, c->step == FLUSHING ? 0 : sizeof(memory)},
	    .payload[0] = {&wire, sizeof(wire)},
	};
	bool signal;

	if (vmbus_ring_send(&w->channel.out, &packet, &signal) != VMBUS_RING_OK)
		return false;
	w->under_way++;
	if (signal)
		signal_host(w);
	return true;
}

/* Every command writes a stamp, now and then flushes, and reads it back. */
static void next_step(struct command *c)
{
	uint32_t *words = (uint32_t *)c->data;

	switch (c->step) {
	case IDLE:
	case READING:
		for (unsigned i = 0; i < SECTOR / 4; i++)
			words[i] = c->stamp + 1;
		c->stamp++;
		c->step = WRITING;
		break;
	case WRITING:
		if (c->stamp % 8 == 0) {
			c->step = FLUSHING;
			break;
		}
		/* fallthrough */
	case FLUSHING:
		memset(c->data, 0, SECTOR);
		c->step = READING;
		break;
	}
}

static void completed(struct world *w, const struct vmbus_in_packet *in)
{
	struct command *c = &w->command[in->transaction];
	struct storvsp_packet wire;

	assert_int_equal(in->type, VMBUS_PACKET_COMPLETION);
	assert_true(in->transaction < COMMANDS);
	memcpy(&wire, in->payload, sizeof(wire));
	assert_int_equal(wire.request.srb_status, STORVSP_SRB_SUCCESS);
	if (c->step == READING) {
		const uint32_t *words = (const uint32_t *)c->data;

		assert_int_equal(words[0], c->stamp);
		assert_int_equal(words[SECTOR / 4 - 1], c->stamp);
	}
	next_step(c);
	w->under_way--;
	w->done++;
}

/* What Linux does of an interrupt: with the ring masked until it is empty. */
static void take(struct world *w, bool *free)
{
	struct fake_channel *channel = &w->channel;
	struct vmbus_in_packet in;

	do {
		vmbus_ring_mask(&channel->in);
		while (vmbus_ring_receive(&channel->in, channel->buffer, sizeof(channel->buffer),
					  &in) == VMBUS_RING_OK) {
			completed(w, &in);
			free[in.transaction] = true;
		}
		if (vmbus_ring_release(&channel->in))
			signal_host(w);
	} while (vmbus_ring_unmask(&channel->in));
}

static bool wait_for_signal(struct world *w)
{
	time_t end = time(NULL) + PATIENCE;

	while (w->guest.signals == w->seen) {
		if (time(NULL) > end)
			return false;
		sched_yield();
	}
	w->seen = w->guest.signals;
	return true;
}

static void no_signal_is_lost(void **state)
{
	struct world *w = *state;
	bool free[COMMANDS];
	unsigned at = 0;

	for (unsigned i = 0; i < COMMANDS; i++) {
		next_step(&w->command[i]);
		free[i] = true;
	}
	w->seen = w->guest.signals;
	while (w->done < ROUNDS) {
		for (unsigned n = 0; n < COMMANDS; n++, at = (at + 1) % COMMANDS) {
			if (!free[at])
				continue;
			if (!send_command(w, at)) {
				w->full++;
				break;
			}
			free[at] = false;
		}
		assert_true(wait_for_signal(w));
		take(w, free);
	}
	while (w->under_way) {
		assert_true(wait_for_signal(w));
		take(w, free);
	}
	assert_true(w->full > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(no_signal_is_lost, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_signal_is_lost, setup_ring, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
