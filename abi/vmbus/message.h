/* SPDX-License-Identifier: MIT */
/*
 * VMBus channel messages: what guest and host post to each other by HvPostMessage and the SynIC's message page.
 *
 * There is no public specification. Sources, which agree: openvmm, vm/devices/vmbus/vmbus_core/src/protocol.rs (MIT), and
 * the behaviour of Linux's hv_vmbus. Little-endian, packed.
 */
#ifndef ABI_VMBUS_MESSAGE_H
#define ABI_VMBUS_MESSAGE_H

#include "abi/vmbus/guid.h"

#include <stddef.h>
#include <stdint.h>

/* The SynIC message type that carries them, and the largest one. */
#define VMBUS_MESSAGE_TYPE 1u
#define VMBUS_MESSAGE_MAX  240u
#define VMBUS_SINT         2u

/* Where the guest posts: the first contact before 5.0, and since; the server names the one for what follows. */
#define VMBUS_CONNECTION_CLASSIC 1u
#define VMBUS_CONNECTION_V5      4u
/* Signalled, before 2.4, for all channels; the interrupt page says which. */
#define VMBUS_CONNECTION_EVENT 2u

#define VMBUS_VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))
#define VMBUS_VERSION_WS2008        VMBUS_VERSION(0, 13)
#define VMBUS_VERSION_WIN7          VMBUS_VERSION(1, 1)
#define VMBUS_VERSION_WIN8          VMBUS_VERSION(2, 4)
#define VMBUS_VERSION_WIN8_1        VMBUS_VERSION(3, 0)
#define VMBUS_VERSION_WIN10         VMBUS_VERSION(4, 0)
#define VMBUS_VERSION_WIN10_V4_1    VMBUS_VERSION(4, 1)
#define VMBUS_VERSION_WIN10_V5      VMBUS_VERSION(5, 0)
#define VMBUS_VERSION_WIN10_V5_1    VMBUS_VERSION(5, 1)
#define VMBUS_VERSION_WIN10_V5_2    VMBUS_VERSION(5, 2)
#define VMBUS_VERSION_WIN10_V5_3    VMBUS_VERSION(5, 3)

enum vmbus_message_number {
	VMBUS_OFFER_CHANNEL = 1,
	VMBUS_RESCIND_CHANNEL = 2,
	VMBUS_REQUEST_OFFERS = 3,
	VMBUS_ALL_OFFERS_DELIVERED = 4,
	VMBUS_OPEN_CHANNEL = 5,
	VMBUS_OPEN_RESULT = 6,
	VMBUS_CLOSE_CHANNEL = 7,
	VMBUS_GPADL_HEADER = 8,
	VMBUS_GPADL_BODY = 9,
	VMBUS_GPADL_CREATED = 10,
	VMBUS_GPADL_TEARDOWN = 11,
	VMBUS_GPADL_TORNDOWN = 12,
	VMBUS_RELID_RELEASED = 13,
	VMBUS_INITIATE_CONTACT = 14,
	VMBUS_VERSION_RESPONSE = 15,
	VMBUS_UNLOAD = 16,
	VMBUS_UNLOAD_RESPONSE = 17,
	VMBUS_MODIFY_CHANNEL = 22,
	VMBUS_MODIFY_CHANNEL_RESPONSE = 24,
};

/* NTSTATUS, as far as these messages carry it. */
#define VMBUS_STATUS_SUCCESS      0u
#define VMBUS_STATUS_UNSUCCESSFUL 0xc0000001u

struct vmbus_header {
	uint32_t number;
	uint32_t padding;
};
_Static_assert(sizeof(struct vmbus_header) == 8, "header");

struct vmbus_initiate_contact {
	struct vmbus_header header;
	uint32_t version;
	uint32_t target_vp; /* gets the host's messages */
	/* The interrupt page's GPA; since 5.0 the SINT and VTL in the low bytes. */
	uint64_t interrupt_page;
	uint64_t monitor_page1; /* host to guest */
	uint64_t monitor_page2; /* guest to host */
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_initiate_contact) == 40, "initiate contact");

/*
 * Before 2.4 guest and host share this page: a bit for each channel, set by who signals, then cleared by who is signalled. The
 * host tells by event flag 0, the guest by VMBUS_CONNECTION_EVENT (Win7 only for channels without an interrupt of their own).
 */
#define VMBUS_INTERRUPT_WORDS 512u
struct vmbus_interrupt_page {
	uint32_t to_guest[VMBUS_INTERRUPT_WORDS];
	uint32_t to_host[VMBUS_INTERRUPT_WORDS];
};
_Static_assert(sizeof(struct vmbus_interrupt_page) == 4096, "interrupt page");

struct vmbus_version_response {
	struct vmbus_header header;
	uint8_t supported;
	uint8_t state; /* 0: successful */
	uint16_t padding;
	uint32_t connection; /* since 5.0, where to post from now on; else the version */
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_version_response) == 16, "version response");

#define VMBUS_OFFER_ENUMERATE_DEVICE 0x1u
#define VMBUS_OFFER_NAMED_PIPE       0x10u

#define VMBUS_PIPE_BYTE    0u
#define VMBUS_PIPE_MESSAGE 4u

struct vmbus_offer {
	struct vmbus_header header;
	struct vmbus_guid type;
	struct vmbus_guid instance;
	uint64_t reserved[2];
	uint16_t flags;
	uint16_t mmio_megabytes;
	uint8_t user[120]; /* in pipe mode, VMBUS_PIPE_* in the first four bytes */
	uint16_t subchannel;
	uint16_t mmio_megabytes_optional;
	uint32_t channel;
	uint8_t monitor;
	uint8_t monitor_allocated;
	/* Since Win7; before, nobody looks at them, but Linux wants them in the message all the same. */
	uint16_t dedicated_interrupt; /* bit 0: signal `connection`, not VMBUS_CONNECTION_EVENT */
	uint32_t connection;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_offer) == 196, "offer");
_Static_assert(offsetof(struct vmbus_offer, flags) == 56, "offer flags");
_Static_assert(offsetof(struct vmbus_offer, channel) == 184, "offer channel");
_Static_assert(offsetof(struct vmbus_offer, connection) == 192, "offer connection");

/* Rescind, close and "relid released" name a channel and nothing else. */
struct vmbus_channel_message {
	struct vmbus_header header;
	uint32_t channel;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_channel_message) == 12, "channel message");

struct vmbus_open {
	struct vmbus_header header;
	uint32_t channel;
	uint32_t open_id;
	uint32_t gpadl;
	uint32_t target_vp;
	uint32_t host_ring_page; /* page in the GPADL where the host-to-guest ring starts */
	uint8_t user[120];
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_open) == 148, "open");

struct vmbus_open_result {
	struct vmbus_header header;
	uint32_t channel;
	uint32_t open_id;
	uint32_t status;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_open_result) == 20, "open result");

/* One range of a GPADL or of a GPA-direct packet: `bytes` from `offset` in the first of the 64-bit frames that follow. */
struct vmbus_gpa_range {
	uint32_t bytes;
	uint32_t offset;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_gpa_range) == 8, "range");

/* Then the ranges, which go on in the bodies. */
struct vmbus_gpadl_header {
	struct vmbus_header header;
	uint32_t channel;
	uint32_t gpadl;
	uint16_t range_bytes; /* of all ranges, over this message and its bodies */
	uint16_t range_count;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_gpadl_header) == 20, "GPADL header");

/* Then the ranges, from where the message before ended. */
struct vmbus_gpadl_body {
	struct vmbus_header header;
	uint32_t number;
	uint32_t gpadl;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_gpadl_body) == 16, "GPADL body");

struct vmbus_gpadl_created {
	struct vmbus_header header;
	uint32_t channel;
	uint32_t gpadl;
	uint32_t status;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_gpadl_created) == 20, "GPADL created");

struct vmbus_gpadl_teardown {
	struct vmbus_header header;
	uint32_t channel;
	uint32_t gpadl;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_gpadl_teardown) == 16, "GPADL teardown");

struct vmbus_gpadl_torndown {
	struct vmbus_header header;
	uint32_t gpadl;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_gpadl_torndown) == 12, "GPADL torn down");

struct vmbus_modify_channel {
	struct vmbus_header header;
	uint32_t channel;
	uint32_t target_vp;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_modify_channel) == 16, "modify channel");

/* Since 5.3. */
struct vmbus_modify_channel_response {
	struct vmbus_header header;
	uint32_t channel;
	uint32_t status;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_modify_channel_response) == 16, "modify channel response");

#endif
