/* SPDX-License-Identifier: MIT */
/*
 * StorVSP: SCSI over a VMBus channel. Source: openvmm, vm/devices/storage/storvsp_protocol/src/lib.rs (MIT).
 * Requests are in-band or GPA-direct packets, each answered by a completion that carries a storvsp_packet too.
 */
#ifndef ABI_VMBUS_STORVSP_H
#define ABI_VMBUS_STORVSP_H

#include <stddef.h>
#include <stdint.h>

/* ba6163d9-04a1-4d29-b605-72e2ffb1dc7f */
#define STORVSP_SCSI_TYPE                                              \
	{                                                              \
		0xba6163d9, 0x04a1, 0x4d29,                            \
		{                                                      \
			0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc, 0x7f \
		}                                                      \
	}

/* A disk of a generation 1 machine's IDE controllers: 32412632-86cb-44a2-9b5c-50d1417354f5 */
#define STORVSP_IDE_TYPE                                               \
	{                                                              \
		0x32412632, 0x86cb, 0x44a2,                            \
		{                                                      \
			0x9b, 0x5c, 0x50, 0xd1, 0x41, 0x73, 0x54, 0xf5 \
		}                                                      \
	}

#define STORVSP_VERSION(major, minor) ((major) << 8 | (minor))
#define STORVSP_VERSION_WIN6          STORVSP_VERSION(2, 0)
#define STORVSP_VERSION_WIN7          STORVSP_VERSION(4, 2)
#define STORVSP_VERSION_WIN8          STORVSP_VERSION(5, 1)
#define STORVSP_VERSION_WIN8_1        STORVSP_VERSION(6, 0)
#define STORVSP_VERSION_WIN10         STORVSP_VERSION(6, 2)

enum storvsp_operation {
	STORVSP_COMPLETE_IO = 1,
	STORVSP_REMOVE_DEVICE = 2,
	STORVSP_EXECUTE_SRB = 3,
	STORVSP_RESET_LUN = 4,
	STORVSP_RESET_ADAPTER = 5,
	STORVSP_RESET_BUS = 6,
	STORVSP_BEGIN_INITIALIZATION = 7,
	STORVSP_END_INITIALIZATION = 8,
	STORVSP_QUERY_VERSION = 9,
	STORVSP_QUERY_PROPERTIES = 10,
	STORVSP_ENUMERATE_BUS = 11, /* host to guest: look for disks again */
	STORVSP_FC_HBA_DATA = 12,
	STORVSP_CREATE_SUBCHANNELS = 13,
};

/* NTSTATUS of the packet itself. */
#define STORVSP_SUCCESS           0u
#define STORVSP_INVALID_REQUEST   0xc0000010u
#define STORVSP_REVISION_MISMATCH 0xc0000059u
#define STORVSP_INVALID_PARAMETER 0xc000000du
#define STORVSP_INVALID_STATE     0xc0000184u

#define STORVSP_CDB_LENGTH   16u
#define STORVSP_SENSE_LENGTH 20u

/* SRB status (Windows' srb.h): low six bits, then flags. */
#define STORVSP_SRB_SUCCESS         0x01u
#define STORVSP_SRB_ERROR           0x04u
#define STORVSP_SRB_BUSY            0x05u
#define STORVSP_SRB_INVALID_REQUEST 0x06u
#define STORVSP_SRB_DATA_OVERRUN    0x12u
#define STORVSP_SRB_INVALID_LUN     0x20u
#define STORVSP_SRB_SENSE_VALID     0x80u

#define STORVSP_DATA_OUT 0u /* to the disk */
#define STORVSP_DATA_IN  1u

struct storvsp_request {
	uint16_t length;
	uint8_t srb_status;
	uint8_t scsi_status;
	uint8_t reserved;
	uint8_t path;
	uint8_t target;
	uint8_t lun;
	uint8_t cdb_length;
	uint8_t sense_length;
	uint8_t data_in; /* STORVSP_DATA_* */
	uint8_t properties;
	uint32_t transfer_length;
	union {
		uint8_t cdb[STORVSP_CDB_LENGTH];
		uint8_t sense[STORVSP_SENSE_LENGTH];
	};
	/* since WIN8: */
	uint16_t reserved2;
	uint8_t queue_tag;
	uint8_t queue_action;
	uint32_t flags;
	uint32_t timeout;
	uint32_t sort_key;
};
_Static_assert(sizeof(struct storvsp_request) == 52, "request");
_Static_assert(offsetof(struct storvsp_request, cdb) == 16, "request CDB");

struct storvsp_properties {
	uint32_t reserved;
	uint16_t max_subchannels;
	uint16_t reserved2;
	uint32_t flags;
	uint32_t max_transfer;
	uint32_t reserved3[2];
};
_Static_assert(sizeof(struct storvsp_properties) == 24, "properties");
#define STORVSP_PROPERTY_MULTI_CHANNEL 1u

#define STORVSP_FLAG_COMPLETION 1u /* wants an answer */

struct storvsp_packet {
	uint32_t operation;
	uint32_t flags;
	uint32_t status;
	union {
		struct storvsp_request request;
		struct storvsp_properties properties;
		uint16_t version;
		uint16_t subchannels;
	};
};
_Static_assert(sizeof(struct storvsp_packet) == 64, "packet");
_Static_assert(offsetof(struct storvsp_packet, request) == 12, "packet body");

/* What clients older than WIN8 send. */
#define STORVSP_PACKET_LEAST 48u

#endif
