/* SPDX-License-Identifier: MIT */
#include "tests/loop/client_netvsc.h"

/* Included for its state. */
#include "adapter/hv/netvsc.c"

#include <string.h>

static unsigned started;

cpumask_t hv_started(void)
{
	return (cpumask_t){(1ull << started) - 1};
}

void client_netvsc_start(unsigned vps, unsigned mtu)
{
	started = vps;
	nr_devices = 0;
	memset(devices, 0, sizeof(devices));
	netvsc_init(mtu);
	netvsc_begin();
}

void client_netvsc_hold(void)
{
	begun = false;
}

static bool queue_is_at_rest(const struct netvsc_queue *queue)
{
	uint64_t sections = queue->nr_sections ? ~0ull >> (64 - queue->nr_sections) : 0;

	return queue->direct_free == ~0ull && queue->section_free == sections &&
	       !queue->nr_waiting && !queue->batch.packets && !queue->nr_owed &&
	       !queue->held.frames;
}

bool client_netvsc_is_at_rest(struct net_device *net)
{
	const struct netvsc *device = netvsc_of(net);

	for (unsigned i = 0; i < device->nr_queues; i++)
		if (device->queue[i].open && !queue_is_at_rest(&device->queue[i]))
			return false;
	return true;
}
