/* SPDX-License-Identifier: MIT */
/*
 * The VMBus server: offers devices to the guest and carries their packets. Everything here runs on the device thread.
 *
 * A device offers a channel with vmbus_offer() and hears of it through its operations. A guest that breaks the protocol
 * gets an error where the protocol has one; where it has none its channel goes deaf, and everything else goes on.
 */
#ifndef HOST_VMBUS_VMBUS_H
#define HOST_VMBUS_VMBUS_H

#include "abi/vmbus/guid.h"
#include "abi/vmbus/message.h"
#include "core/vmbus_ring.h"
#include "host/gmem.h"
#include "host/loop.h"

#include <stdbool.h>
#include <sys/uio.h>

struct vmbus;
struct vmbus_channel;

/* What the server needs of its machine. */
struct vmbus_host {
	struct gmem *memory;
	struct loop *loop;
	unsigned cpus;
	/* Queues a VMBus message for a virtual processor's SINT; false where too many wait. */
	bool (*post)(void *context, unsigned vp, const void *message, uint32_t length);
	/* Sets an event flag of a virtual processor and interrupts it. On any thread where `threads` says so. */
	void (*signal)(void *context, unsigned vp, unsigned flag);
	/* HvSignalEvent to `connection` shall write to the eventfd, until unhooked. 0 or -errno. */
	int (*hook)(void *context, uint32_t connection, int eventfd);
	void (*unhook)(void *context, uint32_t connection);
	void *context;
	bool threads; /* devices may send on threads of theirs */
};

/* `host` is copied. NULL: no memory. */
struct vmbus *vmbus_create(const struct vmbus_host *host);
void vmbus_destroy(struct vmbus *bus);
/* A message that the guest posted to `connection`: any bytes. */
void vmbus_receive(struct vmbus *bus, uint32_t connection, const void *message, uint32_t length);
/* Whether devices may call vmbus_send() and vmbus_complete() on other threads than the device thread. */
bool vmbus_threads(const struct vmbus *bus);
/* The version that guest and host agreed on, 0 before. */
uint32_t vmbus_version(const struct vmbus *bus);

struct vmbus_device_ops {
	/* The guest opens the channel; the rings are ready. False: refuse. */
	bool (*open)(void *device, struct vmbus_channel *channel);
	/* The guest closed it, or left. No packet may be sent afterwards until the next open. */
	void (*close)(void *device, struct vmbus_channel *channel);
	/* A packet, copied and whole. False: the guest cannot be served any more on this channel. */
	bool (*packet)(void *device, struct vmbus_channel *channel,
		       const struct vmbus_in_packet *packet);
	/* May be NULL: everything that was in the ring is handled, or there is room to send again. */
	void (*idle)(void *device, struct vmbus_channel *channel);
	/*
	 * May be NULL: the guest is about to send more of what just came. It need not tell of each packet then: the channel looks
	 * again by itself, a little later.
	 */
	bool (*expects)(void *device, struct vmbus_channel *channel);
};

struct vmbus_offering {
	struct vmbus_guid type;
	struct vmbus_guid instance;
	uint16_t subchannel; /* 0: the primary one */
	bool pipe;           /* payloads have a pipe header */
	const struct vmbus_device_ops *ops;
	void *device;
};

/* Offers a channel, at once where a guest is connected. NULL: no channel left. */
struct vmbus_channel *vmbus_offer(struct vmbus *bus, const struct vmbus_offering *offering);
/*
 * Takes the packets that the guest has sent so far, whether or not their signal has come: before an offer is taken back, since a guest
 * may wait for their answers then (Linux: rndis_filter_halt_device(), for its sends').
 */
void vmbus_catch_up(struct vmbus_channel *channel);
/* Takes the offer back. The device hears close where it was open, and must forget the channel. */
void vmbus_rescind(struct vmbus_channel *channel);

bool vmbus_is_open(const struct vmbus_channel *channel);

/*
 * Sends a packet; on any thread, while close has not returned. Where the ring is full it waits in the host, and the channel takes
 * no more packets from the guest until it has gone; so what waits is bounded by what the device has in flight. False: the channel
 * is closed or broken.
 */
bool vmbus_send(struct vmbus_channel *channel, const struct vmbus_out_packet *packet);
/* True while packets wait for room: a device that sends on its own account holds back. */
bool vmbus_congested(const struct vmbus_channel *channel);
/* Answers a packet with its transaction and `length` bytes. */
bool vmbus_complete(struct vmbus_channel *channel, uint64_t transaction, const void *payload,
		    uint32_t length);

/* A contiguous view of the GPADL `id`, which the guest made for this channel. NULL where there is none. Unmap it. */
void *vmbus_map_gpadl(struct vmbus_channel *channel, uint32_t id, uint32_t *bytes, size_t *pages);
void vmbus_unmap_gpadl(struct vmbus_channel *channel, void *view, size_t pages);

/*
 * The guest memory that a GPA-direct packet names, as host addresses. Returns the number of iovecs (0: no data) or -1
 * where the packet is malformed, names what is not RAM, or needs more than `max`. *bytes: the sum.
 */
int vmbus_packet_memory(const struct vmbus_channel *channel, const struct vmbus_in_packet *packet,
			struct iovec *iov, unsigned max, uint64_t *bytes);

#endif
