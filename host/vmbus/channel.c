/* SPDX-License-Identifier: MIT */
/* One channel: its offer, its rings, the packets both ways. */
#include "host/vmbus/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Packets handled before other devices get their turn. */
#define BURST 128u
/* So many bursts are more than a ring holds: a guest that goes on sending is not waited for. */
#define CATCH_UP 64u
/* What a device expects has come by then, and no network is slower for it. */
#define LATER_NS 40000

void channel_send_offer(struct vmbus_channel *channel)
{
	const struct vmbus_offering *offering = &channel->offering;
	struct vmbus_offer offer = {
	    .header.number = VMBUS_OFFER_CHANNEL,
	    .type = offering->type,
	    .instance = offering->instance,
	    .flags = VMBUS_OFFER_ENUMERATE_DEVICE | (offering->pipe ? VMBUS_OFFER_NAMED_PIPE : 0),
	    .subchannel = offering->subchannel,
	    .channel = channel->id,
	    .dedicated_interrupt = 1,
	    .connection = connection_of(channel->id),
	};

	if (offering->pipe) {
		offer.user[0] = VMBUS_PIPE_MESSAGE;
	}
	if (channel->bus->version == VMBUS_VERSION_WS2008) {
		offer.dedicated_interrupt = 0;
		offer.connection = VMBUS_CONNECTION_EVENT;
	}
	bus_post(channel->bus, &offer, sizeof(offer));
}

static void signal_guest(struct vmbus_channel *channel)
{
	const struct vmbus_host *host = &channel->bus->host;

	if (channel->bus->interrupts) {
		shared_signal(channel->bus, channel->target_vp, channel->id);
	} else {
		host->signal(host->context, channel->target_vp, channel->id);
	}
}

/* With the lock. */
static bool push(struct vmbus_channel *channel, const struct vmbus_out_packet *packet,
		 enum vmbus_ring_result *result, bool *signal)
{
	*result = vmbus_ring_send(&channel->out, packet, signal);
	if (*result == VMBUS_RING_BROKEN) {
		channel->deaf = true;
	}
	return *result == VMBUS_RING_OK;
}

static uint8_t *copy_piece(uint8_t *to, struct vmbus_piece *piece)
{
	if (piece->length) {
		memcpy(to, piece->bytes, piece->length);
	}
	piece->bytes = to;
	return to + piece->length;
}

static bool keep(struct vmbus_channel *channel, const struct vmbus_out_packet *packet)
{
	struct backlog *kept = malloc(sizeof(*kept) + packet->extension.length +
				      packet->payload[0].length + packet->payload[1].length);
	uint8_t *at;

	if (!kept) {
		return false;
	}
	kept->next = NULL;
	kept->packet = *packet;
	at = copy_piece(kept->bytes, &kept->packet.extension);
	at = copy_piece(at, &kept->packet.payload[0]);
	copy_piece(at, &kept->packet.payload[1]);
	*channel->backlog_end = kept;
	channel->backlog_end = &kept->next;
	return true;
}

/* With the lock. */
static bool push_or_keep(struct vmbus_channel *channel, const struct vmbus_out_packet *packet,
			 bool *signal)
{
	enum vmbus_ring_result result;

	if (channel->state != CHANNEL_OPEN || channel->deaf) {
		return false;
	}
	if (channel->backlog) {
		return keep(channel, packet);
	}
	return push(channel, packet, &result, signal) ||
	       (result == VMBUS_RING_FULL && keep(channel, packet));
}

bool vmbus_send(struct vmbus_channel *channel, const struct vmbus_out_packet *packet)
{
	bool signal = false, sent;

	pthread_mutex_lock(&channel->lock);
	sent = push_or_keep(channel, packet, &signal);
	pthread_mutex_unlock(&channel->lock);
	if (signal) {
		signal_guest(channel);
	}
	return sent;
}

bool vmbus_congested(const struct vmbus_channel *channel)
{
	return channel->backlog != NULL;
}

bool vmbus_complete(struct vmbus_channel *channel, uint64_t transaction, const void *payload,
		    uint32_t length)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_COMPLETION,
	    .transaction = transaction,
	    .payload[0] = {payload, length},
	};

	return vmbus_send(channel, &packet);
}

static void drop_first(struct vmbus_channel *channel)
{
	struct backlog *first = channel->backlog;

	channel->backlog = first->next;
	if (!channel->backlog) {
		channel->backlog_end = &channel->backlog;
	}
	free(first);
}

/* True once nothing waits any more. */
static bool send_backlog(struct vmbus_channel *channel)
{
	enum vmbus_ring_result result;
	bool signal = false, empty;

	/* Only under the lock: who has found the ring full may be about to keep a packet, and the guest, which made room since, says so just once. */
	pthread_mutex_lock(&channel->lock);
	while (channel->backlog) {
		struct backlog *first = channel->backlog;
		bool one = false, sent = push(channel, &first->packet, &result, &one);

		signal |= one;
		if (!sent) {
			break;
		}
		drop_first(channel);
	}
	empty = !channel->backlog;
	pthread_mutex_unlock(&channel->lock);
	if (signal) {
		signal_guest(channel);
	}
	return empty;
}

/*
 * Takes packets until the ring is empty, the burst is over, or an answer found no room. True: there may be more. *taken: how many
 * it took.
 */
static bool take_packets(struct vmbus_channel *channel, unsigned *taken)
{
	const struct vmbus_offering *offering = &channel->offering;
	struct vmbus_in_packet packet;

	for (*taken = 0; *taken < BURST; ++*taken) {
		enum vmbus_ring_result result =
		    vmbus_ring_receive(&channel->in, channel->bus->packet, MAX_PACKET, &packet);

		if (result == VMBUS_RING_EMPTY) {
			return false;
		}
		if (result != VMBUS_RING_OK ||
		    !offering->ops->packet(offering->device, channel, &packet)) {
			channel->deaf = true;
		}
		if (channel->state != CHANNEL_OPEN || channel->deaf || channel->backlog) {
			return false;
		}
	}
	return true;
}

/* Leaves the ring masked for a while, where that spares the guest signals. */
static bool looks_later(struct vmbus_channel *channel)
{
	const struct vmbus_device_ops *ops = channel->offering.ops;
	const struct itimerspec when = {.it_value.tv_nsec = LATER_NS};

	return channel->later.fd >= 0 && !channel->backlog &&
	       ops->expects(channel->offering.device, channel) &&
	       timerfd_settime(channel->later.fd, 0, &when, NULL) == 0;
}

/* A turn of packets. True: there may be more now. What may come later a timer tells of, where `patient`. */
static bool serve(struct vmbus_channel *channel, bool patient)
{
	unsigned taken;
	bool more;

	vmbus_ring_mask(&channel->in);
	more = take_packets(channel, &taken);
	if (channel->state != CHANNEL_OPEN || channel->deaf) {
		return false;
	}
	if (vmbus_ring_release(&channel->in)) {
		signal_guest(channel);
	}
	if (patient && taken && !more && looks_later(channel)) {
		return false;
	}
	/* With a backlog the guest signals when it has made room; what it sent stays in its ring until then. */
	return (vmbus_ring_unmask(&channel->in) || more) && !channel->backlog;
}

/* Or there is reason to look, by `later`. */
static void guest_signalled(void *context, uint32_t events)
{
	struct vmbus_channel *channel = context;
	const struct vmbus_offering *offering = &channel->offering;

	(void)events;
	if (channel->state != CHANNEL_OPEN || channel->deaf || !send_backlog(channel)) {
		return;
	}
	if (serve(channel, true)) {
		event_signal(channel->watch.fd);
	}
	if (vmbus_is_open(channel) && offering->ops->idle) {
		offering->ops->idle(offering->device, channel);
	}
}

void vmbus_catch_up(struct vmbus_channel *channel)
{
	for (unsigned i = 0; i < CATCH_UP; i++) {
		if (!vmbus_is_open(channel) || !send_backlog(channel) || !serve(channel, false)) {
			break;
		}
	}
}

/* Without a timer it is told of everything. */
static void add_later(struct vmbus_channel *channel)
{
	int fd = channel->offering.ops->expects
		     ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
		     : -1;

	channel->later = (struct loop_watch){fd, guest_signalled, channel};
	if (fd >= 0 && loop_add(channel->bus->host.loop, &channel->later, LOOP_EVENT) < 0) {
		close(fd);
		channel->later.fd = -1;
	}
}

static bool hook(struct vmbus_channel *channel)
{
	const struct vmbus_host *host = &channel->bus->host;

	channel->watch = (struct loop_watch){event_create(), guest_signalled, channel};
	if (channel->watch.fd < 0) {
		return false;
	}
	if (loop_add(host->loop, &channel->watch, LOOP_EVENT) == 0) {
		if (host->hook(host->context, connection_of(channel->id), channel->watch.fd) == 0) {
			add_later(channel);
			return true;
		}
		loop_remove(host->loop, &channel->watch);
	}
	close(channel->watch.fd);
	return false;
}

static void unhook(struct vmbus_channel *channel)
{
	const struct vmbus_host *host = &channel->bus->host;

	host->unhook(host->context, connection_of(channel->id));
	loop_remove(host->loop, &channel->watch);
	close(channel->watch.fd);
	if (channel->later.fd >= 0) {
		loop_remove(host->loop, &channel->later);
		close(channel->later.fd);
	}
}

/* The GPADL holds the guest-to-host ring, then from `host_ring_page` on the other one; each has two pages at least. */
static bool map_rings(struct vmbus_channel *channel, const struct vmbus_open *message)
{
	const struct gpadl *gpadl = gpadl_find(channel->bus, channel->id, message->gpadl);

	if (!gpadl || gpadl->offset || message->host_ring_page < 2 || gpadl->frames < 4 ||
	    message->host_ring_page > gpadl->frames - 2) {
		return false;
	}
	channel->rings = gpadl_map(channel->bus, gpadl);
	if (!channel->rings) {
		return false;
	}
	channel->pages = gpadl->frames;
	vmbus_ring_init(&channel->in, channel->rings, message->host_ring_page);
	vmbus_ring_init(&channel->out,
			(uint8_t *)channel->rings +
			    (size_t)message->host_ring_page * GMEM_PAGE_SIZE,
			gpadl->frames - message->host_ring_page);
	channel->in.control->features = VMBUS_RING_FEATURE_PENDING_SEND;
	channel->out.control->features = VMBUS_RING_FEATURE_PENDING_SEND;
	return true;
}

static void unmap_rings(struct vmbus_channel *channel)
{
	gmem_unmap_frames(channel->bus->host.memory, channel->rings, channel->pages);
	channel->rings = NULL;
}

bool channel_open(struct vmbus_channel *channel, const struct vmbus_open *message)
{
	const struct vmbus_offering *offering = &channel->offering;

	if (channel->state != CHANNEL_OFFERED || message->target_vp >= channel->bus->host.cpus ||
	    !map_rings(channel, message)) {
		return false;
	}
	if (!hook(channel)) {
		unmap_rings(channel);
		return false;
	}
	channel->target_vp = message->target_vp;
	channel->deaf = false;
	channel->backlog = NULL;
	channel->backlog_end = &channel->backlog;
	channel->state = CHANNEL_OPEN;
	if (!offering->ops->open(offering->device, channel)) {
		channel->state = CHANNEL_OFFERED;
		unhook(channel);
		unmap_rings(channel);
		return false;
	}
	return true;
}

void channel_close(struct vmbus_channel *channel)
{
	if (channel->state != CHANNEL_OPEN) {
		return;
	}
	pthread_mutex_lock(&channel->lock);
	channel->state = CHANNEL_OFFERED;
	pthread_mutex_unlock(&channel->lock);
	channel->offering.ops->close(channel->offering.device, channel);
	while (channel->backlog) {
		drop_first(channel);
	}
	unhook(channel);
	unmap_rings(channel);
}

void channel_wake(struct vmbus_channel *channel)
{
	if (channel->state == CHANNEL_OPEN) {
		event_signal(channel->watch.fd);
	}
}

void channel_modify(struct vmbus_channel *channel, uint32_t target_vp)
{
	struct vmbus_modify_channel_response response = {
	    .header.number = VMBUS_MODIFY_CHANNEL_RESPONSE,
	    .channel = channel->id,
	    .status = VMBUS_STATUS_UNSUCCESSFUL,
	};

	if (channel->state == CHANNEL_OPEN && target_vp < channel->bus->host.cpus) {
		channel->target_vp = target_vp;
		response.status = VMBUS_STATUS_SUCCESS;
	}
	if (channel->bus->version >= VMBUS_VERSION_WIN10_V5_3) {
		bus_post(channel->bus, &response, sizeof(response));
	}
}

void channel_free(struct vmbus_channel *channel)
{
	*channel = (struct vmbus_channel){
	    .bus = channel->bus, .id = channel->id, .lock = PTHREAD_MUTEX_INITIALIZER};
}

struct vmbus_channel *vmbus_offer(struct vmbus *bus, const struct vmbus_offering *offering)
{
	for (uint32_t id = 1; id < MAX_CHANNELS; id++) {
		struct vmbus_channel *channel = &bus->channel[id];

		if (channel->state == CHANNEL_FREE) {
			channel->offering = *offering;
			channel->state = CHANNEL_OFFERED;
			bus->channels = bus->channels > id ? bus->channels : id + 1;
			if (bus->state == BUS_OFFERING) {
				channel_send_offer(channel);
			}
			return channel;
		}
	}
	return NULL;
}

void vmbus_rescind(struct vmbus_channel *channel)
{
	const struct vmbus_channel_message message = {
	    .header.number = VMBUS_RESCIND_CHANNEL,
	    .channel = channel->id,
	};

	channel_close(channel);
	if (channel->bus->state == BUS_OFFERING) {
		channel->state = CHANNEL_RESCINDED;
		bus_post(channel->bus, &message, sizeof(message));
	} else {
		channel_free(channel);
	}
}

bool vmbus_is_open(const struct vmbus_channel *channel)
{
	return channel->state == CHANNEL_OPEN && !channel->deaf;
}

void *vmbus_map_gpadl(struct vmbus_channel *channel, uint32_t id, uint32_t *bytes, size_t *pages)
{
	const struct gpadl *gpadl = gpadl_find(channel->bus, channel->id, id);
	void *view = gpadl && !gpadl->offset ? gpadl_map(channel->bus, gpadl) : NULL;

	if (view) {
		*bytes = gpadl->bytes;
		*pages = gpadl->frames;
	}
	return view;
}

void vmbus_unmap_gpadl(struct vmbus_channel *channel, void *view, size_t pages)
{
	gmem_unmap_frames(channel->bus->host.memory, view, pages);
}
