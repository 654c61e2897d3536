/* SPDX-License-Identifier: MIT */
/* The guest's console: the hypercall, and the ring that hvc0 uses, both end on the machine's console. */
#include "adapter/xen/console.h"

#include "adapter/seam/console.h"
#include "adapter/x86/log.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "core/pvconsole.h"
#include "core/string.h"

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

static size_t sink(void *ctx, const char *data, size_t length)
{
	(void)ctx;
	console_write(data, length);
	return length;
}

static unsigned push_input(void)
{
	unsigned found;
	size_t taken;

	nr_held += console_read(held + nr_held, sizeof(held) - nr_held);
	if (!nr_held)
		return 0;
	found = pvconsole_push(&console, held, nr_held, &taken);
	nr_held -= taken;
	memmove(held, held + taken, nr_held);
	return found;
}

static void serve(void)
{
	unsigned found;

	lock_take(&lock);
	found = pvconsole_drain(&console, sink, NULL) | push_input();
	lock_drop(&lock);
	if (found & PVCONSOLE_NOTIFY)
		evtchn_internal_notify(&domain.evtchn, channel);
}

static void notified(void *ctx, evtchn_port_t port)
{
	(void)ctx;
	(void)port;
	serve();
}

void xen_console_input(void)
{
	if (channel >= 0)
		serve();
}

void console_drain(void)
{
	/* The partition is about to end: another VP that is at it will finish, or not. */
	if (channel < 0 || !lock_try(&lock))
		return;
	pvconsole_drain(&console, sink, NULL);
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
