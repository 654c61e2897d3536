/* SPDX-License-Identifier: MIT */
/*
 * Channels of network adapters. A device's memory is let go of when the last channel has been rescinded and the Xen side has forgotten it; until then a
 * VP that has just looked at it may go on.
 */
#include "adapter/hv/netvsc.h"

#include "adapter/hv/netvsc_int.h"
#include "adapter/hv/vp.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"

/* Pages. The receive buffer is where packets are until the guest has them: the larger, the fewer are lost in a burst. */
#define RECEIVE_FIRST  384u /* of the first adapter, */
#define RECEIVE_OTHER  128u /* of any other, */
#define RECEIVE_LEAST  16u  /* and what it takes at all */
#define SEND_PER_QUEUE 24u
#define LEFT \
	320u /* that the buffers leave to rings and to other devices, where there are so many */
#define RING_PAGES       16u
#define QUEUE_RING_PAGES 8u
#define HEADER_PAGES     (NETVSC_DIRECT_MAX * NETVSC_HEADER_BYTES / NETVSC_PAGE)
#define NO_QUEUE         (~0u)

#define DEVICES_MAX 8

/* VP 0's. */
static struct netvsc *devices[DEVICES_MAX];
static unsigned nr_devices;
static uint16_t wanted_mtu;
static bool begun; /* the guest may have adapters */

/* What the host may still know of. */
static void take_back(struct netvsc *device, uint32_t gpadl, void *memory, size_t pages)
{
	if (gpadl && memory)
		hv_channel_unshare(device->queue[0].channel, gpadl, memory, pages);
	else
		device_pages_free(memory, pages);
}

static void free_device(struct netvsc *device)
{
	take_back(device, device->receive_gpadl, device->receive, device->receive_pages);
	take_back(device, device->send_gpadl, device->send, device->send_pages);
	for (unsigned i = 0; i < device->nr_queues; i++) {
		if (device->queue[i].channel)
			hv_channel_release(device->queue[i].channel);
		device_pages_free(device->queue[i].headers, HEADER_PAGES);
	}
	device_pages_free(device->control, 1);
	device_pages_free(device, device->pages);
}

static void let_go(struct netvsc *device)
{
	if (atomic_fetch_sub(&device->live, 1) == 1)
		hv_vmbus_work_later();
}

void net_forgotten(struct net_device *device)
{
	let_go(netvsc_of(device));
}

/* Up to `pages`, halved until there is such a run. */
static void *take_pages(size_t *pages, size_t least)
{
	void *memory = NULL;

	for (; *pages >= least; *pages /= 2) {
		memory = device_pages(*pages);
		if (memory)
			break;
	}
	return memory;
}

static bool make_queues(struct netvsc *device, unsigned nr_queues)
{
	for (unsigned i = 0; i < nr_queues; i++) {
		struct netvsc_queue *queue = &device->queue[i];

		queue->device = device;
		queue->index = i;
		queue->headers = device_pages(HEADER_PAGES);
		if (!queue->headers)
			break;
		queue->headers_ma = virt_to_ma(queue->headers);
		device->nr_queues++;
	}
	return device->nr_queues;
}

/* Without a send buffer all goes by the guest's pages. */
static bool make_buffers(struct netvsc *device)
{
	void *left = device_pages(LEFT);

	device->receive_pages = nr_devices == 0 && left ? RECEIVE_FIRST : RECEIVE_OTHER;
	device->receive = take_pages(&device->receive_pages, RECEIVE_LEAST);
	device->send_pages = device->nr_queues * SEND_PER_QUEUE;
	device->send = take_pages(&device->send_pages, 2);
	device_pages_free(left, LEFT);
	return device->receive;
}

/* A queue for each VP from 0 on that takes interrupts. */
static unsigned queues_wanted(void)
{
	unsigned vps = (unsigned)__builtin_ctzll(~hv_started().bits | 1ull << NETVSC_QUEUES_MAX);

	return vps ? vps : 1;
}

static struct netvsc *make_device(void)
{
	unsigned nr_queues = queues_wanted();
	size_t bytes = sizeof(struct netvsc) + nr_queues * sizeof(struct netvsc_queue);
	size_t pages = (bytes + NETVSC_PAGE - 1) / NETVSC_PAGE;
	struct netvsc *device = device_pages(pages);

	if (!device)
		return NULL;
	device->pages = pages;
	device->net.ops = &netvsc_net_ops;
	device->net.mtu = wanted_mtu;
	device->control = device_pages(1);
	if (!device->control || !make_queues(device, nr_queues) || !make_buffers(device)) {
		free_device(device);
		return NULL;
	}
	nr_devices++;
	return device;
}

static struct netvsc *new_device(void)
{
	for (unsigned i = 0; i < DEVICES_MAX; i++) {
		if (!devices[i]) {
			devices[i] = make_device();
			if (devices[i])
				devices[i]->wanted = begun;
			return devices[i];
		}
	}
	return NULL;
}

static void offered_primary(struct hv_channel *channel)
{
	struct netvsc *device = new_device();

	channel->device = device;
	channel->queue = device ? 0 : NO_QUEUE;
	if (!device) {
		log_warning("network: no memory for another adapter");
		return;
	}
	device->queue[0].channel = channel;
	device->live = 1;
	hv_vmbus_busy();
	if (!hv_channel_open(channel, RING_PAGES, RING_PAGES, 0))
		netvsc_setup_failed(device, "no memory for its rings");
}

/* One may be taken away after it was, or before. */
static void settle_queue(struct netvsc_queue *queue)
{
	if (queue->settled)
		return;
	queue->settled = true;
	netvsc_setup_queue(queue->device);
}

/* Numbers come from the host: each is taken once, and only where it was asked for. */
static void offered_queue(struct hv_channel *channel)
{
	struct netvsc *device = channel->device;
	unsigned n = channel->offer.subchannel;

	channel->queue = NO_QUEUE;
	if (!device || n >= device->nr_queues || device->queue[n].channel)
		return;
	channel->queue = n;
	device->queue[n].channel = channel;
	atomic_fetch_add(&device->live, 1);
	if (!hv_channel_open(channel, QUEUE_RING_PAGES, QUEUE_RING_PAGES, n))
		settle_queue(&device->queue[n]);
}

static void offered(struct hv_channel *channel)
{
	if (channel->offer.subchannel)
		offered_queue(channel);
	else
		offered_primary(channel);
}

static struct netvsc_queue *queue_of(struct hv_channel *channel)
{
	struct netvsc *device = channel->device;

	return &device->queue[channel->queue];
}

static void opened(struct hv_channel *channel, bool good)
{
	struct netvsc_queue *queue = queue_of(channel);

	if (channel->queue) {
		queue->opened = good;
		if (good && queue->device->ready)
			netvsc_tx_open(queue);
		settle_queue(queue);
	} else if (good) {
		netvsc_setup_start(queue->device);
	} else {
		netvsc_setup_failed(queue->device, "its channel does not open");
	}
}

static void created(struct hv_channel *channel, uint32_t gpadl, bool good)
{
	netvsc_setup_shared(channel->device, gpadl, good);
}

/* Where the host takes the adapter away it says so of each channel. Of one whose primary channel broke nobody else ends the others. */
static void give_up_queues(struct netvsc *device)
{
	for (unsigned i = 1; i < device->nr_queues; i++)
		if (device->queue[i].channel)
			hv_channel_give_up(device->queue[i].channel);
}

static void rescinded(struct hv_channel *channel)
{
	struct netvsc *device = channel->device;

	if (channel->queue == NO_QUEUE) {
		hv_channel_release(channel);
		return;
	}
	queue_of(channel)->opened = false;
	netvsc_tx_close(queue_of(channel));
	if (channel->queue == 0) {
		netvsc_setup_ended(device);
		if (device->ready)
			xen_net_remove(&device->net);
		if (!channel->rescinded)
			give_up_queues(device);
	} else {
		settle_queue(queue_of(channel));
	}
	let_go(device);
}

void net_room_later(struct net_device *net)
{
	netvsc_of(net)->again = true;
	hv_vmbus_work_later();
}

static void work(void)
{
	for (unsigned i = 0; i < DEVICES_MAX; i++) {
		if (!devices[i])
			continue;
		if (!devices[i]->live) {
			free_device(devices[i]);
			devices[i] = NULL;
			nr_devices--;
		} else if (atomic_exchange(&devices[i]->again, false)) {
			netvsc_rx_again(devices[i]);
		}
	}
}

static const struct hv_driver driver = {
    .name = "network",
    .type = NETVSP_TYPE,
    .offered = offered,
    .opened = opened,
    .created = created,
    .packet = netvsc_packet,
    .drained = netvsc_drained,
    .rescinded = rescinded,
    .work = work,
};

void netvsc_begin(void)
{
	begun = true;
	for (unsigned i = 0; i < DEVICES_MAX; i++)
		if (devices[i])
			netvsc_setup_wanted(devices[i]);
}

void netvsc_init(unsigned mtu)
{
	begun = false;
	wanted_mtu = (uint16_t)mtu;
	hv_vmbus_register(&driver);
}
