/* SPDX-License-Identifier: MIT */
/*
 * A partition in one process: the adapter's VMBus client (client.h) connected to the host's VMBus server, through guest memory, messages and
 * events as KVM would carry them.
 */
#ifndef TESTS_LOOP_PARTITION_H
#define TESTS_LOOP_PARTITION_H

#include "host/loop.h"
#include "host/vmbus/vmbus.h"

#define PARTITION_PAGES 4096u
/* Below are the client's devices, above is what tests use as the guest's pages. */
#define PARTITION_DEVICE_PAGES 2048u

#define PARTITION_MESSAGES 1024u
#define PARTITION_HOOKS    64u

struct partition {
	struct gmem memory;
	struct loop loop;
	struct vmbus *bus;
	unsigned head, tail;
	struct {
		uint32_t length;
		uint8_t bytes[VMBUS_MESSAGE_MAX];
	} message[PARTITION_MESSAGES];
	bool event[4][2048]; /* by VP and channel */
	unsigned hooks;
	struct {
		uint32_t connection;
		int fd;
	} hook[PARTITION_HOOKS];
	unsigned signals, interrupts; /* to the host, to the guest */
	bool stuck;                   /* the servers do not look at what they are sent */
	bool prompt; /* what the host is signalled it has done before the client goes on */
	/* Whether threads of a server's are at work; NULL: it has none. */
	bool (*busy)(void *server);
	void *server;
};

/* Starts the client too; drivers are registered after, then hv_vmbus_connect(). */
void partition_create(struct partition *p);
void partition_destroy(struct partition *p);
/* Lets both ends work until neither has anything to do. */
void partition_run(struct partition *p);
/* The memory of one of the guest's pages, by frame (PARTITION_DEVICE_PAGES and up). */
uint8_t *partition_page(struct partition *p, uint64_t frame);

#endif
