/* SPDX-License-Identifier: MIT */
/*
 * What guest and host say to each other before the first packet: a list of steps, each of which asks and has the answer looked at. Nothing
 * waits; the answer, when it comes, goes on with the list. The adapter appears in the guest in the middle of it: more queues may come later.
 *
 * Order and contents as Linux's hv_netvsc has them, which every host is known to take.
 */
#include "adapter/hv/netvsc_steps.h"

#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

#define ETHERNET 14u

struct step {
	const char *name;
	enum netvsc_outcome (*ask)(struct netvsc *device);
	/* What answers: one of these, or netvsc_setup_shared() and _queue(). */
	enum netvsc_outcome (*nvsp)(struct netvsc *device, const struct nvsp_message *message);
	enum netvsc_outcome (*rndis)(struct netvsc *device, const uint8_t *value, uint32_t length);
	bool optional;
};

/* ---- NVSP ---- */

static enum netvsc_outcome say(struct netvsc *device, const struct nvsp_message *message,
			       bool answered)
{
	uint64_t transaction =
	    answered ? netvsc_transaction(++device->transaction, NETVSC_CONTROL) : 0;

	if (hv_channel_send_message(device->queue[0].channel, message, sizeof(*message),
				    transaction) != VMBUS_RING_OK)
		return FAILED;
	return answered ? WAIT : DONE;
}

static const uint32_t versions[] = {NVSP_VERSION_61, NVSP_VERSION_6, NVSP_VERSION_5,
				    NVSP_VERSION_4,  NVSP_VERSION_2, NVSP_VERSION_1};
#define NR_VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* `version` is an index until the host has agreed. */
static enum netvsc_outcome ask_version(struct netvsc *device)
{
	const uint32_t version = versions[device->version];

	return say(device, &(struct nvsp_message){.type = NVSP_INIT, .init = {version, version}},
		   true);
}

static enum netvsc_outcome on_version(struct netvsc *device, const struct nvsp_message *message)
{
	if (message->init_complete.status == NVSP_STATUS_SUCCESS) {
		device->version = versions[device->version];
		return DONE;
	}
	return ++device->version < NR_VERSIONS ? AGAIN : FAILED;
}

static enum netvsc_outcome say_config(struct netvsc *device)
{
	const struct nvsp_message message = {
	    .type = NVSP_SEND_NDIS_CONFIG,
	    .ndis_config = {.mtu = device->net.mtu + ETHERNET,
			    .capabilities = {NVSP_CAPABILITY_8021Q}},
	};

	return device->version >= NVSP_VERSION_2 ? say(device, &message, false) : DONE;
}

static enum netvsc_outcome say_ndis_version(struct netvsc *device)
{
	const struct nvsp_message message = {
	    .type = NVSP_SEND_NDIS_VERSION,
	    .ndis_version = {NDIS_VERSION_MAJOR, device->version > NVSP_VERSION_4
						     ? NDIS_VERSION_MINOR_5
						     : NDIS_VERSION_MINOR_4},
	};

	return say(device, &message, false);
}

/* The answer may come before the number is known. */
static enum netvsc_outcome share(struct netvsc *device, const void *memory, size_t pages,
				 uint32_t *gpadl)
{
	*gpadl = hv_channel_share(device->queue[0].channel, memory, pages);
	return *gpadl ? WAIT : FAILED;
}

static enum netvsc_outcome share_receive(struct netvsc *device)
{
	return share(device, device->receive, device->receive_pages, &device->receive_gpadl);
}

static enum netvsc_outcome ask_receive(struct netvsc *device)
{
	return say(device,
		   &(struct nvsp_message){.type = NVSP_SEND_RECEIVE_BUFFER,
					  .buffer = {device->gpadl, NETVSC_RECEIVE_ID, 0}},
		   true);
}

static enum netvsc_outcome on_receive(struct netvsc *device, const struct nvsp_message *message)
{
	(void)device;
	return message->receive_buffer_complete.status == NVSP_STATUS_SUCCESS ? DONE : FAILED;
}

static enum netvsc_outcome share_send(struct netvsc *device)
{
	return device->send ? share(device, device->send, device->send_pages, &device->send_gpadl)
			    : FAILED;
}

static enum netvsc_outcome ask_send(struct netvsc *device)
{
	const struct nvsp_message message = {.type = NVSP_SEND_SEND_BUFFER,
					     .buffer = {device->gpadl, 0, 0}};

	return device->send_shared ? say(device, &message, true) : DONE;
}

static enum netvsc_outcome on_send(struct netvsc *device, const struct nvsp_message *message)
{
	uint32_t size = message->send_buffer_complete.section_size;

	if (message->send_buffer_complete.status != NVSP_STATUS_SUCCESS || size % 8)
		return FAILED;
	device->section_size = size;
	return DONE;
}

static enum netvsc_outcome ask_queues(struct netvsc *device)
{
	const struct nvsp_message message = {
	    .type = NVSP_SUBCHANNEL,
	    .subchannel = {NVSP_SUBCHANNEL_ALLOCATE, device->max_queues - 1},
	};

	return device->max_queues > 1 ? say(device, &message, true) : DONE;
}

static enum netvsc_outcome on_queues(struct netvsc *device, const struct nvsp_message *message)
{
	uint32_t count = message->subchannel_complete.count;

	if (message->subchannel_complete.status != NVSP_STATUS_SUCCESS) {
		device->max_queues = 1;
		return FAILED;
	}
	device->max_queues = count < device->max_queues ? count + 1 : device->max_queues;
	return DONE;
}

/* ---- ready ---- */

/* Each queue gets its share of the send buffer. */
static void share_out(struct netvsc *device)
{
	size_t sections =
	    device->section_size ? device->send_pages * NETVSC_PAGE / device->section_size : 0;
	unsigned each = (unsigned)(sections / device->max_queues);

	for (unsigned i = 0; i < device->max_queues; i++) {
		device->queue[i].first_section = i * each;
		device->queue[i].nr_sections =
		    each < NETVSC_SECTIONS_MAX ? each : NETVSC_SECTIONS_MAX;
	}
}

static void settled(struct netvsc *device)
{
	if (!device->settled)
		hv_vmbus_done();
	device->settled = true;
}

static enum netvsc_outcome appear(struct netvsc *device)
{
	settled(device);
	if (!device->wanted)
		return WAIT;
	share_out(device);
	netvsc_tx_open(&device->queue[0]);
	for (unsigned i = 1; i < device->nr_queues; i++) {
		if (device->queue[i].opened)
			netvsc_tx_open(&device->queue[i]);
	}
	device->ready = true;
	atomic_fetch_add(&device->live, 1);
	xen_net_add(&device->net, device->max_queues);
	if (device->down)
		xen_net_link(&device->net, false);
	return DONE;
}

/* For all sub-channels, which come when they come. */
static enum netvsc_outcome await_queues(struct netvsc *device)
{
	return device->queues_settled + 1 >= device->max_queues ? DONE : WAIT;
}

static const struct step steps[] = {
    {.name = "version", .ask = ask_version, .nvsp = on_version},
    {.name = "configuration", .ask = say_config},
    {.name = "NDIS version", .ask = say_ndis_version},
    {.name = "receive buffer's memory", .ask = share_receive},
    {.name = "receive buffer", .ask = ask_receive, .nvsp = on_receive},
    {.name = "send buffer's memory", .ask = share_send, .optional = true},
    {.name = "send buffer", .ask = ask_send, .nvsp = on_send, .optional = true},
    {.name = "initialisation", .ask = rndis_ask_initialize, .rndis = rndis_on_initialize},
    {.name = "address", .ask = rndis_ask_mac, .rndis = rndis_on_mac},
    {.name = "MTU", .ask = rndis_ask_mtu, .rndis = rndis_on_mtu, .optional = true},
    {.name = "offloads", .ask = rndis_ask_offload, .rndis = rndis_on_offload, .optional = true},
    {.name = "setting offloads", .ask = rndis_set_offload, .rndis = rndis_on_set, .optional = true},
    {.name = "link", .ask = rndis_ask_link, .rndis = rndis_on_link, .optional = true},
    {.name = "queues", .ask = rndis_ask_rss, .rndis = rndis_on_rss, .optional = true},
    {.name = "sub-channels", .ask = ask_queues, .nvsp = on_queues, .optional = true},
    {.name = "wide filter",
     .ask = rndis_set_wide_filter,
     .rndis = rndis_on_wide_filter,
     .optional = true},
    {.name = "filter", .ask = rndis_set_filter, .rndis = rndis_on_set},
    {.name = "appearing", .ask = appear},
    {.name = "sub-channels opening", .ask = await_queues},
    {.name = "spreading", .ask = rndis_set_rss, .rndis = rndis_on_set, .optional = true},
};
#define NR_STEPS (sizeof(steps) / sizeof(steps[0]))

static void go_on(struct netvsc *device, enum netvsc_outcome outcome)
{
	while (outcome != WAIT) {
		const char *name = steps[device->step].name;

		if (outcome == FAILED && !steps[device->step].optional) {
			netvsc_setup_failed(device, name);
			return;
		}
		if (outcome == FAILED)
			log_info("network: the host declines: %s", name);
		device->asking = false;
		device->step += outcome != AGAIN;
		if (device->step == NR_STEPS)
			return;
		outcome = steps[device->step].ask(device);
	}
}

/* Whether the step at which the conversation stands waits for an answer of this kind. */
static const struct step *current(const struct netvsc *device)
{
	return device->step < NR_STEPS && !device->ended ? &steps[device->step] : NULL;
}

void netvsc_setup_start(struct netvsc *device)
{
	go_on(device, steps[0].ask(device));
}

void netvsc_setup_wanted(struct netvsc *device)
{
	const struct step *step = current(device);

	device->wanted = true;
	if (step && step->ask == appear)
		go_on(device, appear(device));
}

void netvsc_setup_shared(struct netvsc *device, uint32_t gpadl, bool good)
{
	const struct step *step = current(device);

	if (!step || (step->ask != share_receive && step->ask != share_send))
		return;
	device->gpadl = gpadl;
	device->send_shared = good && step->ask == share_send;
	go_on(device, good ? DONE : FAILED);
}

void netvsc_setup_nvsp(struct netvsc *device, uint64_t transaction,
		       const struct nvsp_message *message)
{
	const struct step *step = current(device);

	if (!step || transaction != netvsc_transaction(device->transaction, NETVSC_CONTROL))
		return;
	if (step->nvsp)
		go_on(device, step->nvsp(device, message));
	/* Its answer is a message of its own; this says only whether that will come. */
	else if (step->rndis && message->rndis_complete.status != NVSP_STATUS_SUCCESS)
		go_on(device, FAILED);
}

static void on_status(struct netvsc *device, const uint8_t *body, uint32_t length)
{
	struct rndis_indicate_status status;

	if (length < sizeof(status.status))
		return;
	memcpy(&status.status, body, sizeof(status.status));
	switch (status.status) {
	case RNDIS_STATUS_MEDIA_CONNECT:
	case RNDIS_STATUS_NETWORK_CHANGE: device->down = false; break;
	case RNDIS_STATUS_MEDIA_DISCONNECT: device->down = true; break;
	default: return;
	}
	if (device->ready)
		xen_net_link(&device->net, !device->down);
}

/* Where the value of an answer lies, or NULL where it does not lie in it. `length`: of the body, and then of the value. */
static const uint8_t *value_of(uint32_t type, const uint8_t *body, uint32_t *length)
{
	struct rndis_query_complete query;

	if (type != RNDIS_QUERY) {
		*length -= sizeof(struct rndis_complete);
		return body + sizeof(struct rndis_complete);
	}
	if (*length < sizeof(query))
		return NULL;
	memcpy(&query, body, sizeof(query));
	if (query.offset > *length || query.length > *length - query.offset)
		return NULL;
	*length = query.length;
	return body + query.offset;
}

static void on_answer(struct netvsc *device, uint32_t type, const uint8_t *body, uint32_t length)
{
	const struct step *step = current(device);
	struct rndis_complete complete;
	const uint8_t *value;

	if (!step || !step->rndis || !device->asking || length < sizeof(complete))
		return;
	memcpy(&complete, body, sizeof(complete));
	if (complete.request != device->request)
		return;
	value = complete.status == RNDIS_STATUS_SUCCESS ? value_of(type, body, &length) : NULL;
	go_on(device, value ? step->rndis(device, value, length) : FAILED);
}

void netvsc_setup_rndis(struct netvsc *device, uint32_t length)
{
	const uint8_t *body = device->answer + sizeof(struct rndis_header);
	struct rndis_header header;

	memcpy(&header, device->answer, sizeof(header));
	length -= sizeof(header);
	switch (header.type) {
	case RNDIS_INDICATE_STATUS: on_status(device, body, length); break;
	case RNDIS_INITIALIZE | RNDIS_COMPLETE:
	case RNDIS_QUERY | RNDIS_COMPLETE:
	case RNDIS_SET | RNDIS_COMPLETE:
		on_answer(device, header.type & ~RNDIS_COMPLETE, body, length);
		break;
	default: break;
	}
}

void netvsc_setup_queue(struct netvsc *device)
{
	const struct step *step = current(device);

	device->queues_settled++;
	if (step && step->ask == await_queues)
		go_on(device, await_queues(device));
}

void netvsc_setup_failed(struct netvsc *device, const char *why)
{
	log_warning("network: an adapter of the host is of no use: %s", why);
	netvsc_setup_ended(device);
}

void netvsc_setup_ended(struct netvsc *device)
{
	settled(device);
	device->ended = true;
}
