/* SPDX-License-Identifier: MIT */
/* The guest's console: the hypercall, and the ring that hvc0 uses, both end on the machine's console. */
#include "adapter/xen/console.h"

#include "adapter/seam/console.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "core/pvconsole.h"
#include "core/string.h"

/* Written at a time, between which interrupts come in: each byte may be a way out of the partition and back. */
#define CHUNK 256

static struct pvconsole console;
static struct lock lock;
static int channel = -1;
/* Input that the ring had no room for. */
static char held[64];
static size_t nr_held;

static long write_chunks(const char *buffer, uint32_t count)
{
	char chunk[CHUNK];

	while (count) {
		uint32_t n = count < CHUNK ? count : CHUNK;

		if (!copy_from_guest(chunk, buffer, n))
			return -XEN_EFAULT;
		console_write(chunk, n);
		buffer += n;
		count -= n;
		if (count)
			irq_window();
	}
	return 0;
}

static long read_chunk(char *buffer, uint32_t count)
{
	char chunk[CHUNK];
	size_t n = console_read(chunk, count < CHUNK ? count : CHUNK);

	return copy_to_guest(buffer, chunk, n) ? (long)n : -XEN_EFAULT;
}

long do_console_io(uint32_t cmd, uint32_t count, char *buffer)
{
	switch (cmd) {
	case CONSOLEIO_write: return write_chunks(buffer, count);
	case CONSOLEIO_read: return read_chunk(buffer, count);
	default: return -XEN_ENOSYS;
	}
}

/* Takes no more than its budget. */
static size_t sink(void *ctx, const char *data, size_t length)
{
	size_t *budget = ctx, n = length < *budget ? length : *budget;

	console_write(data, n);
	*budget -= n;
	return n;
}

/* Until there is no more, or the ring is full: then the guest notifies once it has read. */
static unsigned push_input(void)
{
	unsigned found = 0;
	size_t taken;

	do {
		nr_held += console_read(held + nr_held, sizeof(held) - nr_held);
		if (!nr_held)
			break;
		found |= pvconsole_push(&console, held, nr_held, &taken);
		nr_held -= taken;
		memmove(held, held + taken, nr_held);
	} while (!nr_held);
	return found;
}

static unsigned serve(size_t budget)
{
	unsigned found;

	lock_take(&lock);
	found = pvconsole_drain(&console, sink, &budget) | push_input();
	lock_drop(&lock);
	return found;
}

static void tell_guest(unsigned found)
{
	if (found & PVCONSOLE_NOTIFY)
		evtchn_internal_notify(&domain.evtchn, channel);
}

/* Within the guest's hypercall: what the ring held when it began. What others add meanwhile they announce themselves. */
static void notified(void *ctx, evtchn_port_t port)
{
	unsigned found = serve(CHUNK), all = found;

	(void)ctx;
	(void)port;
	for (size_t i = CHUNK; found & PVCONSOLE_MORE && i < sizeof(console.ring->out);
	     i += CHUNK) {
		irq_window();
		found = serve(CHUNK);
		all |= found;
	}
	tell_guest(all);
}

void xen_console_input(void)
{
	if (channel >= 0)
		tell_guest(serve(CHUNK));
}

void console_drain(void)
{
	size_t budget = sizeof(console.ring->out);

	/* The partition is about to end: another VP that is at it will finish, or not. */
	if (channel < 0 || !lock_try(&lock))
		return;
	pvconsole_drain(&console, sink, &budget);
	lock_drop(&lock);
}

unsigned console_init(struct xencons_interface *page)
{
	evtchn_port_t port;

	pvconsole_init(&console, page);
	channel = evtchn_internal_alloc(&domain.evtchn, notified, NULL, &port);
	if (channel < 0)
		panic("no event channel for the console");
	return port;
}
