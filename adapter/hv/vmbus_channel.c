/* SPDX-License-Identifier: MIT */
/* One channel: opening it, packets both ways, its end. */
#include "adapter/hv/synic.h"
#include "adapter/hv/vmbus_int.h"
#include "adapter/seam/control.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"

#define RING_PAGES_MAX 1024

/* What is not put off any longer: so many bytes, or so many packets. */
#define HELD_MAX     (128u << 10)
#define HELD_PACKETS 8u

static size_t ring_pages(const struct hv_channel *channel)
{
	return (size_t)channel->out_pages + channel->in_pages;
}

static void free_rings(struct hv_channel *channel)
{
	device_pages_free(channel->rings, ring_pages(channel));
	device_pages_free(channel->buffer, 1);
	channel->rings = NULL;
	channel->buffer = NULL;
}

/* The rings are the host's until it says that they are not; the buffer never was. */
static void take_rings_back(struct hv_channel *channel)
{
	hv_channel_unshare(channel, channel->gpadl, channel->rings, ring_pages(channel));
	channel->rings = NULL;
	free_rings(channel);
}

/* One page behind the rings' would do for the buffer, but the host is to see nothing that is ours. */
static bool make_rings(struct hv_channel *channel, uint16_t out_pages, uint16_t in_pages)
{
	channel->out_pages = out_pages;
	channel->in_pages = in_pages;
	channel->rings = device_pages(ring_pages(channel));
	channel->buffer = device_pages(1);
	if (!channel->rings || !channel->buffer)
		return false;
	vmbus_ring_init(&channel->out, channel->rings, out_pages);
	vmbus_ring_init(&channel->in, (uint8_t *)channel->rings + out_pages * PAGE_SIZE, in_pages);
	channel->out.control->features = VMBUS_RING_FEATURE_PENDING_SEND;
	channel->in.control->features = VMBUS_RING_FEATURE_PENDING_SEND;
	return true;
}

bool hv_channel_open(struct hv_channel *channel, uint16_t out_pages, uint16_t in_pages, unsigned vp)
{
	if (channel->state != HV_CHANNEL_OFFERED || out_pages < 2 || in_pages < 2 ||
	    out_pages + in_pages > RING_PAGES_MAX)
		return false;
	channel->vp = vp;
	channel->stalled = false;
	channel->unsignalled = false;
	channel->quiet = false;
	channel->held = 0;
	if (make_rings(channel, out_pages, in_pages)) {
		/* Before the host can answer. */
		channel->state = HV_CHANNEL_SHARING;
		channel->gpadl =
		    bus_gpadl_create(channel->offer.channel, channel->rings, ring_pages(channel));
		if (channel->gpadl)
			return true;
		channel->state = HV_CHANNEL_OFFERED;
	}
	free_rings(channel);
	return false;
}

static bool ask_to_open(struct hv_channel *channel)
{
	const struct vmbus_open message = {
	    .header.number = VMBUS_OPEN_CHANNEL,
	    .channel = channel->offer.channel,
	    .open_id = channel->offer.channel,
	    .gpadl = channel->gpadl,
	    .target_vp = hv_synic_vp_index(channel->vp),
	    .host_ring_page = channel->out_pages,
	};

	return bus_post_message(&message, sizeof(message));
}

static void fail_opening(struct hv_channel *channel)
{
	log_warning("%s: the host does not open channel %u", channel->driver->name,
		    channel->offer.channel);
	take_rings_back(channel);
	channel->state = HV_CHANNEL_OFFERED;
	channel->driver->opened(channel, false);
}

void bus_channel_shared(struct hv_channel *channel, uint32_t gpadl, bool good)
{
	if (channel->state == HV_CHANNEL_SHARING && gpadl == channel->gpadl) {
		channel->state = HV_CHANNEL_OPENING;
		if (!good || !ask_to_open(channel))
			fail_opening(channel);
	} else if (channel->state == HV_CHANNEL_OPEN && channel->driver->created) {
		channel->driver->created(channel, gpadl, good);
	}
}

void bus_channel_opened(struct hv_channel *channel, bool good)
{
	if (channel->state != HV_CHANNEL_OPENING)
		return;
	if (!good) {
		fail_opening(channel);
		return;
	}
	channel->state = HV_CHANNEL_OPEN;
	channel->driver->opened(channel, true);
	/* What came before now was not looked at. */
	bus_channel_look(channel);
}

uint32_t hv_channel_share(struct hv_channel *channel, const void *memory, size_t pages)
{
	if (channel->state != HV_CHANNEL_OPEN)
		return 0;
	return bus_gpadl_create(channel->offer.channel, memory, pages);
}

void hv_channel_unshare(struct hv_channel *channel, uint32_t gpadl, void *memory, size_t pages)
{
	const uint32_t id = channel->offer.channel;

	if (!channel->rescinded) {
		bus_gpadl_end(id, gpadl, memory, pages);
		return;
	}
	/* With a rescind the host has let go already, and may have nothing to say of it any more. */
	bus_gpadl_tear_down(id, gpadl);
	device_pages_free(memory, pages);
}

/* Before 2.4 all channels have one event, and a page says which are meant (bus_legacy_out). */
static void signal_host(const struct hv_channel *channel)
{
	uint32_t id = channel->offer.channel;

	if (bus_legacy_out)
		__atomic_fetch_or(&bus_legacy_out[id / 32], 1u << id % 32, __ATOMIC_SEQ_CST);
	hv_synic_signal(channel->offer.dedicated_interrupt & 1 && !bus_legacy_out
			    ? channel->offer.connection
			    : VMBUS_CONNECTION_EVENT);
}

/* Nothing can be sent or received any more. The driver hears of it on VP 0. */
static void broke(struct hv_channel *channel)
{
	enum hv_channel_state open = HV_CHANNEL_OPEN;

	if (!atomic_compare_exchange_strong(&channel->state, &open, HV_CHANNEL_BROKEN))
		return;
	log_error("%s: the host broke the ring of channel %u", channel->driver->name,
		  channel->offer.channel);
	hv_vmbus_work_later();
}

/* In pipe mode what looks like a payload begins with a header that says how long it is. */
static enum vmbus_ring_result put(struct hv_channel *channel, const struct vmbus_out_packet *packet,
				  bool *signal)
{
	struct vmbus_pipe_header header = {VMBUS_PIPE_DATA, packet->payload[0].length};
	struct vmbus_out_packet wrapped;

	if (!channel->driver->pipe || packet->type != VMBUS_PACKET_IN_BAND)
		return vmbus_ring_send(&channel->out, packet, signal);
	wrapped = *packet;
	wrapped.payload[1] = packet->payload[0];
	wrapped.payload[0] = (struct vmbus_piece){&header, sizeof(header)};
	return vmbus_ring_send(&channel->out, &wrapped, signal);
}

/* *signal: the host is to be told. */
static enum vmbus_ring_result send(struct hv_channel *channel,
				   const struct vmbus_out_packet *packet, bool *signal)
{
	enum vmbus_ring_result result = VMBUS_RING_BROKEN;

	*signal = false;
	lock_take(&channel->out_lock);
	if (channel->state == HV_CHANNEL_OPEN)
		result = put(channel, packet, signal);
	lock_drop(&channel->out_lock);
	if (result == VMBUS_RING_BROKEN)
		broke(channel);
	return result;
}

enum vmbus_ring_result hv_channel_send(struct hv_channel *channel,
				       const struct vmbus_out_packet *packet, bool more)
{
	bool signal;
	enum vmbus_ring_result result = send(channel, packet, &signal);

	if (signal)
		channel->unsignalled = true;
	if (!more)
		hv_channel_flush(channel);
	return result;
}

static bool untold(const struct hv_channel *channel)
{
	return channel->unsignalled || channel->quiet;
}

/* The host has not read what it was not told of, so for a packet behind that the ring asks for no signal. */
void hv_channel_flush(struct hv_channel *channel)
{
	bool quiet = channel->quiet && atomic_exchange(&channel->quiet, false);

	atomic_store_explicit(&channel->held, 0, memory_order_relaxed);
	if ((channel->unsignalled && atomic_exchange(&channel->unsignalled, false)) || quiet)
		signal_host(channel);
}

void hv_channel_speak(void)
{
	struct hv_channel *channel = bus_quiet[vps_self()];

	if (!channel)
		return;
	bus_quiet[vps_self()] = NULL;
	hv_channel_flush(channel);
}

/* The host would have to be told, and will be. */
static void put_off(struct hv_channel *channel)
{
	if (bus_quiet[vps_self()] != channel)
		hv_channel_speak();
	bus_quiet[vps_self()] = channel;
}

static void keep_quiet(struct hv_channel *channel)
{
	put_off(channel);
	channel->quiet = true;
}

enum vmbus_ring_result hv_channel_send_quietly(struct hv_channel *channel,
					       const struct vmbus_out_packet *packet)
{
	bool signal;
	enum vmbus_ring_result result = send(channel, packet, &signal);

	if (signal)
		keep_quiet(channel);
	return result;
}

unsigned hv_channel_complete_quietly(struct hv_channel *channel, const uint64_t *transaction,
				     unsigned nr, uint64_t payload)
{
	bool signal = false;
	unsigned done = 0;

	lock_take(&channel->out_lock);
	if (channel->state == HV_CHANNEL_OPEN)
		done = vmbus_ring_complete(&channel->out, transaction, nr, payload, &signal);
	lock_drop(&channel->out_lock);
	if (signal)
		keep_quiet(channel);
	return done;
}

enum vmbus_ring_result hv_channel_send_message(struct hv_channel *channel, const void *message,
					       uint32_t length, uint64_t transaction)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .flags = transaction ? VMBUS_PACKET_WANTS_COMPLETION : 0,
	    .transaction = transaction,
	    .payload[0] = {message, length},
	};

	return hv_channel_send(channel, &packet, false);
}

enum vmbus_ring_result hv_channel_complete(struct hv_channel *channel, uint64_t transaction,
					   const void *payload, uint32_t length)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_COMPLETION,
	    .transaction = transaction,
	    .payload[0] = {payload, length},
	};

	return hv_channel_send(channel, &packet, false);
}

/* Takes the pipe's header off; false where it contradicts the packet. */
static bool unwrap(const struct hv_channel *channel, struct vmbus_in_packet *packet)
{
	const struct vmbus_pipe_header *header = (const void *)packet->payload;

	if (!channel->driver->pipe || packet->type != VMBUS_PACKET_IN_BAND)
		return true;
	if (packet->payload_length < sizeof(*header) || header->type != VMBUS_PIPE_DATA ||
	    header->bytes > packet->payload_length - sizeof(*header))
		return false;
	packet->payload += sizeof(*header);
	packet->payload_length = header->bytes;
	return true;
}

/* With the in-lock: the next packet, into `pending`. */
static enum vmbus_ring_result receive(struct hv_channel *channel)
{
	enum vmbus_ring_result result = vmbus_ring_receive(
	    &channel->in, channel->buffer, HV_CHANNEL_PACKET_MAX, &channel->pending);

	if (result == VMBUS_RING_OK && !unwrap(channel, &channel->pending))
		return VMBUS_RING_BROKEN;
	return result;
}

/* With the in-lock: handles packets until there is none, or the driver wants no more. */
static void take_packets(struct hv_channel *channel)
{
	enum vmbus_ring_result result = VMBUS_RING_OK;

	while (channel->state == HV_CHANNEL_OPEN) {
		if (!channel->stalled) {
			result = receive(channel);
			if (result != VMBUS_RING_OK)
				break;
		}
		channel->stalled = !channel->driver->packet(channel, &channel->pending);
		if (channel->stalled)
			break;
	}
	if (result == VMBUS_RING_BROKEN)
		broke(channel);
}

/*
 * With the in-lock. The host is told of what is new to it before it may interrupt again: what it answers at once needs no interrupt. While stalled it may
 * write what it likes: we come by ourselves.
 */
static void drain(struct hv_channel *channel)
{
	do {
		vmbus_ring_mask(&channel->in);
		take_packets(channel);
		if (channel->state != HV_CHANNEL_OPEN)
			return;
		if (vmbus_ring_release(&channel->in))
			channel->unsignalled = true;
		if (channel->driver->drained)
			channel->driver->drained(channel);
		if (channel->unsignalled)
			hv_channel_flush(channel);
	} while (!channel->stalled && vmbus_ring_unmask(&channel->in));
}

/* Who finds the lock taken has said `again` before: the drop must be seen by all before that is read. */
static void drop_in_lock(struct hv_channel *channel)
{
	lock_drop(&channel->in_lock);
	atomic_thread_fence(memory_order_seq_cst);
}

void bus_channel_look(struct hv_channel *channel)
{
	channel->again = true;
	while (channel->again && lock_try(&channel->in_lock)) {
		channel->again = false;
		if (channel->state == HV_CHANNEL_OPEN)
			drain(channel);
		drop_in_lock(channel);
	}
}

/* With the in-lock nobody else looks at the ring, nor unmasks it; who wants to says so in `again`. */
void hv_channel_flush_and_look(struct hv_channel *channel)
{
	if (!untold(channel) || channel->vp != vps_self() || !xen_control_free() ||
	    !lock_try(&channel->in_lock)) {
		hv_channel_flush(channel);
		return;
	}
	if (channel->state == HV_CHANNEL_OPEN && !channel->stalled) {
		vmbus_ring_mask(&channel->in);
		hv_channel_flush(channel);
		if (vmbus_ring_unmask(&channel->in))
			drain(channel);
	} else {
		hv_channel_flush(channel);
	}
	drop_in_lock(channel);
	if (channel->again)
		bus_channel_look(channel);
}

void hv_channel_flush_soon(struct hv_channel *channel, uint32_t bytes)
{
	uint32_t weight = bytes < HELD_MAX / HELD_PACKETS ? HELD_MAX / HELD_PACKETS : bytes;

	if (untold(channel) && channel->vp == vps_self() &&
	    atomic_fetch_add_explicit(&channel->held, weight, memory_order_relaxed) + weight <
		HELD_MAX &&
	    vp_due_at_return())
		put_off(channel);
	else
		hv_channel_flush_and_look(channel);
}

bool hv_channel_speak_and_look(void)
{
	struct hv_channel *channel = bus_quiet[vps_self()];

	if (!channel)
		return false;
	bus_quiet[vps_self()] = NULL;
	hv_channel_flush_and_look(channel);
	return true;
}

void hv_channel_resume(struct hv_channel *channel)
{
	bus_channel_look(channel);
}

void bus_channel_rescinded(struct hv_channel *channel)
{
	channel->rescinded = true;
	hv_channel_give_up(channel);
}

void hv_channel_give_up(struct hv_channel *channel)
{
	if (channel->state != HV_CHANNEL_GONE)
		bus_channel_lost(channel);
}

void bus_channel_lost(struct hv_channel *channel)
{
	channel->state = HV_CHANNEL_GONE;
	/* Whoever was sending or receiving has finished once we have had the locks; others see the state. */
	lock_take(&channel->out_lock);
	lock_drop(&channel->out_lock);
	lock_take(&channel->in_lock);
	lock_drop(&channel->in_lock);
	channel->driver->rescinded(channel);
}

void hv_channel_release(struct hv_channel *channel)
{
	const uint32_t id = channel->offer.channel;
	const struct vmbus_channel_message closed = {{VMBUS_CLOSE_CHANNEL, 0}, id};
	const struct vmbus_channel_message released = {{VMBUS_RELID_RELEASED, 0}, id};

	if (channel->rings) {
		bus_post_message(&closed, sizeof(closed));
		take_rings_back(channel);
	}
	bus_post_message(&released, sizeof(released));
	channel->state = HV_CHANNEL_FREE;
}
