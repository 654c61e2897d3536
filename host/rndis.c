/* SPDX-License-Identifier: MIT */
#include "host/rndis.h"

#include <string.h>

#define LINK_SPEED     100000000u /* 10 Gbit/s in units of 100 bit/s */
#define MAX_TRANSFER   0x4000000u
#define ALIGNMENT_LOG2 3u
/* Hyper-V says 0xf53c. Xen's netfront makes large sends of up to 64 KiB whatever it is told, which should not need two of ours. */
#define LSO_MAX_SIZE     0xff00u
#define LSO_MIN_SEGMENTS 2u
/* Both IP versions may have options: 01 in each field. */
#define CHECKSUM4                                                                   \
	(NDIS_CHECKSUM_IP_OPTIONS | NDIS_CHECKSUM_TCP_OPTIONS | NDIS_CHECKSUM_TCP | \
	 NDIS_CHECKSUM_UDP | NDIS_CHECKSUM_IP)
#define CHECKSUM6                                                                   \
	(NDIS_CHECKSUM_IP_OPTIONS | NDIS_CHECKSUM_TCP_OPTIONS | NDIS_CHECKSUM_TCP | \
	 NDIS_CHECKSUM_UDP)
#define RSS_FLAGS          (0x1000000u | 0x300u) /* message-signalled; TCP over IPv4 and IPv6 */
#define MAC_OPTIONS        0x8u                  /* no loop-back */
#define INFORMATION_OFFSET (sizeof(struct rndis_header) + sizeof(struct rndis_query_complete))

static uint32_t write_u32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
	return sizeof(value);
}

static uint32_t write_offload(uint8_t *to, uint32_t room)
{
	const struct ndis_offload offload = {
	    .header = {NDIS_TYPE_OFFLOAD, room >= sizeof(offload) ? 3 : 1,
		       room >= sizeof(offload) ? sizeof(offload) : NDIS_OFFLOAD_REVISION_1_SIZE},
	    .tx4_encapsulation = NDIS_ENCAPSULATION_ETHERNET,
	    .tx4_checksum = CHECKSUM4,
	    .rx4_encapsulation = NDIS_ENCAPSULATION_ETHERNET,
	    .rx4_checksum = CHECKSUM4,
	    .tx6_encapsulation = NDIS_ENCAPSULATION_ETHERNET,
	    .tx6_checksum = CHECKSUM6,
	    .rx6_encapsulation = NDIS_ENCAPSULATION_ETHERNET,
	    .rx6_checksum = CHECKSUM6,
	    .lso4_encapsulation = NDIS_ENCAPSULATION_ETHERNET,
	    .lso4_max_size = LSO_MAX_SIZE,
	    .lso4_min_segments = LSO_MIN_SEGMENTS,
	    .lso6_encapsulation = NDIS_ENCAPSULATION_ETHERNET,
	    .lso6_max_size = LSO_MAX_SIZE,
	    .lso6_min_segments = LSO_MIN_SEGMENTS,
	    .lso6_flags = NDIS_LSO6_EXTENSIONS | NDIS_LSO6_TCP_OPTIONS,
	};

	memcpy(to, &offload, offload.header.size);
	return offload.header.size;
}

static uint32_t write_rss(const struct rndis_adapter *adapter, uint8_t *to)
{
	const struct ndis_rss_capabilities rss = {
	    .header = {NDIS_TYPE_RSS_CAPABILITIES, 2, sizeof(rss)},
	    .flags = RSS_FLAGS,
	    .interrupts = adapter->queues,
	    .queues = adapter->queues,
	    .table_entries = NDIS_RSS_TABLE_MAX,
	};

	memcpy(to, &rss, sizeof(rss));
	return sizeof(rss);
}

static uint32_t write_list(uint8_t *to)
{
	static const uint32_t supported[] = {
	    OID_GEN_SUPPORTED_LIST,       OID_GEN_HARDWARE_STATUS,
	    OID_GEN_MEDIA_SUPPORTED,      OID_GEN_MEDIA_IN_USE,
	    OID_GEN_MAXIMUM_LOOKAHEAD,    OID_GEN_MAXIMUM_FRAME_SIZE,
	    OID_GEN_LINK_SPEED,           OID_GEN_TRANSMIT_BLOCK_SIZE,
	    OID_GEN_RECEIVE_BLOCK_SIZE,   OID_GEN_VENDOR_ID,
	    OID_GEN_VENDOR_DESCRIPTION,   OID_GEN_CURRENT_PACKET_FILTER,
	    OID_GEN_CURRENT_LOOKAHEAD,    OID_GEN_MAXIMUM_TOTAL_SIZE,
	    OID_GEN_MAC_OPTIONS,          OID_GEN_MEDIA_CONNECT_STATUS,
	    OID_GEN_MAXIMUM_SEND_PACKETS, OID_802_3_PERMANENT_ADDRESS,
	    OID_802_3_CURRENT_ADDRESS,    OID_802_3_MULTICAST_LIST,
	    OID_802_3_MAXIMUM_LIST_SIZE,
	};

	memcpy(to, supported, sizeof(supported));
	return sizeof(supported);
}

/* The value of an OID at `to`; `room` is what an offload query has place for. Returns its length, 0: not known. */
static uint32_t query(const struct rndis_adapter *adapter, uint32_t oid, uint32_t room, uint8_t *to)
{
	static const char vendor[] = "Xenolith";

	switch (oid) {
	case OID_GEN_SUPPORTED_LIST: return write_list(to);
	case OID_GEN_HARDWARE_STATUS:
	case OID_GEN_MEDIA_SUPPORTED:
	case OID_GEN_MEDIA_IN_USE:
	case OID_GEN_VENDOR_ID: return write_u32(to, 0);
	case OID_GEN_MAXIMUM_FRAME_SIZE: return write_u32(to, adapter->mtu);
	case OID_GEN_MAXIMUM_LOOKAHEAD:
	case OID_GEN_CURRENT_LOOKAHEAD:
	case OID_GEN_TRANSMIT_BLOCK_SIZE:
	case OID_GEN_RECEIVE_BLOCK_SIZE:
	case OID_GEN_MAXIMUM_TOTAL_SIZE: return write_u32(to, adapter->mtu + NET_HEADER);
	case OID_GEN_LINK_SPEED: return write_u32(to, LINK_SPEED);
	case OID_GEN_VENDOR_DESCRIPTION: memcpy(to, vendor, sizeof(vendor)); return sizeof(vendor);
	case OID_GEN_CURRENT_PACKET_FILTER: return write_u32(to, adapter->filter);
	case OID_GEN_MAC_OPTIONS: return write_u32(to, MAC_OPTIONS);
	case OID_GEN_MEDIA_CONNECT_STATUS: return write_u32(to, !adapter->link);
	case OID_GEN_MAXIMUM_SEND_PACKETS: return write_u32(to, RNDIS_PACKETS_MOST);
	case OID_802_3_PERMANENT_ADDRESS:
	case OID_802_3_CURRENT_ADDRESS: memcpy(to, adapter->address, 6); return 6;
	case OID_802_3_MULTICAST_LIST:
	case OID_802_3_MAXIMUM_LIST_SIZE:
		return write_u32(to, oid == OID_802_3_MAXIMUM_LIST_SIZE ? 32 : 0);
	case OID_GEN_RECEIVE_SCALE_CAPABILITIES: return write_rss(adapter, to);
	case OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES: return write_offload(to, room);
	default: return 0;
	}
}

static uint32_t set_rss(struct rndis_adapter *adapter, const uint8_t *value, uint32_t length)
{
	struct ndis_rss_parameters rss;
	uint32_t entry;

	if (length < sizeof(rss)) {
		return RNDIS_STATUS_INVALID_DATA;
	}
	memcpy(&rss, value, sizeof(rss));
	if (rss.flags & NDIS_RSS_DISABLE) {
		adapter->rss = false;
		return RNDIS_STATUS_SUCCESS;
	}
	if (rss.table_size > sizeof(uint32_t) * NDIS_RSS_TABLE_MAX ||
	    rss.table_size < sizeof(uint32_t) || rss.table_offset > length ||
	    rss.table_size > length - rss.table_offset || rss.key_size != NDIS_RSS_KEY_SIZE ||
	    rss.key_offset > length || rss.key_size > length - rss.key_offset) {
		return RNDIS_STATUS_INVALID_DATA;
	}
	adapter->rss_entries = rss.table_size / sizeof(uint32_t);
	for (uint32_t i = 0; i < adapter->rss_entries; i++) {
		memcpy(&entry, value + rss.table_offset + i * sizeof(entry), sizeof(entry));
		if (entry >= adapter->queues) {
			adapter->rss = false;
			return RNDIS_STATUS_INVALID_DATA;
		}
		adapter->rss_table[i] = (uint8_t)entry;
	}
	memcpy(adapter->rss_key, value + rss.key_offset, sizeof(adapter->rss_key));
	adapter->rss = true;
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t set(struct rndis_adapter *adapter, uint32_t oid, const uint8_t *value,
		    uint32_t length)
{
	switch (oid) {
	case OID_GEN_CURRENT_PACKET_FILTER:
		if (length < sizeof(adapter->filter)) {
			return RNDIS_STATUS_INVALID_DATA;
		}
		memcpy(&adapter->filter, value, sizeof(adapter->filter));
		return RNDIS_STATUS_SUCCESS;
	case OID_GEN_RECEIVE_SCALE_PARAMETERS: return set_rss(adapter, value, length);
	case OID_GEN_CURRENT_LOOKAHEAD:
	case OID_802_3_MULTICAST_LIST:
	case OID_GEN_RNDIS_CONFIG_PARAMETER:
	case OID_TCP_OFFLOAD_PARAMETERS:
		return RNDIS_STATUS_SUCCESS; /* each frame says what it wants */
	default: return RNDIS_STATUS_NOT_SUPPORTED;
	}
}

/* Writes the header before `length` bytes of body that are at reply + 8. Returns the message's length. */
static uint32_t finish(uint8_t *reply, uint32_t type, uint32_t length)
{
	const struct rndis_header header = {type, (uint32_t)sizeof(header) + length};

	memcpy(reply, &header, sizeof(header));
	return header.length;
}

static uint32_t initialize(const uint8_t *body, uint32_t length, uint8_t *reply)
{
	struct rndis_initialize request;
	struct rndis_initialize_complete answer;

	if (length < sizeof(request)) {
		return 0;
	}
	memcpy(&request, body, sizeof(request));
	answer = (struct rndis_initialize_complete){
	    .request = request.request,
	    .major = 1,
	    .device_flags = RNDIS_DEVICE_CONNECTIONLESS,
	    .medium = RNDIS_MEDIUM_ETHERNET,
	    .max_packets = RNDIS_PACKETS_MOST,
	    .max_transfer = MAX_TRANSFER,
	    .alignment = ALIGNMENT_LOG2,
	};
	memcpy(reply + sizeof(struct rndis_header), &answer, sizeof(answer));
	return finish(reply, RNDIS_INITIALIZE | RNDIS_COMPLETE, sizeof(answer));
}

/* The value that a query or a set carries, or NULL where it does not lie in the body. */
static const uint8_t *value_of(const struct rndis_request *request, const uint8_t *body,
			       uint32_t length)
{
	if (request->length == 0) {
		return body;
	}
	return request->offset <= length && request->length <= length - request->offset
		   ? body + request->offset
		   : NULL;
}

static uint32_t do_query(const struct rndis_adapter *adapter, const uint8_t *body, uint32_t length,
			 uint8_t *reply)
{
	struct rndis_request request;
	struct rndis_query_complete answer;
	uint32_t size;

	if (length < sizeof(request)) {
		return 0;
	}
	memcpy(&request, body, sizeof(request));
	size = value_of(&request, body, length)
		   ? query(adapter, request.oid, request.length, reply + INFORMATION_OFFSET)
		   : 0;
	answer = (struct rndis_query_complete){
	    .request = request.request,
	    .status = size ? RNDIS_STATUS_SUCCESS : RNDIS_STATUS_NOT_SUPPORTED,
	    .length = size,
	    .offset = size ? sizeof(answer) : 0,
	};
	memcpy(reply + sizeof(struct rndis_header), &answer, sizeof(answer));
	return finish(reply, RNDIS_QUERY | RNDIS_COMPLETE, (uint32_t)sizeof(answer) + size);
}

static uint32_t do_set(struct rndis_adapter *adapter, const uint8_t *body, uint32_t length,
		       uint8_t *reply)
{
	struct rndis_request request;
	struct rndis_complete answer;
	const uint8_t *value;

	if (length < sizeof(request)) {
		return 0;
	}
	memcpy(&request, body, sizeof(request));
	value = value_of(&request, body, length);
	answer = (struct rndis_complete){
	    .request = request.request,
	    .status = value ? set(adapter, request.oid, value, request.length)
			    : RNDIS_STATUS_INVALID_DATA,
	};
	memcpy(reply + sizeof(struct rndis_header), &answer, sizeof(answer));
	return finish(reply, RNDIS_SET | RNDIS_COMPLETE, sizeof(answer));
}

static uint32_t keepalive(const uint8_t *body, uint32_t length, uint8_t *reply)
{
	struct rndis_complete answer = {0};

	if (length < sizeof(answer.request)) {
		return 0;
	}
	memcpy(&answer.request, body, sizeof(answer.request));
	memcpy(reply + sizeof(struct rndis_header), &answer, sizeof(answer));
	return finish(reply, RNDIS_KEEPALIVE | RNDIS_COMPLETE, sizeof(answer));
}

static uint32_t reset(struct rndis_adapter *adapter, uint8_t *reply)
{
	const struct rndis_reset_complete answer = {.addressing_reset = 1};

	adapter->filter = 0;
	memcpy(reply + sizeof(struct rndis_header), &answer, sizeof(answer));
	return finish(reply, RNDIS_RESET | RNDIS_COMPLETE, sizeof(answer));
}

uint32_t rndis_control(struct rndis_adapter *adapter, const uint8_t *message, uint32_t length,
		       uint8_t reply[RNDIS_REPLY_MAX])
{
	struct rndis_header header;
	const uint8_t *body = message + sizeof(header);

	if (length < sizeof(header)) {
		return 0;
	}
	memcpy(&header, message, sizeof(header));
	if (header.length < sizeof(header) || header.length > length) {
		return 0;
	}
	length = header.length - (uint32_t)sizeof(header);
	memset(reply, 0, RNDIS_REPLY_MAX);
	switch (header.type) {
	case RNDIS_INITIALIZE: return initialize(body, length, reply);
	case RNDIS_QUERY: return do_query(adapter, body, length, reply);
	case RNDIS_SET: return do_set(adapter, body, length, reply);
	case RNDIS_KEEPALIVE: return keepalive(body, length, reply);
	case RNDIS_RESET: return reset(adapter, reply);
	case RNDIS_HALT: adapter->filter = 0; return 0;
	default: return 0;
	}
}

static void take_info(struct rndis_frame *frame, uint32_t type, uint32_t value)
{
	if (type == RNDIS_INFO_CHECKSUM) {
		frame->work.ip_checksum = (value & RNDIS_TX_IP_HEADER) && (value & RNDIS_TX_IPV4);
		frame->work.tcp = value & RNDIS_TX_TCP;
		frame->work.udp = value & RNDIS_TX_UDP;
	} else if (type == RNDIS_INFO_LSO) {
		value &= RNDIS_LSO_MSS_MASK;
		frame->work.mss = value <= NET_MTU_MOST ? (uint16_t)value : 0;
	}
}

/* Walks the per-packet information; false where it does not fit into itself. */
static bool read_infos(const uint8_t *at, uint32_t length, struct rndis_frame *frame)
{
	while (length) {
		struct rndis_packet_info info;
		uint32_t value;

		if (length < sizeof(info)) {
			return false;
		}
		memcpy(&info, at, sizeof(info));
		if (info.size < sizeof(info) || info.size > length || info.size % 4 ||
		    info.offset > info.size) {
			return false;
		}
		if (info.size - info.offset >= sizeof(value)) {
			memcpy(&value, at + info.offset, sizeof(value));
			take_info(frame, info.type, value);
		}
		at += info.size;
		length -= info.size;
	}
	return true;
}

static bool inside(uint32_t offset, uint32_t length, uint32_t whole)
{
	return offset <= whole && length <= whole - offset;
}

uint32_t rndis_read_packet(const uint8_t *message, uint32_t length, struct rndis_frame *frame)
{
	struct rndis_header header;
	struct rndis_packet packet;
	const uint8_t *body = message + sizeof(header);

	if (length < sizeof(header) + sizeof(packet)) {
		return 0;
	}
	memcpy(&header, message, sizeof(header));
	memcpy(&packet, body, sizeof(packet));
	if (header.type != RNDIS_PACKET || header.length < sizeof(header) + sizeof(packet) ||
	    header.length > length) {
		return 0;
	}
	length = header.length - (uint32_t)sizeof(header);
	*frame =
	    (struct rndis_frame){.frame = body + packet.data_offset, .length = packet.data_length};
	if (!inside(packet.data_offset, packet.data_length, length) ||
	    packet.data_length < NET_HEADER ||
	    (packet.info_length &&
	     (!inside(packet.info_offset, packet.info_length, length) ||
	      !read_infos(body + packet.info_offset, packet.info_length, frame)))) {
		return 0;
	}
	return header.length;
}

void rndis_write_header(struct rndis_rx_header *header, uint32_t length, bool checked)
{
	const uint32_t info_size = sizeof(header->info) + sizeof(header->checksum);

	*header = (struct rndis_rx_header){
	    .header = {RNDIS_PACKET, (uint32_t)sizeof(*header) + length},
	    .packet = {.data_offset = sizeof(*header) - sizeof(header->header),
		       .data_length = length,
		       .info_offset = sizeof(header->packet),
		       .info_length = info_size},
	    .info = {info_size, RNDIS_INFO_CHECKSUM, sizeof(header->info)},
	    .checksum = checked ? RNDIS_RX_IP_GOOD | RNDIS_RX_TCP_GOOD | RNDIS_RX_UDP_GOOD : 0,
	};
}

uint32_t rndis_write_link(const struct rndis_adapter *adapter, uint8_t reply[RNDIS_REPLY_MAX])
{
	const struct rndis_indicate_status status = {
	    .status = adapter->link ? RNDIS_STATUS_MEDIA_CONNECT : RNDIS_STATUS_MEDIA_DISCONNECT};

	memcpy(reply + sizeof(struct rndis_header), &status, sizeof(status));
	return finish(reply, RNDIS_INDICATE_STATUS, sizeof(status));
}
