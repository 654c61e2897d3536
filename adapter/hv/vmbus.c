/* SPDX-License-Identifier: MIT */
/*
 * The connection to the host's VMBus: version, offers, and which message is whose.
 */
#include "adapter/hv/vmbus.h"

#include "adapter/hv/hypercall.h"
#include "adapter/hv/synic.h"
#include "adapter/hv/vmbus_int.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

#define DRIVERS_MAX   8
#define UNLOAD_FOR_NS 1000000000ull

enum bus_state {
	BUS_NONE,
	BUS_CONTACT,   /* a version was asked for */
	BUS_OFFERS,    /* offers come in */
	BUS_READY,     /* all that there are at first have */
	BUS_UNLOADING, /* nothing else is of interest any more */
	BUS_UNLOADED,
};

static const uint32_t versions[] = {
    VMBUS_VERSION_WIN10_V5_3, VMBUS_VERSION_WIN10_V5_2, VMBUS_VERSION_WIN10_V5_1,
    VMBUS_VERSION_WIN10_V5,   VMBUS_VERSION_WIN10_V4_1, VMBUS_VERSION_WIN10,
    VMBUS_VERSION_WIN8_1,     VMBUS_VERSION_WIN8,       VMBUS_VERSION_WIN7,
    VMBUS_VERSION_WS2008,
};
#define VERSIONS (sizeof(versions) / sizeof(*versions))

static struct {
	enum bus_state state;
	unsigned version;    /* index of the one asked for, or agreed on */
	uint32_t connection; /* where messages go */
	unsigned busy;
	unsigned event_words; /* that hold the flags of channels we know */
	atomic_bool work;     /* for hv_vmbus_work() */
	/* Half a page each way of event flags, for hosts before WS2012; and two pages that hosts want named. */
	uint32_t *interrupts;
	void *monitors;
	const struct hv_driver *drivers[DRIVERS_MAX];
	struct hv_channel *channels[HV_CHANNEL_IDS];
} bus;

uint32_t *bus_legacy_out;
struct hv_channel *bus_quiet[MAX_VPS];

void hv_vmbus_register(const struct hv_driver *driver)
{
	for (unsigned i = 0; i < DRIVERS_MAX; i++) {
		if (!bus.drivers[i]) {
			bus.drivers[i] = driver;
			return;
		}
	}
	panic("too many drivers of VMBus devices");
}

bool bus_post_message(const void *message, uint32_t length)
{
	enum hv_status status = hv_synic_post(bus.connection, true, message, length);

	if (status != HV_STATUS_SUCCESS)
		log_warning("vmbus: message %u is not taken: %s", *(const uint32_t *)message,
			    hv_status_name(status));
	return status == HV_STATUS_SUCCESS;
}

static bool legacy(void)
{
	return versions[bus.version] < VMBUS_VERSION_WIN8;
}

/* Since 5.0 the SINT stands where the interrupt page's address was. */
static enum hv_status contact(uint32_t version)
{
	uint64_t monitors = virt_to_ma(bus.monitors);
	const struct vmbus_initiate_contact message = {
	    .header.number = VMBUS_INITIATE_CONTACT,
	    .version = version,
	    .target_vp = hv_synic_vp_index(0),
	    .interrupt_page =
		version >= VMBUS_VERSION_WIN10_V5 ? VMBUS_SINT : virt_to_ma(bus.interrupts),
	    .monitor_page1 = monitors,
	    .monitor_page2 = monitors + PAGE_SIZE,
	};

	bus.connection =
	    version >= VMBUS_VERSION_WIN10_V5 ? VMBUS_CONNECTION_V5 : VMBUS_CONNECTION_CLASSIC;
	return hv_synic_post(bus.connection, false, &message, sizeof(message));
}

/* Asks for the version at hand, or the next one where the host has no place to ask for it. */
static void ask(void)
{
	for (; bus.version < VERSIONS; bus.version++) {
		bus.state = BUS_CONTACT;
		if (contact(versions[bus.version]) == HV_STATUS_SUCCESS)
			return;
	}
	bus.state = BUS_NONE;
	log_info("vmbus: none here: no disks, no network");
}

void hv_vmbus_connect(void)
{
	bus.interrupts = page_alloc(1);
	bus.monitors = page_alloc(2);
	bus.version = 0;
	ask();
}

static void on_version(const void *bytes)
{
	const struct vmbus_version_response *response = bytes;
	const struct vmbus_header offers = {.number = VMBUS_REQUEST_OFFERS};

	if (bus.state != BUS_CONTACT)
		return;
	if (!response->supported || response->state) {
		bus.version++;
		ask();
		return;
	}
	if (versions[bus.version] >= VMBUS_VERSION_WIN10_V5)
		bus.connection = response->connection;
	/* The host reads the half behind ours. */
	bus_legacy_out = legacy() ? bus.interrupts + PAGE_SIZE / 2 / sizeof(uint32_t) : NULL;
	log_info("vmbus: version %u.%u", versions[bus.version] >> 16,
		 versions[bus.version] & 0xffff);
	bus.state = BUS_OFFERS;
	bus_post_message(&offers, sizeof(offers));
}

static const struct hv_driver *driver_of(const struct vmbus_offer *offer)
{
	for (unsigned i = 0; i < DRIVERS_MAX && bus.drivers[i]; i++)
		if (!memcmp(&bus.drivers[i]->type, &offer->type, sizeof(offer->type)))
			return bus.drivers[i];
	return NULL;
}

static struct hv_channel *primary_of(const struct vmbus_offer *offer)
{
	for (unsigned i = 1; i < HV_CHANNEL_IDS; i++) {
		struct hv_channel *c = bus.channels[i];

		if (c && !c->offer.subchannel && c->state == HV_CHANNEL_OPEN &&
		    !memcmp(&c->offer.type, &offer->type, 2 * sizeof(offer->type)))
			return c;
	}
	return NULL;
}

_Static_assert(offsetof(struct vmbus_offer, instance) ==
		   offsetof(struct vmbus_offer, type) + sizeof(struct vmbus_guid),
	       "primary_of compares both GUIDs at once");

/* The number goes back at once: nobody here wants it. */
static void decline(uint32_t channel)
{
	const struct vmbus_channel_message released = {{VMBUS_RELID_RELEASED, 0}, channel};

	bus_post_message(&released, sizeof(released));
}

/*
 * A channel's memory is kept for the next one of its number: another VP may be about to look at it when it goes.
 */
static struct hv_channel *place_for(uint32_t id)
{
	struct hv_channel *channel = bus.channels[id];

	if (!channel) {
		channel = device_pages(1);
		__atomic_store_n(&bus.channels[id], channel, __ATOMIC_RELEASE);
		if (bus.event_words <= id / 32)
			bus.event_words = id / 32 + 1;
	}
	return channel && channel->state == HV_CHANNEL_FREE ? channel : NULL;
}

static void on_offer(const void *bytes)
{
	const struct vmbus_offer *offer = bytes;
	const struct hv_driver *driver = driver_of(offer);
	struct hv_channel *primary = offer->subchannel ? primary_of(offer) : NULL;
	struct hv_channel *channel;

	if (!driver || !offer->channel || offer->channel >= HV_CHANNEL_IDS ||
	    (offer->subchannel && !primary))
		return;
	channel = place_for(offer->channel);
	if (!channel) {
		log_warning("%s: no place for channel %u", driver->name, offer->channel);
		return;
	}
	channel->offer = *offer;
	channel->driver = driver;
	channel->device = primary ? primary->device : NULL;
	/* The last one of this number may have been another queue's. */
	channel->queue = 0;
	channel->rescinded = false;
	channel->state = HV_CHANNEL_OFFERED;
	driver->offered(channel);
}
_Static_assert(sizeof(struct hv_channel) <= PAGE_SIZE, "a channel fits a page");

static struct hv_channel *channel_of(uint32_t id)
{
	return id < HV_CHANNEL_IDS ? __atomic_load_n(&bus.channels[id], __ATOMIC_ACQUIRE) : NULL;
}

static void on_rescind(const void *bytes)
{
	const struct vmbus_channel_message *message = bytes;
	struct hv_channel *channel = channel_of(message->channel);

	if (!channel || channel->state == HV_CHANNEL_FREE)
		decline(message->channel);
	else
		bus_channel_rescinded(channel);
}

static void on_all_offers(const void *bytes)
{
	(void)bytes;
	if (bus.state == BUS_OFFERS)
		bus.state = BUS_READY;
}

static void on_open_result(const void *bytes)
{
	const struct vmbus_open_result *result = bytes;
	struct hv_channel *channel = channel_of(result->channel);

	if (channel)
		bus_channel_opened(channel, result->status == VMBUS_STATUS_SUCCESS);
}

static void on_gpadl_created(const void *bytes)
{
	const struct vmbus_gpadl_created *created = bytes;
	struct hv_channel *channel = channel_of(created->channel);

	if (channel)
		bus_channel_shared(channel, created->gpadl,
				   created->status == VMBUS_STATUS_SUCCESS);
}

static void on_gpadl_torn_down(const void *bytes)
{
	const struct vmbus_gpadl_torndown *torndown = bytes;

	bus_gpadl_ended(torndown->gpadl);
}

static void on_unloaded(const void *bytes)
{
	(void)bytes;
	__atomic_store_n(&bus.state, BUS_UNLOADED, __ATOMIC_RELEASE);
}

/* What is not here needs no answer. */
static const struct {
	void (*handle)(const void *message);
	uint32_t least; /* bytes */
} handlers[] = {
    [VMBUS_OFFER_CHANNEL] = {on_offer, sizeof(struct vmbus_offer)},
    [VMBUS_RESCIND_CHANNEL] = {on_rescind, sizeof(struct vmbus_channel_message)},
    [VMBUS_ALL_OFFERS_DELIVERED] = {on_all_offers, sizeof(struct vmbus_header)},
    [VMBUS_OPEN_RESULT] = {on_open_result, sizeof(struct vmbus_open_result)},
    [VMBUS_GPADL_CREATED] = {on_gpadl_created, sizeof(struct vmbus_gpadl_created)},
    [VMBUS_GPADL_TORNDOWN] = {on_gpadl_torn_down, sizeof(struct vmbus_gpadl_torndown)},
    [VMBUS_VERSION_RESPONSE] = {on_version, offsetof(struct vmbus_version_response, connection)},
    [VMBUS_UNLOAD_RESPONSE] = {on_unloaded, sizeof(struct vmbus_header)},
};

void hv_vmbus_message(const void *message, uint32_t length)
{
	/* Old hosts send shorter answers than new ones; what is missing reads as zero. */
	_Alignas(8) uint8_t copy[VMBUS_MESSAGE_MAX] = {0};
	uint32_t number;

	if (length < sizeof(struct vmbus_header) || length > sizeof(copy) || bus.state == BUS_NONE)
		return;
	memcpy(copy, message, length);
	memcpy(&number, copy, sizeof(number));
	if (bus.state == BUS_UNLOADING && number != VMBUS_UNLOAD_RESPONSE)
		return;
	if (number < sizeof(handlers) / sizeof(*handlers) && handlers[number].handle &&
	    length >= handlers[number].least)
		handlers[number].handle(copy);
}

static void look(uint32_t id)
{
	struct hv_channel *channel = channel_of(id);

	if (channel)
		bus_channel_look(channel);
}

/* Before WS2012 event 0 means "see the page"; no channel has that number. */
void hv_vmbus_events(uint32_t *words)
{
	for (unsigned i = 0; i < bus.event_words; i++) {
		uint32_t bits;

		if (!__atomic_load_n(&words[i], __ATOMIC_RELAXED))
			continue;
		bits = __atomic_exchange_n(&words[i], 0, __ATOMIC_SEQ_CST);
		for (; bits; bits &= bits - 1) {
			uint32_t id = 32 * i + (uint32_t)__builtin_ctz(bits);

			if (id)
				look(id);
			else if (bus_legacy_out && words != bus.interrupts)
				hv_vmbus_events(bus.interrupts);
		}
	}
}

void hv_vmbus_work_later(void)
{
	bus.work = true;
	hv_synic_poke();
}

void hv_vmbus_work(void)
{
	if (!bus.work || !atomic_exchange(&bus.work, false))
		return;
	for (unsigned i = 1; i < HV_CHANNEL_IDS; i++)
		if (bus.channels[i] && bus.channels[i]->state == HV_CHANNEL_BROKEN)
			bus_channel_lost(bus.channels[i]);
	for (unsigned i = 0; i < DRIVERS_MAX && bus.drivers[i]; i++)
		if (bus.drivers[i]->work)
			bus.drivers[i]->work();
}

void hv_vmbus_busy(void)
{
	bus.busy++;
}

void hv_vmbus_done(void)
{
	bus.busy--;
}

bool hv_vmbus_settle(uint64_t ns)
{
	uint64_t deadline = clock_now() + ns;

	while (bus.state == BUS_CONTACT || bus.state == BUS_OFFERS || bus.busy) {
		if (clock_now() >= deadline)
			return false;
		hv_synic_wait();
	}
	return true;
}

void hv_vmbus_unload(void)
{
	const struct vmbus_header message = {.number = VMBUS_UNLOAD};
	uint64_t deadline = clock_now() + UNLOAD_FOR_NS;

	if (bus.state < BUS_OFFERS || bus.state == BUS_UNLOADED)
		return;
	/* Whoever ends here may hold locks that a handler of another message would wait for. */
	bus.state = BUS_UNLOADING;
	if (!bus_post_message(&message, sizeof(message)))
		return;
	/* The answer comes to VP 0; another that does not run the guest any more cannot hear it, but may see it heard. */
	while (__atomic_load_n(&bus.state, __ATOMIC_ACQUIRE) != BUS_UNLOADED &&
	       clock_now() < deadline) {
		if (vps_self() == 0)
			hv_synic_poll();
		cpu_relax();
	}
}
