/* SPDX-License-Identifier: MIT */
#include "tests/loop/partition.h"

#include "tests/loop/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The host's side. */

static bool host_posts(void *context, unsigned vp, const void *message, uint32_t length)
{
	struct partition *p = context;

	assert(vp == 0 && p->head - p->tail < PARTITION_MESSAGES);
	p->message[p->head % PARTITION_MESSAGES].length = length;
	memcpy(p->message[p->head % PARTITION_MESSAGES].bytes, message, length);
	p->head++;
	return true;
}

static void host_signals(void *context, unsigned vp, unsigned flag)
{
	struct partition *p = context;

	p->event[vp][flag] = true;
	p->interrupts++;
}

static int hook(void *context, uint32_t connection, int fd)
{
	struct partition *p = context;

	assert(p->hooks < PARTITION_HOOKS);
	p->hook[p->hooks].connection = connection;
	p->hook[p->hooks++].fd = fd;
	return 0;
}

static void unhook(void *context, uint32_t connection)
{
	struct partition *p = context;

	for (unsigned i = 0; i < p->hooks; i++)
		if (p->hook[i].connection == connection)
			p->hook[i--] = p->hook[--p->hooks];
}

/* The client's side. */

static bool client_posts(void *context, uint32_t connection, const void *message, uint32_t length)
{
	struct partition *p = context;

	vmbus_receive(p->bus, connection, message, length);
	return true;
}

static void client_signals(void *context, uint32_t connection)
{
	struct partition *p = context;

	p->signals++;
	for (unsigned i = 0; i < p->hooks; i++)
		if (p->hook[i].connection == connection)
			event_signal(p->hook[i].fd);
	while (p->prompt && (loop_turn(&p->loop, 1) || (p->busy && p->busy(p->server))))
		;
}

static bool deliver_events(struct partition *p)
{
	bool any = false;

	for (unsigned vp = 0; vp < CLIENT_VPS; vp++) {
		for (unsigned flag = 0; flag < 2048; flag++) {
			if (!p->event[vp][flag])
				continue;
			p->event[vp][flag] = false;
			client_event(vp, flag);
			any = true;
		}
	}
	return any;
}

static bool turn_once(struct partition *p)
{
	bool any = !p->stuck && loop_turn(&p->loop, 0);

	for (; p->tail != p->head; any = true) {
		unsigned i = p->tail++ % PARTITION_MESSAGES;
		uint8_t copy[VMBUS_MESSAGE_MAX];

		memcpy(copy, p->message[i].bytes, p->message[i].length);
		client_message(copy, p->message[i].length);
	}
	return deliver_events(p) || any;
}

static void turn(void *context)
{
	turn_once(context);
}

void partition_run(struct partition *p)
{
	unsigned quiet = 0;

	while (quiet < 2) {
		bool busy = p->busy && p->busy(p->server);

		if (turn_once(p) || loop_turn(&p->loop, 1) || busy)
			quiet = 0;
		else
			quiet++;
	}
}

void partition_create(struct partition *p)
{
	const struct vmbus_host server = {
	    .memory = &p->memory,
	    .loop = &p->loop,
	    .cpus = CLIENT_VPS,
	    .post = host_posts,
	    .signal = host_signals,
	    .hook = hook,
	    .unhook = unhook,
	    .context = p,
	};
	const struct client_host host = {client_posts, client_signals, turn, p};

	memset(p, 0, sizeof(*p));
	if (gmem_create(&p->memory, (uint64_t)PARTITION_PAGES * GMEM_PAGE_SIZE,
			(uint64_t)PARTITION_PAGES * GMEM_PAGE_SIZE) < 0 ||
	    loop_init(&p->loop) < 0)
		abort();
	p->bus = vmbus_create(&server);
	assert(p->bus);
	/* Page 0 is nobody's, so that a frame number of zero is a mistake that shows. */
	client_start(&host, p->memory.base, 1, PARTITION_DEVICE_PAGES - 1);
}

void partition_destroy(struct partition *p)
{
	vmbus_destroy(p->bus);
	loop_destroy(&p->loop);
	gmem_destroy(&p->memory);
}

uint8_t *partition_page(struct partition *p, uint64_t frame)
{
	return p->memory.base + frame * GMEM_PAGE_SIZE;
}
