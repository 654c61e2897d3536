/* SPDX-License-Identifier: MIT */
/*
 * For tests of the integration components: a VMBus client made of test code beneath them, and a guest behind the seams above. The client's
 * channels lead to the host's services in the same process (fake_hv_connect), or nowhere: then answers are kept for the test to read.
 */
#ifndef TESTS_FAKE_HV_H
#define TESTS_FAKE_HV_H

#include "adapter/hv/ic.h"
#include "adapter/hv/timer.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/control.h"
#include "tests/host/fake_guest.h"

#define FAKE_DRIVERS 8u
#define FAKE_NODES   128u
#define FAKE_PAGES   4096u

struct fake_node {
	char path[832];
	char value[3072];
};

/* What the seams say, and what was asked of them. */
struct fake_seam {
	bool listens;   /* to requests to end */
	unsigned asked; /* how often it was */
	enum control_shutdown what;
	uint64_t progress;
	uint64_t now;
	struct clock_wall wall;
	unsigned wall_changes;
	unsigned nodes;
	struct fake_node node[FAKE_NODES];
	/* Pages: what the guest has; its target, in KiB; those that it gave up, last first. */
	uint64_t pages, target_kib;
	unsigned waiting;
	uint64_t wait[FAKE_PAGES];
	bool taken[FAKE_PAGES]; /* by the host, by frame */
	struct hv_alarm *alarm;
};
extern struct fake_seam fake_seam;

/* A channel that leads nowhere. */
struct fake_answer {
	unsigned count; /* sent so far */
	bool full;      /* the ring takes nothing */
	uint64_t transaction;
	uint32_t length; /* of the last */
	_Alignas(8) uint8_t bytes[HV_CHANNEL_PACKET_MAX];
};
extern struct fake_answer fake_answer;

/* Forgets everything; registers the services (ic_init). */
void fake_hv_reset(void);
/* A new channel for the service, open, which leads nowhere. */
struct hv_channel *fake_hv_open(struct hv_ic *ic);
/* The same for a driver, by its name. */
struct hv_channel *fake_hv_open_named(const char *name);
/* The guest gives up a page. */
void fake_hv_give_up(uint64_t frame);
/* The time comes for which the alarm is set. */
void fake_hv_ring(void);
void fake_hv_rescind(struct hv_channel *channel);
/* The host sends. As the real client does it, a packet that is refused comes again once asked for. */
void fake_hv_packet(struct hv_channel *channel, const void *payload, uint32_t length,
		    uint64_t transaction);
/* There is room again. */
void fake_hv_drained(struct hv_channel *channel);

/* Connects to the host of `guest`, opens what has a driver. */
void fake_hv_connect(struct fake_guest *guest);
/* Lets both sides work until nothing is under way. */
void fake_hv_pump(void);

#endif
