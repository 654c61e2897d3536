/* SPDX-License-Identifier: MIT */
/*
 * What guest and host say to each other before the first packet: a list of steps, each of which asks and has the answer looked at. Nothing
 * waits; the answer, when it comes, goes on with the list. The adapter appears in the guest in the middle of it: more queues may come later.
 *
 * Order and contents as Linux's hv_netvsc has them, which every host is known to take.
 */
#include "adapter/hv/netvsc_int.h"

#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

#define ETHERNET     14u
#define MTU_LEAST    68u
#define MAX_TRANSFER 0x4000u
#define BATCH_MAX    8u

enum outcome {
	DONE,  /* the next step */
	WAIT,  /* its answer will come */
	AGAIN, /* ask once more */
	FAILED,
};

struct step {
	const char *name;
	enum outcome (*ask)(struct netvsc *device);
	/* What answers: one of these, or netvsc_setup_shared() and _queue(). */
	enum outcome (*nvsp)(struct netvsc *device, const struct nvsp_message *message);
	enum outcome (*rndis)(struct netvsc *device, const uint8_t *value, uint32_t length);
	bool optional;
};

/* ---- NVSP ---- */

static enum outcome say(struct netvsc *device, const struct nvsp_message *message, bool answered)
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
static enum outcome ask_version(struct netvsc *device)
{
	const uint32_t version = versions[device->version];

	return say(device, &(struct nvsp_message){.type = NVSP_INIT, .init = {version, version}},
		   true);
}

static enum outcome on_version(struct netvsc *device, const struct nvsp_message *message)
{
	if (message->init_complete.status == NVSP_STATUS_SUCCESS) {
		device->version = versions[device->version];
		return DONE;
	}
	return ++device->version < NR_VERSIONS ? AGAIN : FAILED;
}

static enum outcome say_config(struct netvsc *device)
{
	const struct nvsp_message message = {
	    .type = NVSP_SEND_NDIS_CONFIG,
	    .ndis_config = {.mtu = device->net.mtu + ETHERNET,
			    .capabilities = {NVSP_CAPABILITY_8021Q}},
	};

	return device->version >= NVSP_VERSION_2 ? say(device, &message, false) : DONE;
}

static enum outcome say_ndis_version(struct netvsc *device)
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
static enum outcome share(struct netvsc *device, const void *memory, size_t pages)
{
	return hv_channel_share(device->queue[0].channel, memory, pages) ? WAIT : FAILED;
}

static enum outcome share_receive(struct netvsc *device)
{
	return share(device, device->receive, device->receive_pages);
}

static enum outcome ask_receive(struct netvsc *device)
{
	return say(device,
		   &(struct nvsp_message){.type = NVSP_SEND_RECEIVE_BUFFER,
					  .buffer = {device->gpadl, NETVSC_RECEIVE_ID, 0}},
		   true);
}

static enum outcome on_receive(struct netvsc *device, const struct nvsp_message *message)
{
	(void)device;
	return message->receive_buffer_complete.status == NVSP_STATUS_SUCCESS ? DONE : FAILED;
}

static enum outcome share_send(struct netvsc *device)
{
	return device->send ? share(device, device->send, device->send_pages) : FAILED;
}

static enum outcome ask_send(struct netvsc *device)
{
	const struct nvsp_message message = {.type = NVSP_SEND_SEND_BUFFER,
					     .buffer = {device->gpadl, 0, 0}};

	return device->send_shared ? say(device, &message, true) : DONE;
}

static enum outcome on_send(struct netvsc *device, const struct nvsp_message *message)
{
	uint32_t size = message->send_buffer_complete.section_size;

	if (message->send_buffer_complete.status != NVSP_STATUS_SUCCESS || size % 8)
		return FAILED;
	device->section_size = size;
	return DONE;
}

static enum outcome ask_queues(struct netvsc *device)
{
	const struct nvsp_message message = {
	    .type = NVSP_SUBCHANNEL,
	    .subchannel = {NVSP_SUBCHANNEL_ALLOCATE, device->max_queues - 1},
	};

	return device->max_queues > 1 ? say(device, &message, true) : DONE;
}

static enum outcome on_queues(struct netvsc *device, const struct nvsp_message *message)
{
	uint32_t count = message->subchannel_complete.count;

	if (message->subchannel_complete.status != NVSP_STATUS_SUCCESS) {
		device->max_queues = 1;
		return FAILED;
	}
	device->max_queues = count < device->max_queues ? count + 1 : device->max_queues;
	return DONE;
}

/* ---- RNDIS ---- */

/* Sends a control message that is in device->control, `length` bytes with its header. */
static enum outcome say_rndis(struct netvsc *device, uint32_t type, uint32_t length)
{
	const struct rndis_header header = {type, length};
	const struct nvsp_message message = {
	    .type = NVSP_SEND_RNDIS_PACKET,
	    .rndis = {NVSP_CHANNEL_CONTROL, NVSP_NO_SECTION, 0},
	};
	const struct {
		struct vmbus_gpa_direct direct;
		struct vmbus_gpa_range range;
		uint64_t frame;
	} extension = {{0, 1}, {length, 0}, virt_to_ma(device->control) / NETVSC_PAGE};
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_GPA_DIRECT,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .transaction = netvsc_transaction(++device->transaction, NETVSC_CONTROL),
	    .extension = {&extension, sizeof(extension)},
	    .payload[0] = {&message, sizeof(message)},
	};

	memcpy(device->control, &header, sizeof(header));
	device->asking = true;
	return hv_channel_send(device->queue[0].channel, &packet, false) == VMBUS_RING_OK ? WAIT
											  : FAILED;
}

static enum outcome ask_initialize(struct netvsc *device)
{
	const struct rndis_initialize body = {++device->request, 1, 0, MAX_TRANSFER};

	memcpy((uint8_t *)device->control + sizeof(struct rndis_header), &body, sizeof(body));
	return say_rndis(device, RNDIS_INITIALIZE, sizeof(struct rndis_header) + sizeof(body));
}

/* The value begins behind request number and status. */
static enum outcome on_initialize(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	struct rndis_initialize_complete answer;

	if (length < sizeof(answer) - sizeof(struct rndis_complete))
		return FAILED;
	memcpy((uint8_t *)&answer + sizeof(struct rndis_complete), value,
	       sizeof(answer) - sizeof(struct rndis_complete));
	device->batch_max = answer.max_packets < BATCH_MAX ? answer.max_packets : BATCH_MAX;
	if (answer.alignment > 6 || device->batch_max == 0)
		device->batch_max = 1;
	/* At least what keeps our own headers aligned. */
	device->alignment =
	    answer.alignment > 3 && answer.alignment <= 6 ? 1u << answer.alignment : 8;
	return DONE;
}

static enum outcome request(struct netvsc *device, uint32_t type, uint32_t oid, const void *value,
			    uint32_t length)
{
	const struct rndis_request body = {++device->request, oid, length,
					   sizeof(struct rndis_request), 0};
	uint8_t *at = (uint8_t *)device->control + sizeof(struct rndis_header);

	memcpy(at, &body, sizeof(body));
	if (length)
		memcpy(at + sizeof(body), value, length);
	return say_rndis(device, type,
			 (uint32_t)(sizeof(struct rndis_header) + sizeof(body)) + length);
}

static enum outcome query(struct netvsc *device, uint32_t oid)
{
	return request(device, RNDIS_QUERY, oid, NULL, 0);
}

static enum outcome ask_mac(struct netvsc *device)
{
	return query(device, OID_802_3_PERMANENT_ADDRESS);
}

static enum outcome on_mac(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	if (length < sizeof(device->net.mac))
		return FAILED;
	memcpy(device->net.mac, value, sizeof(device->net.mac));
	return DONE;
}

static enum outcome ask_mtu(struct netvsc *device)
{
	return query(device, OID_GEN_MAXIMUM_FRAME_SIZE);
}

static enum outcome on_mtu(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	uint32_t mtu;

	if (length < sizeof(mtu))
		return FAILED;
	memcpy(&mtu, value, sizeof(mtu));
	if (mtu >= MTU_LEAST && mtu < device->net.mtu)
		device->net.mtu = (uint16_t)mtu;
	return DONE;
}

/* The host fills in as much as the header given says. */
static enum outcome ask_offload(struct netvsc *device)
{
	const bool new = device->version >= NVSP_VERSION_5;
	const struct ndis_offload offload = {
	    .header = {NDIS_TYPE_OFFLOAD, new ? 3 : 1,
		       new ? sizeof(offload) : NDIS_OFFLOAD_REVISION_1_SIZE},
	};

	return request(device, RNDIS_QUERY, OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, &offload,
		       offload.header.size);
}

static bool can(uint32_t capabilities, uint32_t what)
{
	return (capabilities & what) == what;
}

static void take_lso(struct netvsc *device, const struct ndis_offload *offload)
{
	if (offload->lso4_encapsulation & NDIS_ENCAPSULATION_ETHERNET && device->tx4) {
		device->lso4 = offload->lso4_max_size;
		device->lso4_min = offload->lso4_min_segments;
	}
	if (offload->lso6_encapsulation & NDIS_ENCAPSULATION_ETHERNET && device->tx6) {
		device->lso6 = offload->lso6_max_size;
		device->lso6_min = offload->lso6_min_segments;
	}
	device->net.gso_v4 = device->lso4;
	device->net.gso_v6 = device->lso6;
}

static enum outcome on_offload(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	struct ndis_offload offload = {0};

	if (length < NDIS_OFFLOAD_REVISION_1_SIZE)
		return FAILED;
	memcpy(&offload, value, length < sizeof(offload) ? length : sizeof(offload));
	if (offload.header.type != NDIS_TYPE_OFFLOAD)
		return FAILED;
	/* What Linux asks for, so that it is what hosts are used to: TCP in one piece, headers with options. */
	if (can(offload.tx4_checksum, NDIS_CHECKSUM_TCP_OPTIONS | NDIS_CHECKSUM_TCP))
		device->tx4 = offload.tx4_checksum;
	if (can(offload.tx6_checksum, NDIS_CHECKSUM_TCP))
		device->tx6 = offload.tx6_checksum;
	if (device->version < NVSP_VERSION_5) {
		device->tx4 &= ~NDIS_CHECKSUM_UDP;
		device->tx6 &= ~NDIS_CHECKSUM_UDP;
	}
	take_lso(device, &offload);
	return DONE;
}

static uint8_t on_off(bool on)
{
	return on ? NDIS_OFFLOAD_ON : NDIS_OFFLOAD_OFF;
}

static enum outcome set_offload(struct netvsc *device)
{
	const bool new = device->version >= NVSP_VERSION_5;
	const struct ndis_offload_parameters parameters = {
	    .header = {NDIS_TYPE_DEFAULT, new ? 3 : 2,
		       new ? sizeof(parameters) : NDIS_OFFLOAD_PARAMETERS_2_SIZE},
	    .ipv4_checksum = NDIS_OFFLOAD_TX_RX,
	    .tcp4_checksum = NDIS_OFFLOAD_TX_RX,
	    .udp4_checksum = new ? NDIS_OFFLOAD_TX_RX : 0,
	    .tcp6_checksum = NDIS_OFFLOAD_TX_RX,
	    .udp6_checksum = new ? NDIS_OFFLOAD_TX_RX : 0,
	    .lso4 = on_off(device->lso4),
	    .lso6 = on_off(device->lso6),
	    .rsc4 = NDIS_OFFLOAD_OFF,
	    .rsc6 = NDIS_OFFLOAD_OFF,
	};

	return request(device, RNDIS_SET, OID_TCP_OFFLOAD_PARAMETERS, &parameters,
		       parameters.header.size);
}

static enum outcome on_set(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	(void)device, (void)value, (void)length;
	return DONE;
}

static enum outcome ask_link(struct netvsc *device)
{
	return query(device, OID_GEN_MEDIA_CONNECT_STATUS);
}

static enum outcome on_link(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	uint32_t state;

	if (length < sizeof(state))
		return FAILED;
	memcpy(&state, value, sizeof(state));
	device->down = state != 0;
	return DONE;
}

static enum outcome ask_rss(struct netvsc *device)
{
	const struct ndis_rss_capabilities capabilities = {
	    .header = {NDIS_TYPE_RSS_CAPABILITIES, 2, sizeof(capabilities)}};

	device->max_queues = 1;
	if (device->nr_queues == 1 || device->version < NVSP_VERSION_5)
		return DONE;
	return request(device, RNDIS_QUERY, OID_GEN_RECEIVE_SCALE_CAPABILITIES, &capabilities,
		       sizeof(capabilities));
}

static enum outcome on_rss(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	struct ndis_rss_capabilities rss;

	if (length < sizeof(rss))
		return FAILED;
	memcpy(&rss, value, sizeof(rss));
	if (rss.queues > 1)
		device->max_queues =
		    rss.queues < device->nr_queues ? rss.queues : device->nr_queues;
	return DONE;
}

static enum outcome ask_filter(struct netvsc *device, uint32_t more)
{
	const uint32_t filter =
	    NDIS_PACKET_DIRECTED | NDIS_PACKET_ALL_MULTICAST | NDIS_PACKET_BROADCAST | more;

	return request(device, RNDIS_SET, OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter));
}

/* A guest of Xen may have addresses of its own behind the interface: it gets what the switch lets through. */
static enum outcome set_wide_filter(struct netvsc *device)
{
	return ask_filter(device, NDIS_PACKET_PROMISCUOUS);
}

static enum outcome on_wide_filter(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	(void)value, (void)length;
	device->wide = true;
	return DONE;
}

static enum outcome set_filter(struct netvsc *device)
{
	return device->wide ? DONE : ask_filter(device, 0);
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

static enum outcome appear(struct netvsc *device)
{
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
	hv_vmbus_done();
	return DONE;
}

/* For all sub-channels, which come when they come. */
static enum outcome await_queues(struct netvsc *device)
{
	return device->queues_settled + 1 >= device->max_queues ? DONE : WAIT;
}

/* Any will do: it spreads, and is no secret. */
static const uint8_t rss_key[NDIS_RSS_KEY_SIZE] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

/* The queues that are open, in turn. A flow stays on one as long as the table stands. */
static void fill_table(const struct netvsc *device, uint32_t table[NDIS_RSS_TABLE_MAX])
{
	for (unsigned i = 0, n = 0; i < NDIS_RSS_TABLE_MAX; i++) {
		table[i] = device->queue[n].index;
		do
			n = (n + 1) % device->max_queues;
		while (n && !device->queue[n].opened);
	}
}

static enum outcome set_rss(struct netvsc *device)
{
	struct {
		struct ndis_rss_parameters rss;
		uint32_t masks[3]; /* of processors: none, in revision 2 */
		uint8_t key[NDIS_RSS_KEY_SIZE];
		uint32_t table[NDIS_RSS_TABLE_MAX];
	} value = {
	    .rss = {.header = {NDIS_TYPE_RSS_PARAMETERS, 2,
			       sizeof(value.rss) + sizeof(value.masks)},
		    .hash = NDIS_RSS_TOEPLITZ | NDIS_RSS_IPV4 | NDIS_RSS_TCP_IPV4 | NDIS_RSS_IPV6 |
			    NDIS_RSS_TCP_IPV6,
		    .table_size = sizeof(value.table),
		    .table_offset = offsetof(typeof(value), table),
		    .key_size = sizeof(value.key),
		    .key_offset = offsetof(typeof(value), key)},
	};

	if (device->max_queues == 1)
		return DONE;
	memcpy(value.key, rss_key, sizeof(value.key));
	fill_table(device, value.table);
	return request(device, RNDIS_SET, OID_GEN_RECEIVE_SCALE_PARAMETERS, &value, sizeof(value));
}

static const struct step steps[] = {
    {.name = "version", .ask = ask_version, .nvsp = on_version},
    {.name = "configuration", .ask = say_config},
    {.name = "NDIS version", .ask = say_ndis_version},
    {.name = "receive buffer's memory", .ask = share_receive},
    {.name = "receive buffer", .ask = ask_receive, .nvsp = on_receive},
    {.name = "send buffer's memory", .ask = share_send, .optional = true},
    {.name = "send buffer", .ask = ask_send, .nvsp = on_send, .optional = true},
    {.name = "initialisation", .ask = ask_initialize, .rndis = on_initialize},
    {.name = "address", .ask = ask_mac, .rndis = on_mac},
    {.name = "MTU", .ask = ask_mtu, .rndis = on_mtu, .optional = true},
    {.name = "offloads", .ask = ask_offload, .rndis = on_offload, .optional = true},
    {.name = "setting offloads", .ask = set_offload, .rndis = on_set, .optional = true},
    {.name = "link", .ask = ask_link, .rndis = on_link, .optional = true},
    {.name = "queues", .ask = ask_rss, .rndis = on_rss, .optional = true},
    {.name = "sub-channels", .ask = ask_queues, .nvsp = on_queues, .optional = true},
    {.name = "wide filter", .ask = set_wide_filter, .rndis = on_wide_filter, .optional = true},
    {.name = "filter", .ask = set_filter, .rndis = on_set},
    {.name = "appearing", .ask = appear},
    {.name = "sub-channels opening", .ask = await_queues},
    {.name = "spreading", .ask = set_rss, .rndis = on_set, .optional = true},
};
#define NR_STEPS (sizeof(steps) / sizeof(steps[0]))

static void go_on(struct netvsc *device, enum outcome outcome)
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
	if (!device->ended && !device->ready)
		hv_vmbus_done();
	device->ended = true;
}
