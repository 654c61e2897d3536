/* SPDX-License-Identifier: MIT */
/*
 * NVSP, the outer protocol of the synthetic network adapter: buffers, versions, sub-channels, and RNDIS messages (rndis.h)
 * both ways. Source: openvmm, vm/devices/net/netvsp/src/protocol.rs (MIT).
 */
#ifndef ABI_VMBUS_NETVSP_H
#define ABI_VMBUS_NETVSP_H

#include <stddef.h>
#include <stdint.h>

/* f8615163-df3e-46c5-913f-f2d2f965ed0e */
#define NETVSP_TYPE                                                    \
	{                                                              \
		0xf8615163, 0xdf3e, 0x46c5,                            \
		{                                                      \
			0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e \
		}                                                      \
	}

#define NVSP_VERSION_1  0x00002u
#define NVSP_VERSION_2  0x30002u
#define NVSP_VERSION_4  0x40000u
#define NVSP_VERSION_5  0x50000u
#define NVSP_VERSION_6  0x60000u
#define NVSP_VERSION_61 0x60001u

enum nvsp_type {
	NVSP_INIT = 1,
	NVSP_INIT_COMPLETE = 2,
	NVSP_SEND_NDIS_VERSION = 100,
	NVSP_SEND_RECEIVE_BUFFER = 101,
	NVSP_SEND_RECEIVE_BUFFER_COMPLETE = 102,
	NVSP_REVOKE_RECEIVE_BUFFER = 103,
	NVSP_SEND_SEND_BUFFER = 104,
	NVSP_SEND_SEND_BUFFER_COMPLETE = 105,
	NVSP_REVOKE_SEND_BUFFER = 106,
	NVSP_SEND_RNDIS_PACKET = 107,
	NVSP_SEND_RNDIS_PACKET_COMPLETE = 108,
	NVSP_SEND_NDIS_CONFIG = 125,
	NVSP_SEND_VF_ASSOCIATION = 128,
	NVSP_SWITCH_DATA_PATH = 129,
	NVSP_OID_QUERY = 131,
	NVSP_SUBCHANNEL = 133,
	NVSP_SEND_INDIRECTION_TABLE = 134,
};

enum nvsp_status {
	NVSP_STATUS_NONE = 0,
	NVSP_STATUS_SUCCESS = 1,
	NVSP_STATUS_FAILURE = 2,
	NVSP_STATUS_INVALID_RNDIS = 5,
	NVSP_STATUS_BUSY = 6,
};

#define NVSP_CHANNEL_DATA        0u
#define NVSP_CHANNEL_CONTROL     1u
#define NVSP_NO_SECTION          0xffffffffu
#define NVSP_SUBCHANNEL_ALLOCATE 1u

struct nvsp_message {
	uint32_t type;
	union {
		struct {
			uint32_t lowest, highest;
		} init;
		struct {
			uint32_t version; /* only WS2008 clients look */
			uint32_t max_mdl_chain;
			uint32_t status;
		} init_complete;
		struct {
			uint32_t major, minor; /* NDIS_VERSION_* */
		} ndis_version;
		struct {
			uint32_t gpadl;
			uint16_t id;
			uint16_t reserved;
		} buffer;
		struct {
			uint32_t status;
			uint32_t sections;
			struct {
				uint32_t offset;
				uint32_t size; /* of each allocation */
				uint32_t count;
				uint32_t end;
			} section;
		} receive_buffer_complete;
		struct {
			uint32_t status;
			uint32_t section_size;
		} send_buffer_complete;
		struct {
			uint32_t channel;
			uint32_t section; /* of the send buffer, or NVSP_NO_SECTION */
			uint32_t section_bytes;
		} rndis;
		struct {
			uint32_t status;
		} rndis_complete;
		struct {
			uint32_t mtu; /* with the Ethernet header */
			uint32_t reserved;
			uint32_t capabilities[2];
		} ndis_config;
		struct {
			uint32_t operation;
			uint32_t count;
		} subchannel;
		struct {
			uint32_t status;
			uint32_t count;
		} subchannel_complete;
		struct {
			uint32_t count;
			uint32_t offset; /* of the table, from the message's start */
		} table;
		uint32_t words[9];
	};
};
_Static_assert(sizeof(struct nvsp_message) == 40, "NVSP message");
_Static_assert(offsetof(struct nvsp_message, receive_buffer_complete.section) == 12,
	       "NVSP section");

/* ndis_config.capabilities[0] */
#define NVSP_CAPABILITY_8021Q (1u << 3) /* VLAN tags go beside the frame, as RNDIS_INFO_VLAN */

/* What a client of version 4 says that it is, and one of version 5 and later. */
#define NDIS_VERSION_MAJOR   6u
#define NDIS_VERSION_MINOR_4 1u
#define NDIS_VERSION_MINOR_5 0x1eu

/* Entries of NVSP_SEND_INDIRECTION_TABLE: the channel, by number, that a hash's last bits send on. */
#define NVSP_SEND_TABLE_SIZE 16u

/* What clients of version 1 send: a type and three words at least. */
#define NVSP_MESSAGE_LEAST 8u

#endif
