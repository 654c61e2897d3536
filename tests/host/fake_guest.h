/* SPDX-License-Identifier: MIT */
/*
 * A guest made of test code: memory, a VMBus server under test, and the guest's ends of its channels. For unit tests and
 * fuzzers of host/. Nothing here runs on its own: fake_pump() lets the host's loop work until it has nothing to do.
 */
#ifndef TESTS_FAKE_GUEST_H
#define TESTS_FAKE_GUEST_H

#include "host/loop.h"
#include "host/vmbus/vmbus.h"

#include <stdatomic.h>

#define FAKE_MEMORY      (16u << 20)
#define FAKE_MEMORY_MOST (32u << 20) /* by hot add */
#define FAKE_CPUS        4u
#define FAKE_MESSAGES    512u
#define FAKE_HOOKS       64u

struct fake_message {
	uint32_t length;
	uint8_t bytes[VMBUS_MESSAGE_MAX];
};

struct fake_guest {
	struct gmem memory;
	struct loop loop;
	struct vmbus *bus;
	/* Messages from the host that the guest has not read. */
	unsigned head, tail;
	struct fake_message message[FAKE_MESSAGES];
	/* What HvSignalEvent would reach. */
	unsigned hooks;
	struct {
		uint32_t connection;
		int fd;
	} hook[FAKE_HOOKS];
	atomic_uint signals; /* interrupts so far */
	uint32_t version;
	struct vmbus_interrupt_page *interrupts; /* before 2.4 */
	uint32_t taken[8];                       /* what the last interrupt found there */
	uint64_t next_frame;
	uint32_t next_gpadl;
};

struct fake_channel {
	struct fake_guest *guest;
	struct vmbus_offer offer;
	uint32_t gpadl;
	struct vmbus_ring in, out; /* as the guest sees them */
	uint8_t buffer[65536];
};

void fake_create(struct fake_guest *guest);
void fake_destroy(struct fake_guest *guest);
void fake_pump(struct fake_guest *guest);

/* Posts a message and lets the host work. */
void fake_post(struct fake_guest *guest, const void *message, uint32_t length);
/* The next message from the host where it is of that kind, else NULL. "All offers delivered" is passed over. */
const void *fake_next(struct fake_guest *guest, enum vmbus_message_number number);
/* Frames that nobody else uses; the address of their memory too. */
uint64_t fake_frames(struct fake_guest *guest, unsigned count, void **at);
/* Makes a GPADL of frames that follow one another; true where the host created it. */
bool fake_gpadl(struct fake_guest *guest, uint32_t channel, uint32_t id, uint64_t frame,
		unsigned count);

/* Connects at `version`, asks for offers. False where the host refuses the version. */
bool fake_connect(struct fake_guest *guest, uint32_t version);
/* The next offer, after fake_connect(); false at the end. */
bool fake_offer(struct fake_guest *guest, struct vmbus_offer *offer);
/* Opens an offered channel with rings of `pages` each. */
bool fake_open(struct fake_channel *channel, struct fake_guest *guest,
	       const struct vmbus_offer *offer, unsigned pages);
void fake_close(struct fake_channel *channel);

/* Sends and lets the host work. False where the ring is full. */
bool fake_send(struct fake_channel *channel, const struct vmbus_out_packet *packet);
void fake_signal(struct fake_channel *channel);
/* The next packet from the host. */
bool fake_receive(struct fake_channel *channel, struct vmbus_in_packet *packet);

#endif
