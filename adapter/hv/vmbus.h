/* SPDX-License-Identifier: MIT */
/*
 * The VMBus client: the channels that the host offers, for the drivers of storage, network and integration services.
 *
 * Who runs where. Messages of the bus are handled on VP 0 only, with interrupts off; so are a driver's `offered`, `opened`,
 * `created` and `rescinded`. Packets of a channel are handled on the VP that it was opened for, one at a time. hv_channel_send() may be
 * called from any VP. A driver whose control channel is opened for VP 0 thus has its whole control path on VP 0.
 *
 * Nothing here waits: what takes the host's answer ends in a call to the driver. The one exception is hv_vmbus_settle(), at boot.
 */
#ifndef XENOLITH_HV_VMBUS_H
#define XENOLITH_HV_VMBUS_H

#include "abi/vmbus/message.h"
#include "core/lock.h"
#include "core/vmbus_ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hv_channel;

struct hv_driver {
	const char *name;
	struct vmbus_guid type; /* of the offers that it takes */
	bool
	    pipe; /* payloads have a pipe header (abi/vmbus/ring.h), put before and taken off here */
	/* A channel appeared: sub-channels (channel->offer.subchannel != 0) too, after their primary one, whose `device` they bear. */
	void (*offered)(struct hv_channel *channel);
	/* The answer to hv_channel_open(). Where not good, the channel is as it was before. */
	void (*opened)(struct hv_channel *channel, bool good);
	/* The answer to hv_channel_share(). May be NULL for a driver that shares nothing. */
	void (*created)(struct hv_channel *channel, uint32_t gpadl, bool good);
	/*
	 * A packet, copied and checked as core/vmbus_ring.h says. False: it cannot be taken now; nothing more is received, and this packet
	 * comes again after hv_channel_resume().
	 */
	bool (*packet)(struct hv_channel *channel, const struct vmbus_in_packet *packet);
	/* Everything received so far has been handled: time for what was gathered. May be NULL. */
	void (*drained)(struct hv_channel *channel);
	/*
	 * The host takes the channel away, or broke its ring: no packet will come, and sending fails, from now on. What was in flight will not be
	 * answered. The driver forgets the channel at once or, where it still uses memory that it shared on it, later, and
	 * calls hv_channel_release() in either case.
	 */
	void (*rescinded)(struct hv_channel *channel);
	/* After hv_vmbus_work_later(): on VP 0. May be NULL. */
	void (*work)(void);
};

enum hv_channel_state {
	HV_CHANNEL_FREE, /* the host has offered none of this number, or taken it away */
	HV_CHANNEL_OFFERED,
	HV_CHANNEL_SHARING, /* its rings are on their way to the host */
	HV_CHANNEL_OPENING,
	HV_CHANNEL_OPEN,
	HV_CHANNEL_BROKEN, /* by the host; gone as soon as VP 0 gets to it */
	HV_CHANNEL_GONE,
};

struct hv_channel {
	struct vmbus_offer offer;
	const struct hv_driver *driver;
	void *device;   /* the driver's */
	unsigned queue; /* likewise: which of its device's channels this is */
	_Atomic enum hv_channel_state state;
	unsigned vp;    /* where its packets are handled: the seam's number */
	bool rescinded; /* the host has let go of what was shared on it */

	void *rings;
	uint16_t out_pages, in_pages;
	uint32_t gpadl;
	uint8_t *buffer; /* of one page: the packet being handled */

	struct lock out_lock;
	struct vmbus_ring out;
	_Atomic bool
	    unsignalled;    /* packets were sent with `more` that the host has not been told of */
	_Atomic bool quiet; /* or quietly */
	_Atomic uint32_t held; /* of what was put off: bytes, small packets counting for more */

	struct lock in_lock;
	struct vmbus_ring in;
	_Atomic bool again; /* look once more before leaving */
	bool stalled;       /* `pending` waits in `buffer` for hv_channel_resume() */
	struct vmbus_in_packet pending;
};

/* The largest packet that a host may send; a larger one breaks the channel. */
#define HV_CHANNEL_PACKET_MAX 4096u

/*
 * On VP 0: opens an offered channel with rings of so many pages, control pages included (each ≥ 2, together ≤ 1024), packets to be handled on
 * `vp`. The driver hears `opened`, perhaps before this returns. False where it cannot even be asked for (no memory).
 */
bool hv_channel_open(struct hv_channel *channel, uint16_t out_pages, uint16_t in_pages,
		     unsigned vp);

/*
 * On VP 0: shares `pages` contiguous pages of device memory (x86/mem.h) with the host. The driver hears `created` with the number returned, perhaps
 * before this returns. They stay the driver's memory until it unshares them. 0: cannot be asked for.
 */
uint32_t hv_channel_share(struct hv_channel *channel, const void *memory, size_t pages);
/* On VP 0, after `rescinded` and before the release: the memory is given back, as soon as the host has let go of it. */
void hv_channel_unshare(struct hv_channel *channel, uint32_t gpadl, void *memory, size_t pages);

/*
 * Sends a packet. `more`: others follow at once, after which hv_channel_flush() tells the host. FULL: the host will signal when there is
 * room, and `drained` is called then. BROKEN: the channel is gone.
 */
enum vmbus_ring_result hv_channel_send(struct hv_channel *channel,
				       const struct vmbus_out_packet *packet, bool more);
void hv_channel_flush(struct hv_channel *channel);
/*
 * The same, and handles what the host has answered by the time it has been told: one that has the data in its memory answers at once, and then needs not
 * interrupt. Not with a lock held that `packet` takes.
 */
void hv_channel_flush_and_look(struct hv_channel *channel);
/*
 * The same, but put off for as long as the guest's kernel may be about to send more: until it goes back to what it had interrupted, or to another task, or
 * this VP waits or yields, or its timer expires, or `bytes` and what was put off before are much. The host then has more to do at a time. A native driver is told
 * what is still to come (Linux's xmit_more); no front end tells us.
 */
void hv_channel_flush_soon(struct hv_channel *channel, uint32_t bytes);
/*
 * Sends what the host need not hear of at once, such as that a buffer is its own again: the next packet that is not sent quietly tells of it too, or the
 * next flush, and at the latest this VP when it has nothing to do or its timer expires. Waking the host costs far more than the packet.
 */
enum vmbus_ring_result hv_channel_send_quietly(struct hv_channel *channel,
					       const struct vmbus_out_packet *packet);
/* Likewise completions, as vmbus_ring_complete(). */
unsigned hv_channel_complete_quietly(struct hv_channel *channel, const uint64_t *transaction,
				     unsigned nr, uint64_t payload);
/* This VP tells what it has sent quietly or put off. */
void hv_channel_speak(void);
/* And handles the answers, as hv_channel_flush_and_look(). False: there was nothing. */
bool hv_channel_speak_and_look(void);

/* An in-band packet of `length` bytes; `transaction` 0 asks for no completion. */
enum vmbus_ring_result hv_channel_send_message(struct hv_channel *channel, const void *message,
					       uint32_t length, uint64_t transaction);
/* The completion of a packet that the host sent. */
enum vmbus_ring_result hv_channel_complete(struct hv_channel *channel, uint64_t transaction,
					   const void *payload, uint32_t length);

/* Takes up again the packet that `packet` refused, on any VP. */
void hv_channel_resume(struct hv_channel *channel);

/*
 * On VP 0: as though the host had broken the channel's ring. `rescinded` is called before this returns, unless it has been already.
 */
void hv_channel_give_up(struct hv_channel *channel);

/* After `rescinded`: the driver does not know the channel any more; its number goes back to the host. */
void hv_channel_release(struct hv_channel *channel);

/* Boot, before hv_vmbus_connect(); `driver` stays. */
void hv_vmbus_register(const struct hv_driver *driver);

/* Asks the host for its newest common version and its offers; on VP 0. Where there is no VMBus nothing ever comes. */
void hv_vmbus_connect(void);

/* Has every driver's `work` called soon, on VP 0; for what comes up on other VPs or under locks. */
void hv_vmbus_work_later(void);

/*
 * A driver is busy setting something up that the guest should find when it starts (busy), or has finished (done). Whatever was begun must be
 * ended, on failure too. VP 0.
 */
void hv_vmbus_busy(void);
void hv_vmbus_done(void);

/* Waits, on VP 0 with interrupts off, until all offers have come and nobody is busy, or for `ns` at most. False: it took too long. */
bool hv_vmbus_settle(uint64_t ns);

/* The partition is about to end or to crash: the host shall forget what it knows of us. Waits a second at most. Any VP. */
void hv_vmbus_unload(void);

#endif
