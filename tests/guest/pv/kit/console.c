/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/pv.h"

#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/sched.h>

static struct xencons_interface *ring;
static int lock;

void console_init(void)
{
	if (!is_hardware_domain())
		ring = mfn_to_va(start_info->console.domU.mfn);
}

static void ring_print(const char *text, size_t length)
{
	struct evtchn_send kick = {.port = start_info->console.domU.evtchn};

	while (length) {
		XENCONS_RING_IDX prod = ring->out_prod;

		while (length && prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) <
				     sizeof(ring->out)) {
			ring->out[MASK_XENCONS_IDX(prod++, ring->out)] = *text++;
			length--;
		}
		__atomic_store_n(&ring->out_prod, prod, __ATOMIC_RELEASE);
		hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &kick);
		if (length)
			hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
}

/* Two vCPUs may print; lines stay whole. */
void console_print(const char *text, size_t length)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	if (ring)
		ring_print(text, length);
	else
		hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, length, text);
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}
