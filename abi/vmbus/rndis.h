/* SPDX-License-Identifier: MIT */
/*
 * RNDIS as the synthetic network adapter speaks it. Sources: [MS-RNDIS]; NDIS structures: Windows driver documentation,
 * and openvmm, vm/devices/net/netvsp/src/rndisprot.rs (MIT).
 *
 * Offsets inside a message count from the first byte after its header (struct rndis_header).
 */
#ifndef ABI_VMBUS_RNDIS_H
#define ABI_VMBUS_RNDIS_H

#include <stddef.h>
#include <stdint.h>

enum rndis_type {
	RNDIS_PACKET = 1,
	RNDIS_INITIALIZE = 2,
	RNDIS_HALT = 3,
	RNDIS_QUERY = 4,
	RNDIS_SET = 5,
	RNDIS_RESET = 6,
	RNDIS_INDICATE_STATUS = 7,
	RNDIS_KEEPALIVE = 8,
};
/* Set in the type of an answer. */
#define RNDIS_COMPLETE 0x80000000u

#define RNDIS_STATUS_SUCCESS          0u
#define RNDIS_STATUS_FAILURE          0xc0000001u
#define RNDIS_STATUS_NOT_SUPPORTED    0xc00000bbu
#define RNDIS_STATUS_INVALID_DATA     0xc0010015u
#define RNDIS_STATUS_BUFFER_SHORT     0xc0010016u
#define RNDIS_STATUS_INVALID_OID      0xc0010017u
#define RNDIS_STATUS_MEDIA_CONNECT    0x4001000bu
#define RNDIS_STATUS_MEDIA_DISCONNECT 0x4001000cu
#define RNDIS_STATUS_NETWORK_CHANGE   0x40010018u /* plugged in elsewhere: after a migration */

#define RNDIS_DEVICE_CONNECTIONLESS 1u
#define RNDIS_MEDIUM_ETHERNET       0u

/* OID_GEN_CURRENT_PACKET_FILTER */
#define NDIS_PACKET_DIRECTED      0x01u
#define NDIS_PACKET_ALL_MULTICAST 0x04u
#define NDIS_PACKET_BROADCAST     0x08u
#define NDIS_PACKET_PROMISCUOUS   0x20u

enum rndis_oid {
	OID_GEN_SUPPORTED_LIST = 0x00010101,
	OID_GEN_HARDWARE_STATUS = 0x00010102,
	OID_GEN_MEDIA_SUPPORTED = 0x00010103,
	OID_GEN_MEDIA_IN_USE = 0x00010104,
	OID_GEN_MAXIMUM_LOOKAHEAD = 0x00010105,
	OID_GEN_MAXIMUM_FRAME_SIZE = 0x00010106,
	OID_GEN_LINK_SPEED = 0x00010107, /* 100 bit/s */
	OID_GEN_TRANSMIT_BLOCK_SIZE = 0x0001010a,
	OID_GEN_RECEIVE_BLOCK_SIZE = 0x0001010b,
	OID_GEN_VENDOR_ID = 0x0001010c,
	OID_GEN_VENDOR_DESCRIPTION = 0x0001010d,
	OID_GEN_CURRENT_PACKET_FILTER = 0x0001010e,
	OID_GEN_CURRENT_LOOKAHEAD = 0x0001010f,
	OID_GEN_MAXIMUM_TOTAL_SIZE = 0x00010111,
	OID_GEN_MAC_OPTIONS = 0x00010113,
	OID_GEN_MEDIA_CONNECT_STATUS = 0x00010114, /* 0: connected */
	OID_GEN_MAXIMUM_SEND_PACKETS = 0x00010115,
	OID_GEN_RECEIVE_SCALE_CAPABILITIES = 0x00010203,
	OID_GEN_RECEIVE_SCALE_PARAMETERS = 0x00010204,
	OID_GEN_RNDIS_CONFIG_PARAMETER = 0x0001021b,
	OID_802_3_PERMANENT_ADDRESS = 0x01010101,
	OID_802_3_CURRENT_ADDRESS = 0x01010102,
	OID_802_3_MULTICAST_LIST = 0x01010103,
	OID_802_3_MAXIMUM_LIST_SIZE = 0x01010104,
	OID_TCP_OFFLOAD_PARAMETERS = 0xfc01020c,
	OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES = 0xfc01020d,
};

struct rndis_header {
	uint32_t type;
	uint32_t length; /* of the whole message */
};
_Static_assert(sizeof(struct rndis_header) == 8, "RNDIS header");

struct rndis_initialize {
	uint32_t request;
	uint32_t major, minor;
	uint32_t max_transfer;
};
_Static_assert(sizeof(struct rndis_initialize) == 16, "RNDIS initialize");

struct rndis_initialize_complete {
	uint32_t request;
	uint32_t status;
	uint32_t major, minor;
	uint32_t device_flags;
	uint32_t medium;
	uint32_t max_packets;
	uint32_t max_transfer;
	uint32_t alignment; /* log2 */
	uint32_t reserved[2];
};
_Static_assert(sizeof(struct rndis_initialize_complete) == 44, "RNDIS initialize complete");

/* QUERY and SET alike. */
struct rndis_request {
	uint32_t request;
	uint32_t oid;
	uint32_t length;
	uint32_t offset;
	uint32_t handle;
};
_Static_assert(sizeof(struct rndis_request) == 20, "RNDIS query and set");

struct rndis_query_complete {
	uint32_t request;
	uint32_t status;
	uint32_t length;
	uint32_t offset;
};
_Static_assert(sizeof(struct rndis_query_complete) == 16, "RNDIS query complete");

/* SET and KEEPALIVE. */
struct rndis_complete {
	uint32_t request;
	uint32_t status;
};
_Static_assert(sizeof(struct rndis_complete) == 8, "RNDIS complete");

struct rndis_reset_complete {
	uint32_t status;
	uint32_t addressing_reset;
};
_Static_assert(sizeof(struct rndis_reset_complete) == 8, "RNDIS reset complete");

struct rndis_indicate_status {
	uint32_t status;
	uint32_t length;
	uint32_t offset;
};
_Static_assert(sizeof(struct rndis_indicate_status) == 12, "RNDIS indicate status");

struct rndis_packet {
	uint32_t data_offset;
	uint32_t data_length;
	uint32_t oob_offset;
	uint32_t oob_length;
	uint32_t oob_count;
	uint32_t info_offset; /* struct rndis_packet_info, one after the other */
	uint32_t info_length;
	uint32_t handle;
	uint32_t reserved;
};
_Static_assert(sizeof(struct rndis_packet) == 36, "RNDIS packet");

struct rndis_packet_info {
	uint32_t size;
	uint32_t type;   /* RNDIS_INFO_* */
	uint32_t offset; /* of the value, from this struct's start */
};
_Static_assert(sizeof(struct rndis_packet_info) == 12, "RNDIS packet information");

enum rndis_info {
	RNDIS_INFO_CHECKSUM = 0,
	RNDIS_INFO_LSO = 2,
	RNDIS_INFO_VLAN = 6,
};

/* RNDIS_INFO_CHECKSUM to the host. */
#define RNDIS_TX_IPV4         (1u << 0)
#define RNDIS_TX_IPV6         (1u << 1)
#define RNDIS_TX_TCP          (1u << 2)
#define RNDIS_TX_UDP          (1u << 3)
#define RNDIS_TX_IP_HEADER    (1u << 4)
#define RNDIS_TX_OFFSET_SHIFT 16 /* of the TCP header, 10 bits */
#define RNDIS_TX_OFFSET_MASK  0x3ffu
/* and to the guest. */
#define RNDIS_RX_TCP_GOOD (1u << 3)
#define RNDIS_RX_UDP_GOOD (1u << 4)
#define RNDIS_RX_IP_GOOD  (1u << 5)

/* RNDIS_INFO_VLAN: the tag's fields, in another order than on the wire. */
#define RNDIS_VLAN_PRIORITY(value) ((value)&7)
#define RNDIS_VLAN_CFI(value)      ((value) >> 3 & 1)
#define RNDIS_VLAN_ID(value)       ((value) >> 4 & 0xfff)

/* RNDIS_INFO_LSO, version 2. */
#define RNDIS_LSO_MSS_MASK     0xfffffu
#define RNDIS_LSO_OFFSET_SHIFT 20 /* of the TCP header, 10 bits */
#define RNDIS_LSO_OFFSET_MASK  0x3ffu
#define RNDIS_LSO_VERSION_2    (1u << 30)
#define RNDIS_LSO_IPV6         (1u << 31)

struct ndis_header {
	uint8_t type;
	uint8_t revision;
	uint16_t size;
};
#define NDIS_TYPE_DEFAULT          0x80
#define NDIS_TYPE_RSS_CAPABILITIES 0x88
#define NDIS_TYPE_RSS_PARAMETERS   0x89
#define NDIS_TYPE_OFFLOAD          0xa7

/* NDIS_OFFLOAD, revision 3. */
struct ndis_offload {
	struct ndis_header header;
	uint32_t tx4_encapsulation, tx4_checksum;
	uint32_t rx4_encapsulation, rx4_checksum;
	uint32_t tx6_encapsulation, tx6_checksum;
	uint32_t rx6_encapsulation, rx6_checksum;
	uint32_t lso_v1[4];
	uint32_t ipsec_v1[7];
	uint32_t lso4_encapsulation, lso4_max_size, lso4_min_segments;
	uint32_t lso6_encapsulation, lso6_max_size, lso6_min_segments, lso6_flags;
	uint32_t flags;
	uint32_t ipsec_v2[8];
	uint8_t rsc[4];
	uint32_t gre[2];
};
_Static_assert(sizeof(struct ndis_offload) == 156, "NDIS_OFFLOAD revision 3");
_Static_assert(offsetof(struct ndis_offload, flags) == 108,
	       "NDIS_OFFLOAD revision 1 ends after the flags");
#define NDIS_OFFLOAD_REVISION_1_SIZE 112u

#define NDIS_ENCAPSULATION_ETHERNET 2u
/* lso6_flags, two bits each as below. Linux sends large over IPv6 only where both are there. */
#define NDIS_LSO6_EXTENSIONS  0x1u
#define NDIS_LSO6_TCP_OPTIONS 0x4u
/* Each capability is a field of two bits; 01 is "yes". */
#define NDIS_CHECKSUM_IP_OPTIONS  0x001u
#define NDIS_CHECKSUM_TCP_OPTIONS 0x004u
#define NDIS_CHECKSUM_TCP         0x010u
#define NDIS_CHECKSUM_UDP         0x040u
#define NDIS_CHECKSUM_IP          0x100u

/* NDIS_OFFLOAD_PARAMETERS: revision 2 ends before the last four fields. */
struct ndis_offload_parameters {
	struct ndis_header header;
	uint8_t ipv4_checksum, tcp4_checksum, udp4_checksum, tcp6_checksum, udp6_checksum;
	uint8_t lso_v1, ipsec_v1;
	uint8_t lso4, lso6;
	uint8_t connection4, connection6;
	uint32_t flags;
	uint8_t ipsec_v2, ipsec_v2_ipv4;
	uint8_t rsc4, rsc6;
	uint8_t encapsulated, encapsulation_types;
};
_Static_assert(sizeof(struct ndis_offload_parameters) == 28, "offload parameters");
_Static_assert(offsetof(struct ndis_offload_parameters, flags) == 16, "offload parameters");
_Static_assert(offsetof(struct ndis_offload_parameters, rsc4) == 22,
	       "revision 2 of the offload parameters");
#define NDIS_OFFLOAD_PARAMETERS_2_SIZE 22u
#define NDIS_OFFLOAD_TX_RX             4u /* of a checksum: both ways */
#define NDIS_OFFLOAD_OFF               1u /* of LSO and RSC */
#define NDIS_OFFLOAD_ON                2u

/* Revision 2. Linux refuses an answer longer than these 18 bytes, which is what the packed structure has. */
struct ndis_rss_capabilities {
	struct ndis_header header;
	uint32_t flags;
	uint32_t interrupts;
	uint32_t queues;
	uint16_t table_entries;
} __attribute__((packed));
_Static_assert(sizeof(struct ndis_rss_capabilities) == 18, "RSS capabilities");

struct ndis_rss_parameters {
	struct ndis_header header;
	uint16_t flags;
	uint16_t base_cpu;
	uint32_t hash;
	uint16_t table_size; /* bytes: 4 an entry, the queue's number */
	uint16_t padding;
	uint32_t table_offset;
	uint16_t key_size;
	uint16_t padding2;
	uint32_t key_offset;
};
_Static_assert(sizeof(struct ndis_rss_parameters) == 28, "RSS parameters");
#define NDIS_RSS_DISABLE   0x10u
#define NDIS_RSS_TOEPLITZ  0x1u /* in `hash`; with these */
#define NDIS_RSS_IPV4      0x100u
#define NDIS_RSS_TCP_IPV4  0x200u
#define NDIS_RSS_IPV6      0x400u
#define NDIS_RSS_TCP_IPV6  0x1000u
#define NDIS_RSS_TABLE_MAX 128u
#define NDIS_RSS_KEY_SIZE  40u

#endif
