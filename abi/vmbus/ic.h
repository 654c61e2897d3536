/* SPDX-License-Identifier: MIT */
/*
 * The integration services: shutdown, heartbeat, time synchronisation, key-value pairs. All of them are pipe channels
 * (ring.h) on which the host asks and the guest answers in the same packet.
 * Source: openvmm, vm/devices/hyperv_ic_protocol/ (MIT); for key-value pairs Linux's <linux/hyperv.h>, with which a test compares.
 */
#ifndef ABI_VMBUS_IC_H
#define ABI_VMBUS_IC_H

#include <stddef.h>
#include <stdint.h>

/* Interface, then the instance that every host uses. */
#define IC_SHUTDOWN_TYPE                                               \
	{                                                              \
		0x0e0b6031, 0x5213, 0x4934,                            \
		{                                                      \
			0x81, 0x8b, 0x38, 0xd9, 0x0c, 0xed, 0x39, 0xdb \
		}                                                      \
	}
#define IC_SHUTDOWN_INSTANCE                                           \
	{                                                              \
		0xb6650ff7, 0x33bc, 0x4840,                            \
		{                                                      \
			0x80, 0x48, 0xe0, 0x67, 0x67, 0x86, 0xf3, 0x93 \
		}                                                      \
	}
#define IC_TIMESYNC_TYPE                                               \
	{                                                              \
		0x9527e630, 0xd0ae, 0x497b,                            \
		{                                                      \
			0xad, 0xce, 0xe8, 0x0a, 0xb0, 0x17, 0x5c, 0xaf \
		}                                                      \
	}
#define IC_TIMESYNC_INSTANCE                                           \
	{                                                              \
		0x2dd1ce17, 0x079e, 0x403c,                            \
		{                                                      \
			0xb3, 0x52, 0xa1, 0x92, 0x1e, 0xe2, 0x07, 0xee \
		}                                                      \
	}
#define IC_HEARTBEAT_TYPE                                              \
	{                                                              \
		0x57164f39, 0x9115, 0x4e78,                            \
		{                                                      \
			0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d \
		}                                                      \
	}
#define IC_HEARTBEAT_INSTANCE                                          \
	{                                                              \
		0xfd149e91, 0x82e0, 0x4a7d,                            \
		{                                                      \
			0xaf, 0xa6, 0x2a, 0x41, 0x66, 0xcb, 0xd7, 0xc0 \
		}                                                      \
	}
#define IC_KVP_TYPE                                                    \
	{                                                              \
		0xa9a0f4e7, 0x5a45, 0x4d96,                            \
		{                                                      \
			0xb8, 0x27, 0x8a, 0x84, 0x1e, 0x8c, 0x03, 0xe6 \
		}                                                      \
	}
#define IC_KVP_INSTANCE                                                \
	{                                                              \
		0x242ff919, 0x07db, 0x4180,                            \
		{                                                      \
			0x9c, 0x2e, 0xb8, 0x6c, 0xb6, 0x8c, 0x8c, 0x55 \
		}                                                      \
	}

#define IC_VERSION(major, minor) \
	((uint32_t)(minor) << 16 | (major)) /* as two 16-bit fields, major first */

enum ic_type {
	IC_NEGOTIATE = 0,
	IC_HEARTBEAT = 1,
	IC_KVP = 2,
	IC_SHUTDOWN = 3,
	IC_TIMESYNC = 4,
};

#define IC_FLAG_TRANSACTION 1u
#define IC_FLAG_REQUEST     2u
#define IC_FLAG_RESPONSE    4u

#define IC_STATUS_SUCCESS       0u
#define IC_STATUS_FAIL          0x80004005u
#define IC_STATUS_NOT_SUPPORTED 0x80070032u
#define IC_STATUS_NO_MORE_ITEMS 0x80070103u

struct ic_header {
	uint32_t framework_version;
	uint16_t type;
	uint32_t message_version;
	uint16_t size; /* of what follows the header */
	uint32_t status;
	uint8_t transaction;
	uint8_t flags;
	uint8_t reserved[2];
} __attribute__((packed));
_Static_assert(sizeof(struct ic_header) == 20, "IC header");

/* Then the framework versions, then the message versions, 4 bytes each. The guest answers with one of each. */
struct ic_negotiate {
	uint16_t framework_count;
	uint16_t message_count;
	uint32_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct ic_negotiate) == 8, "IC negotiation");

struct ic_heartbeat {
	uint64_t sequence;
	uint32_t application_state;
	uint32_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct ic_heartbeat) == 16, "heartbeat");

#define IC_SHUTDOWN_FORCE   1u
#define IC_SHUTDOWN_RESTART 2u
#define IC_SHUTDOWN_SLEEP   4u /* hibernate */

struct ic_shutdown {
	uint32_t reason;
	uint32_t timeout; /* s */
	uint32_t flags;
	uint8_t text[2048];
} __attribute__((packed));
_Static_assert(sizeof(struct ic_shutdown) == 2060, "shutdown");

#define IC_TIMESYNC_PROBE  0u
#define IC_TIMESYNC_SYNC   1u /* set the clock */
#define IC_TIMESYNC_SAMPLE 2u /* steer it */

/* Before version 4. Times are 100 ns since 1601, UTC. */
struct ic_timesync {
	uint64_t parent;
	uint64_t child;
	uint64_t round_trip;
	uint8_t flags;
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct ic_timesync) == 28, "time");

/* Version 4: `reference` is the partition's reference time at that moment. */
struct ic_timesync4 {
	uint64_t parent;
	uint64_t reference;
	uint8_t flags;
	uint8_t leap;
	uint8_t stratum;
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct ic_timesync4) == 22, "time, version 4");

enum ic_kvp_operation { IC_KVP_GET, IC_KVP_SET, IC_KVP_DELETE, IC_KVP_ENUMERATE };
enum ic_kvp_pool { IC_KVP_EXTERNAL, IC_KVP_GUEST, IC_KVP_AUTO, IC_KVP_AUTO_EXTERNAL };

/* Value types. */
#define IC_KVP_STRING 1u
#define IC_KVP_U32    4u
#define IC_KVP_U64    8u

#define IC_KVP_KEY_MAX   512u
#define IC_KVP_VALUE_MAX 2048u

struct ic_kvp_value {
	uint32_t type;
	uint32_t key_size; /* bytes of UTF-16, with the final zero */
	uint32_t value_size;
	uint8_t key[IC_KVP_KEY_MAX];
	uint8_t value[IC_KVP_VALUE_MAX];
} __attribute__((packed));
_Static_assert(sizeof(struct ic_kvp_value) == 2572, "key and value");

/* Every message begins so. */
struct ic_kvp_head {
	uint8_t operation;
	uint8_t pool;
	uint16_t padding;
} __attribute__((packed));
_Static_assert(sizeof(struct ic_kvp_head) == 4, "KVP head");

/* GET and SET. */
struct ic_kvp_access {
	struct ic_kvp_head head;
	struct ic_kvp_value data;
} __attribute__((packed));
_Static_assert(sizeof(struct ic_kvp_access) == 2576, "KVP access");

struct ic_kvp_delete {
	struct ic_kvp_head head;
	uint32_t key_size;
	uint8_t key[IC_KVP_KEY_MAX];
} __attribute__((packed));
_Static_assert(sizeof(struct ic_kvp_delete) == 520, "KVP deletion");

/* ENUMERATE. */
struct ic_kvp {
	uint8_t operation;
	uint8_t pool;
	uint16_t padding;
	uint32_t index; /* of an enumeration */
	struct ic_kvp_value data;
} __attribute__((packed));
_Static_assert(sizeof(struct ic_kvp) == 2580, "KVP enumeration");
_Static_assert(offsetof(struct ic_kvp, data) == 8, "KVP enumeration");

#endif
