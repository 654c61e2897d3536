/* SPDX-License-Identifier: MIT */
/* A controller's life: the handshake, its queues, its end. On VP 0 but for the packets of queues other than 0. */
#include "adapter/hv/storvsc.h"

#include "adapter/hv/storvsc_int.h"
#include "adapter/hv/timer.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

/* Rings for STORVSC_COMMANDS packets of the largest size, and for as many answers; each with its control page. */
#define OUT_PAGES        19
#define IN_PAGES         3
#define CONTROLLERS_MAX  8
#define CONTROLLER_PAGES ((sizeof(struct storvsc) + PAGE_SIZE - 1) / PAGE_SIZE)
#define TRANSFER_MAX     (1u << 20) /* more than any request has */
#define PACKET_OLD       STORVSP_PACKET_LEAST

#define PACKET_ON_WIRE(frames)                                                  \
	(sizeof(struct vmbus_packet_header) + sizeof(struct vmbus_gpa_direct) + \
	 sizeof(struct vmbus_gpa_range) + (frames) * sizeof(uint64_t) +         \
	 sizeof(struct storvsp_packet) + VMBUS_PACKET_TRAILER)
_Static_assert(STORVSC_COMMANDS *PACKET_ON_WIRE(STORVSC_FRAMES_MAX) < (OUT_PAGES - 1) * PAGE_SIZE,
	       "the ring never fills");

static const uint16_t versions[] = {STORVSP_VERSION_WIN10, STORVSP_VERSION_WIN8_1,
				    STORVSP_VERSION_WIN8, STORVSP_VERSION_WIN7,
				    STORVSP_VERSION_WIN6};
#define VERSIONS (sizeof(versions) / sizeof(*versions))

/* How long a controller that the host took away is waited for: what moves a machine to another host may take it away for a while. */
#define AWAY_NS 60000000000ull

static struct storvsc *controllers[CONTROLLERS_MAX];
static struct hv_alarm away_alarm = {.ring = hv_vmbus_work_later};
static struct hv_alarm rest_alarm = {.ring = hv_vmbus_work_later};

void storvsc_control(struct storvsc *c, const struct storvsp_packet *packet, uint32_t data,
		     storvsc_answer *answer)
{
	struct storvsc_message message = {
	    .packet = *packet,
	    .nr_frames = data ? 1 : 0,
	    .range = {data, 0},
	    .frame[0] = virt_to_ma(c->page) >> PAGE_SHIFT,
	};
	uint64_t transaction = (uint64_t)++c->control_generation << 32 | STORVSC_CONTROL_INDEX;

	c->control_answer = answer;
	if (storvsc_send(c->primary, c, &message, transaction, false))
		return;
	/* The channel is broken, and about to be taken away. */
	c->control_answer = NULL;
	storvsc_scan_end(c);
}

/* Nobody waits for it any more. */
static void lose(struct storvsc *c)
{
	c->lost = true;
	storvsc_drop_disks(c);
	for (unsigned i = 0; i < STORVSC_QUEUES_MAX; i++)
		if (c->queues[i].commands)
			storvsc_queue_pump(&c->queues[i]);
}

static void give_up(struct storvsc *c, const char *what)
{
	log_warning("storvsc: the controller does not %s", what);
	storvsc_scan_end(c);
	lose(c);
}

static bool succeeded(bool good, const struct storvsp_packet *packet)
{
	return good && packet->status == STORVSP_SUCCESS;
}

static void control(struct storvsc *c, enum storvsp_operation operation, uint16_t word,
		    storvsc_answer *answer)
{
	struct storvsp_packet packet = {.operation = operation, .flags = STORVSP_FLAG_COMPLETION};

	packet.version = word; /* or `subchannels`, in the same place */
	storvsc_control(c, &packet, 0, answer);
}

/* Sub-channels that were granted are offered by themselves. */
static void subchannels_made(struct storvsc *c, bool good, const struct storvsp_packet *packet)
{
	if (!succeeded(good, packet))
		log_info("storvsc: one queue only");
	storvsc_scan(c);
}

static void initialised(struct storvsc *c, bool good, const struct storvsp_packet *packet)
{
	unsigned extra = vps_count() - 1;

	if (!succeeded(good, packet)) {
		give_up(c, "finish its initialisation");
		return;
	}
	c->ready = true;
	if (extra > STORVSC_QUEUES_MAX - 1)
		extra = STORVSC_QUEUES_MAX - 1;
	if (extra > c->max_subchannels)
		extra = c->max_subchannels;
	if (extra)
		control(c, STORVSP_CREATE_SUBCHANNELS, (uint16_t)extra, subchannels_made);
	else
		storvsc_scan(c);
}

static void got_properties(struct storvsc *c, bool good, const struct storvsp_packet *packet)
{
	const struct storvsp_properties *properties;

	if (!succeeded(good, packet)) {
		give_up(c, "tell its properties");
		return;
	}
	properties = &packet->properties;
	c->max_transfer = properties->max_transfer & ~(PAGE_SIZE - 1u);
	if (c->max_transfer < PAGE_SIZE || c->max_transfer > TRANSFER_MAX)
		c->max_transfer = TRANSFER_MAX;
	if (properties->flags & STORVSP_PROPERTY_MULTI_CHANNEL)
		c->max_subchannels = properties->max_subchannels;
	control(c, STORVSP_END_INITIALIZATION, 0, initialised);
}

static void got_version(struct storvsc *c, bool good, const struct storvsp_packet *packet);

static void ask_version(struct storvsc *c)
{
	c->packet_length = versions[c->version] < STORVSP_VERSION_WIN8
			       ? PACKET_OLD
			       : sizeof(struct storvsp_packet);
	control(c, STORVSP_QUERY_VERSION, versions[c->version], got_version);
}

static void got_version(struct storvsc *c, bool good, const struct storvsp_packet *packet)
{
	if (succeeded(good, packet))
		control(c, STORVSP_QUERY_PROPERTIES, 0, got_properties);
	else if (good && ++c->version < VERSIONS)
		ask_version(c);
	else
		give_up(c, "speak any version that we do");
}

static void begun(struct storvsc *c, bool good, const struct storvsp_packet *packet)
{
	if (succeeded(good, packet))
		ask_version(c);
	else
		give_up(c, "begin its initialisation");
}

static void opened_primary(struct storvsc *c)
{
	if (!storvsc_queue_init(&c->queues[0], c)) {
		give_up(c, "get memory");
		return;
	}
	c->queues[0].opened = c->primary;
	control(c, STORVSP_BEGIN_INITIALIZATION, 0, begun);
}

static void opened_subchannel(struct storvsc *c, struct hv_channel *channel)
{
	struct storvsc_queue *queue = &c->queues[channel->queue];

	/* The first one's commands are answered, or given up, by that one. */
	if (queue->opened) {
		log_info("storvsc: a second channel of queue %u is left alone", channel->queue);
		return;
	}
	if (!c->primary || !storvsc_queue_init(queue, c)) {
		log_warning("storvsc: no memory for queue %u", channel->queue);
		return;
	}
	queue->opened = channel;
	if (c->queues[0].channel)
		storvsc_queue_start(queue);
}

void storvsc_usable(struct storvsc *c)
{
	for (unsigned i = 0; i < STORVSC_QUEUES_MAX; i++)
		storvsc_queue_start(&c->queues[i]);
}

static void opened(struct hv_channel *channel, bool good)
{
	struct storvsc *c = channel->device;

	if (channel->offer.subchannel && good)
		opened_subchannel(c, channel);
	else if (channel->offer.subchannel)
		; /* the others do without */
	else if (good)
		opened_primary(c);
	else
		give_up(c, "open");
}

/*
 * An IDE disk's instance GUID holds its place, as Linux's storvsc reads it: the path in its first byte, the target in the fifth. Requests name the
 * target; the path that Linux names is always 0, so that is what hosts are used to.
 */
static void place_ide(struct storvsc *c, const struct vmbus_offer *offer)
{
	uint8_t bytes[sizeof(offer->instance)];

	memcpy(bytes, &offer->instance, sizeof(bytes));
	c->target = bytes[4];
	c->place = (struct storvsc_place){true, bytes[0], bytes[4]};
}

static bool place_taken(const struct storvsc *c)
{
	for (unsigned i = 0; i < CONTROLLERS_MAX; i++) {
		const struct storvsc *other = controllers[i];

		if (other && other != c && !other->place.ide &&
		    other->place.controller == c->place.controller)
			return true;
	}
	return false;
}

/* The lowest number that no other SCSI controller has. */
static void place_scsi(struct storvsc *c)
{
	while (place_taken(c))
		c->place.controller++;
}

static struct storvsc *create(struct hv_channel *channel)
{
	static const struct vmbus_guid scsi = STORVSP_SCSI_TYPE;
	struct storvsc *c;
	unsigned i;

	for (i = 0; i < CONTROLLERS_MAX && controllers[i]; i++)
		;
	c = i < CONTROLLERS_MAX ? device_pages(CONTROLLER_PAGES) : NULL;
	if (!c)
		return NULL;
	c->page = device_pages(1);
	if (!c->page) {
		device_pages_free(c, CONTROLLER_PAGES);
		return NULL;
	}
	controllers[i] = c;
	c->type = channel->offer.type;
	c->instance = channel->offer.instance;
	c->packet_length = sizeof(struct storvsp_packet);
	if (memcmp(&channel->offer.type, &scsi, sizeof(scsi)))
		place_ide(c, &channel->offer);
	else
		place_scsi(c);
	return c;
}

static bool same(struct vmbus_guid a, struct vmbus_guid b)
{
	return !memcmp(&a, &b, sizeof(a));
}

/* The controller that this one was before it went away. */
static struct storvsc *returned(const struct vmbus_offer *offer)
{
	for (unsigned i = 0; i < CONTROLLERS_MAX; i++) {
		struct storvsc *c = controllers[i];

		if (c && !c->primary && !c->lost && same(c->type, offer->type) &&
		    same(c->instance, offer->instance))
			return c;
	}
	return NULL;
}

static void offered_primary(struct hv_channel *channel)
{
	struct storvsc *c = returned(&channel->offer);

	if (c)
		log_info("storvsc: the controller is back");
	else
		c = create(channel);
	if (!c) {
		log_warning("storvsc: no memory for one more controller");
		return;
	}
	channel->device = c;
	c->primary = channel;
	c->version = 0;
	c->channels++;
	c->settling = true;
	hv_vmbus_busy();
	if (!hv_channel_open(channel, OUT_PAGES, IN_PAGES, 0))
		give_up(c, "get rings");
}

/* Queue n is VP n's. */
static void offered(struct hv_channel *channel)
{
	unsigned n = channel->offer.subchannel;

	if (!n) {
		offered_primary(channel);
		return;
	}
	channel->queue = n < STORVSC_QUEUES_MAX ? n : 0;
	((struct storvsc *)channel->device)->channels++;
	if (n >= STORVSC_QUEUES_MAX || n >= vps_count() ||
	    !hv_channel_open(channel, OUT_PAGES, IN_PAGES, n))
		log_info("storvsc: sub-channel %u is left alone", n);
}

/* The answer to control's packet; a packet may be shorter than today's. */
static void control_answered(struct storvsc *c, uint64_t transaction,
			     const struct storvsp_packet *packet)
{
	storvsc_answer *answer = c->control_answer;

	if (!answer || transaction >> 32 != c->control_generation)
		return;
	c->control_answer = NULL;
	answer(c, true, packet);
}

static bool packet(struct hv_channel *channel, const struct vmbus_in_packet *in)
{
	struct storvsc *c = channel->device;
	const struct storvsp_packet *packet = (const void *)in->payload;
	struct storvsp_packet copy;
	uint32_t length = in->payload_length;

	if (!c)
		return true;
	/* What a short one lacks is 0. */
	if (length < sizeof(copy)) {
		memset(&copy, 0, sizeof(copy));
		memcpy(&copy, in->payload, length);
		packet = &copy;
	}
	if (in->type == VMBUS_PACKET_COMPLETION && length >= PACKET_OLD) {
		if (channel == c->primary && (uint32_t)in->transaction == STORVSC_CONTROL_INDEX)
			control_answered(c, in->transaction, packet);
		else if (c->queues[channel->queue].commands)
			storvsc_completed(&c->queues[channel->queue], in->transaction, packet);
	} else if (in->type == VMBUS_PACKET_IN_BAND) {
		if (packet->operation == STORVSP_ENUMERATE_BUS ||
		    packet->operation == STORVSP_REMOVE_DEVICE) {
			c->rescan = true;
			hv_vmbus_work_later();
		}
		if (in->flags & VMBUS_PACKET_WANTS_COMPLETION)
			hv_channel_complete(channel, in->transaction, NULL, 0);
	}
	return true;
}

/* The primary channel is gone, and its sub-channels will follow. The disks stay: it may come back. */
static void end_controller(struct storvsc *c)
{
	c->ready = false;
	c->primary = NULL;
	c->control_answer = NULL;
	storvsc_scan_end(c);
	for (unsigned i = 0; i < STORVSC_QUEUES_MAX; i++)
		storvsc_queue_end(&c->queues[i]);
	if (c->lost)
		return;
	log_warning("storvsc: the host took a controller away; its disks wait for its return");
	c->away_until = clock_now() + AWAY_NS;
	hv_alarm_set(&away_alarm, c->away_until);
}

static void rescinded(struct hv_channel *channel)
{
	struct storvsc *c = channel->device;

	if (c) {
		c->channels--;
		if (channel == c->primary)
			end_controller(c);
		else if (c->queues[channel->queue].opened == channel)
			storvsc_queue_end(&c->queues[channel->queue]);
		hv_vmbus_work_later();
	}
	hv_channel_release(channel);
}

static void destroy(struct storvsc *c)
{
	for (unsigned i = 0; i < STORVSC_QUEUES_MAX; i++)
		storvsc_queue_free(&c->queues[i]);
	device_pages_free(c->page, 1);
	device_pages_free(c, CONTROLLER_PAGES);
}

/* Commands that the host was too busy for. */
static void wake_rested(struct storvsc *c)
{
	uint64_t until = c->rest_until;

	if (!until)
		return;
	if (clock_now() < until) {
		hv_alarm_set(&rest_alarm, until);
		return;
	}
	/* First, so that who goes to rest from here on finds that. */
	c->rest_until = 0;
	storvsc_wake(c);
}

static void work(void)
{
	for (unsigned i = 0; i < CONTROLLERS_MAX; i++) {
		struct storvsc *c = controllers[i];

		if (!c)
			continue;
		if (!c->primary && !c->lost && clock_now() >= c->away_until) {
			log_warning("storvsc: the controller did not come back");
			lose(c);
		}
		wake_rested(c);
		if (storvsc_reap(c) && c->lost && !c->channels) {
			controllers[i] = NULL;
			destroy(c);
		} else if (c->rescan) {
			storvsc_scan(c);
		}
	}
}

#define STORVSC_OPERATIONS \
	.offered = offered, .opened = opened, .packet = packet, .rescinded = rescinded

static const struct hv_driver scsi_driver = {
    .name = "storvsc", .type = STORVSP_SCSI_TYPE, STORVSC_OPERATIONS, .work = work};
static const struct hv_driver ide_driver = {
    .name = "storvsc-ide", .type = STORVSP_IDE_TYPE, STORVSC_OPERATIONS};

void storvsc_init(void)
{
	storvsc_hold();
	hv_vmbus_register(&scsi_driver);
	hv_vmbus_register(&ide_driver);
}
