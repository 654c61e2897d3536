/* SPDX-License-Identifier: MIT */
/* Before version 2.4 all channels share one interrupt page: struct vmbus_interrupt_page in abi/vmbus/message.h. */
#include "host/vmbus/internal.h"

#include <stdatomic.h>
#include <unistd.h>

#define SHARED_FLAG 0u
#define WORDS       (MAX_CHANNELS / 32)

static void wake_all(struct vmbus *bus, uint32_t word, uint32_t bits)
{
	while (bits) {
		uint32_t id = word * 32 + (uint32_t)__builtin_ctz(bits);
		struct vmbus_channel *channel = bus_channel(bus, id);

		bits &= bits - 1;
		if (channel) {
			channel_wake(channel);
		}
	}
}

static void guest_signalled(void *context, uint32_t events)
{
	struct vmbus *bus = context;

	(void)events;
	event_take(bus->shared_watch.fd);
	for (uint32_t word = 0; word < WORDS; word++) {
		_Atomic uint32_t *bits = (_Atomic uint32_t *)&bus->interrupts->to_host[word];

		if (atomic_load_explicit(bits, memory_order_relaxed)) {
			wake_all(bus, word, atomic_exchange(bits, 0));
		}
	}
}

bool shared_begin(struct vmbus *bus, uint64_t interrupt_page)
{
	const struct vmbus_host *host = &bus->host;

	if (interrupt_page % GMEM_PAGE_SIZE) {
		return false;
	}
	bus->interrupts = gmem_at(host->memory, gpa(interrupt_page), sizeof(*bus->interrupts));
	bus->shared_watch = (struct loop_watch){event_create(), guest_signalled, bus};
	if (bus->shared_watch.fd >= 0 && bus->interrupts &&
	    loop_add(host->loop, &bus->shared_watch, EPOLLIN) == 0) {
		if (host->hook(host->context, VMBUS_CONNECTION_EVENT, bus->shared_watch.fd) == 0) {
			return true;
		}
		loop_remove(host->loop, &bus->shared_watch);
	}
	if (bus->shared_watch.fd >= 0) {
		close(bus->shared_watch.fd);
	}
	bus->interrupts = NULL;
	return false;
}

void shared_end(struct vmbus *bus)
{
	if (bus->interrupts) {
		bus->host.unhook(bus->host.context, VMBUS_CONNECTION_EVENT);
		loop_remove(bus->host.loop, &bus->shared_watch);
		close(bus->shared_watch.fd);
		bus->interrupts = NULL;
	}
}

/* The bit before the flag: who finds the flag looks at all bits. */
void shared_signal(struct vmbus *bus, unsigned vp, uint32_t channel)
{
	_Atomic uint32_t *bits = (_Atomic uint32_t *)&bus->interrupts->to_guest[channel / 32];

	atomic_fetch_or(bits, 1u << (channel % 32));
	bus->host.signal(bus->host.context, vp, SHARED_FLAG);
}
