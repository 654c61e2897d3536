/* SPDX-License-Identifier: MIT */
/* RNDIS control messages: what is asked, what is set, and what the answers mean. */
#include "adapter/hv/netvsc_steps.h"

#include "adapter/x86/mem.h"
#include "core/string.h"

#define ETHERNET     14u
#define MTU_LEAST    68u
#define MAX_TRANSFER 0x4000u
#define BATCH_MAX    8u

/* Sends a control message that is in device->control, `length` bytes with its header. */
static enum netvsc_outcome say_rndis(struct netvsc *device, uint32_t type, uint32_t length)
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

enum netvsc_outcome rndis_ask_initialize(struct netvsc *device)
{
	const struct rndis_initialize body = {++device->request, 1, 0, MAX_TRANSFER};

	memcpy((uint8_t *)device->control + sizeof(struct rndis_header), &body, sizeof(body));
	return say_rndis(device, RNDIS_INITIALIZE, sizeof(struct rndis_header) + sizeof(body));
}

/* The value begins behind request number and status. */
enum netvsc_outcome rndis_on_initialize(struct netvsc *device, const uint8_t *value,
					uint32_t length)
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

static enum netvsc_outcome request(struct netvsc *device, uint32_t type, uint32_t oid,
				   const void *value, uint32_t length)
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

static enum netvsc_outcome query(struct netvsc *device, uint32_t oid)
{
	return request(device, RNDIS_QUERY, oid, NULL, 0);
}

enum netvsc_outcome rndis_ask_mac(struct netvsc *device)
{
	return query(device, OID_802_3_PERMANENT_ADDRESS);
}

enum netvsc_outcome rndis_on_mac(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	if (length < sizeof(device->net.mac))
		return FAILED;
	memcpy(device->net.mac, value, sizeof(device->net.mac));
	return DONE;
}

enum netvsc_outcome rndis_ask_mtu(struct netvsc *device)
{
	return query(device, OID_GEN_MAXIMUM_FRAME_SIZE);
}

enum netvsc_outcome rndis_on_mtu(struct netvsc *device, const uint8_t *value, uint32_t length)
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
enum netvsc_outcome rndis_ask_offload(struct netvsc *device)
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

enum netvsc_outcome rndis_on_offload(struct netvsc *device, const uint8_t *value, uint32_t length)
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

enum netvsc_outcome rndis_set_offload(struct netvsc *device)
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

enum netvsc_outcome rndis_on_set(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	(void)device, (void)value, (void)length;
	return DONE;
}

enum netvsc_outcome rndis_ask_link(struct netvsc *device)
{
	return query(device, OID_GEN_MEDIA_CONNECT_STATUS);
}

enum netvsc_outcome rndis_on_link(struct netvsc *device, const uint8_t *value, uint32_t length)
{
	uint32_t state;

	if (length < sizeof(state))
		return FAILED;
	memcpy(&state, value, sizeof(state));
	device->down = state != 0;
	return DONE;
}

enum netvsc_outcome rndis_ask_rss(struct netvsc *device)
{
	const struct ndis_rss_capabilities capabilities = {
	    .header = {NDIS_TYPE_RSS_CAPABILITIES, 2, sizeof(capabilities)}};

	device->max_queues = 1;
	if (device->nr_queues == 1 || device->version < NVSP_VERSION_5)
		return DONE;
	return request(device, RNDIS_QUERY, OID_GEN_RECEIVE_SCALE_CAPABILITIES, &capabilities,
		       sizeof(capabilities));
}

enum netvsc_outcome rndis_on_rss(struct netvsc *device, const uint8_t *value, uint32_t length)
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

static enum netvsc_outcome ask_filter(struct netvsc *device, uint32_t more)
{
	const uint32_t filter =
	    NDIS_PACKET_DIRECTED | NDIS_PACKET_ALL_MULTICAST | NDIS_PACKET_BROADCAST | more;

	return request(device, RNDIS_SET, OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter));
}

/* A guest of Xen may have addresses of its own behind the interface: it gets what the switch lets through. */
enum netvsc_outcome rndis_set_wide_filter(struct netvsc *device)
{
	return ask_filter(device, NDIS_PACKET_PROMISCUOUS);
}

enum netvsc_outcome rndis_on_wide_filter(struct netvsc *device, const uint8_t *value,
					 uint32_t length)
{
	(void)value, (void)length;
	device->wide = true;
	return DONE;
}

enum netvsc_outcome rndis_set_filter(struct netvsc *device)
{
	return device->wide ? DONE : ask_filter(device, 0);
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

enum netvsc_outcome rndis_set_rss(struct netvsc *device)
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
