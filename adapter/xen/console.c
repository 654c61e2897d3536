/* SPDX-License-Identifier: MIT */
/* The guest's console: the hypercall, and the ring that hvc0 uses, both end on the machine's console. */
#include "adapter/xen/console.h"

#include "adapter/seam/console.h"
#include "adapter/x86/log.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include <xen/io/console.h>

#define CHUNK 256

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

/* The ring (xen/io/console.h): the guest writes out_prod and in_cons, we the others; indices run freely. */
static struct xencons_interface *ring;
static int channel;
static struct lock lock;

static bool drain_output(void)
{
	uint32_t prod = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE);
	uint32_t cons = ring->out_cons;
	bool any = cons != prod;

	/* A guest that claims more than fits has lost the rest already. */
	if (prod - cons > sizeof(ring->out))
		cons = prod - sizeof(ring->out);
	for (; cons != prod; cons++) {
		char c = ring->out[MASK_XENCONS_IDX(cons, ring->out)];

		console_write(&c, 1);
	}
	__atomic_store_n(&ring->out_cons, cons, __ATOMIC_RELEASE);
	return any;
}

static bool fill_input(void)
{
	uint32_t prod = ring->in_prod;
	uint32_t used = prod - __atomic_load_n(&ring->in_cons, __ATOMIC_ACQUIRE);
	char text[sizeof(ring->in)];
	size_t n;

	if (used >= sizeof(ring->in))
		return false;
	n = console_read(text, sizeof(ring->in) - used);
	for (size_t i = 0; i < n; i++)
		ring->in[MASK_XENCONS_IDX(prod + i, ring->in)] = text[i];
	__atomic_store_n(&ring->in_prod, prod + n, __ATOMIC_RELEASE);
	return n != 0;
}

static void serve(void)
{
	bool any;

	lock_take(&lock);
	any = drain_output();
	any |= fill_input();
	lock_drop(&lock);
	if (any)
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
	if (ring)
		serve();
}

void console_drain(void)
{
	if (ring)
		drain_output();
}

unsigned console_init(struct xencons_interface *page)
{
	evtchn_port_t port;

	channel = evtchn_internal_alloc(&domain.evtchn, notified, NULL, &port);
	if (channel < 0)
		panic("no event channel for the console");
	ring = page;
	return port;
}
