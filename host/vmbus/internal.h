/* SPDX-License-Identifier: MIT */
/* What the files of host/vmbus/ share. */
#ifndef HOST_VMBUS_INTERNAL_H
#define HOST_VMBUS_INTERNAL_H

#include "host/vmbus/vmbus.h"

#include <pthread.h>
#include <stdatomic.h>

#define MAX_CHANNELS 256u /* numbers 1 to 255; flag 0 of the event page is no channel's */
#define MAX_GPADLS   1024u
/* The longest GPADL that one range of 16-bit length can describe, and what all of a guest's may add up to. */
#define MAX_FRAMES     8191u
#define MAX_ALL_FRAMES (1u << 20)
/* The largest packet taken: more than any that StorVSC (2 MiB of scattered pages) or NetVSC sends. */
#define MAX_PACKET 65536u

/* The connection that a channel's guest end signals: openvmm numbers them so too. */
static inline uint32_t connection_of(uint32_t channel)
{
	return VMBUS_SINT << 12 | channel;
}

struct gpadl {
	uint32_t id;
	uint32_t channel;
	uint32_t bytes;
	uint32_t offset; /* in the first page */
	uint32_t frames;
	uint32_t wanted, got; /* bytes of `raw` */
	/* The range as it comes in: struct vmbus_gpa_range. */
	uint8_t *raw;
	struct gpadl *next;
};

/* A packet that found the ring full. */
struct backlog {
	struct backlog *_Atomic next;
	struct vmbus_out_packet packet;
	uint8_t bytes[];
};

enum channel_state {
	CHANNEL_FREE,
	CHANNEL_OFFERED, /* known to us; to the guest once it has asked */
	CHANNEL_OPEN,
	CHANNEL_RESCINDED, /* until the guest gives its number back */
};

struct vmbus_channel {
	struct vmbus *bus;
	uint32_t id;
	enum channel_state state;
	struct vmbus_offering offering;
	struct loop_watch watch; /* the guest's signals */
	struct loop_watch later; /* a timer, where the device may expect more; else its fd is -1 */
	/* While open: */
	atomic_uint target_vp;
	atomic_bool deaf; /* the guest broke the ring */
	void *rings;
	size_t pages;
	struct vmbus_ring in;
	/* What sending changes, on any thread (vmbus_send()); and the state is left under it. */
	pthread_mutex_t lock;
	struct vmbus_ring out;
	struct backlog *_Atomic backlog, *_Atomic *backlog_end;
};

enum bus_state {
	BUS_DISCONNECTED,
	BUS_CONNECTED,
	BUS_OFFERING, /* the guest has asked for offers: new ones go out at once */
};

struct vmbus {
	struct vmbus_host host;
	enum bus_state state;
	uint32_t version;
	unsigned message_vp;
	/* Before 2.4, while connected: the guest's interrupt page, and its signals for all channels. */
	struct vmbus_interrupt_page *interrupts;
	struct loop_watch shared_watch;
	struct gpadl *gpadls;
	unsigned gpadl_count;
	uint32_t all_frames;
	uint32_t channels; /* above every number that was ever used */
	struct vmbus_channel channel[MAX_CHANNELS];
	uint8_t packet[MAX_PACKET];
};

/* server.c */
void bus_post(struct vmbus *bus, const void *message, uint32_t length);
struct vmbus_channel *bus_channel(struct vmbus *bus, uint32_t id);

/* shared.c: how versions before 2.4 signal. */
/* False where the page is not RAM, or nothing can be hooked. */
bool shared_begin(struct vmbus *bus, uint64_t interrupt_page);
void shared_end(struct vmbus *bus);
void shared_signal(struct vmbus *bus, unsigned vp, uint32_t channel);

/* channel.c */
void channel_send_offer(struct vmbus_channel *channel);
/* False where it cannot be opened so. */
bool channel_open(struct vmbus_channel *channel, const struct vmbus_open *message);
void channel_close(struct vmbus_channel *channel);
void channel_modify(struct vmbus_channel *channel, uint32_t target_vp);
/* The guest has signalled it. */
void channel_wake(struct vmbus_channel *channel);
/* The number may be used again. */
void channel_free(struct vmbus_channel *channel);

/* gpadl.c */
void gpadl_header(struct vmbus *bus, const struct vmbus_gpadl_header *message, uint32_t length);
void gpadl_body(struct vmbus *bus, const struct vmbus_gpadl_body *message, uint32_t length);
void gpadl_teardown(struct vmbus *bus, const struct vmbus_gpadl_teardown *message);
void gpadl_forget_all(struct vmbus *bus);
/* A complete one that was made for `channel`, or NULL. */
const struct gpadl *gpadl_find(const struct vmbus *bus, uint32_t channel, uint32_t id);
void *gpadl_map(const struct vmbus *bus, const struct gpadl *gpadl);

#endif
