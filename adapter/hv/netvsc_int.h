/* SPDX-License-Identifier: MIT */
/*
 * Inside the network client. One struct netvsc an adapter, one struct netvsc_queue a channel of it, the primary one first.
 *
 *   netvsc.c         channels come, open and go                 VP 0
 *   netvsc_setup.c   the conversation that makes them useful     VP 0
 *   netvsc_rndis.c   its control messages                       VP 0
 *   netvsc_tx.c      from the guest                              any VP, under the queue's lock
 *   netvsc_rx.c      to the guest, and what completes            the channel's VP, one packet at a time
 */
#ifndef XENOLITH_HV_NETVSC_INT_H
#define XENOLITH_HV_NETVSC_INT_H

#include "abi/vmbus/netvsp.h"
#include "abi/vmbus/rndis.h"
#include "adapter/hv/netvsc_frame.h"
#include "adapter/hv/vmbus.h"
#include "adapter/seam/net.h"
#include "core/coalesce.h"
#include "core/lock.h"

#define NETVSC_QUEUES_MAX 16u
#define NETVSC_PAGE       4096u
/* What a queue may have under way: packets in the guest's pages, and sections of the send buffer. A bit each in a word. */
#define NETVSC_DIRECT_MAX   64u
#define NETVSC_SECTIONS_MAX 64u
/* Before a packet in the guest's pages go its RNDIS header and, for a large send, its own headers, which we change. */
#define NETVSC_HEADER_BYTES 256u
#define NETVSC_WAITING_MAX  128u /* packets that wait for room */
#define NETVSC_OWED_MAX     128u /* completions that do */
#define NETVSC_ANSWER_MAX   512u /* of a control message */

struct netvsc_slot {
	struct net_packet *packet; /* NULL: a section, which is not the guest's any more */
	uint32_t
	    generation; /* of the message in this slot, so that an old answer does not fit it */
};

/* The section of the send buffer that small packets are gathered in. */
struct netvsc_batch {
	unsigned slot; /* among the sections */
	uint32_t bytes;
	unsigned packets; /* 0: there is none */
};

struct netvsc_queue {
	struct netvsc *device;
	struct hv_channel *channel; /* stays until the device is forgotten */
	bool opened;                /* VP 0's: by the host */
	bool settled;               /* VP 0's: it has opened, or will not */
	unsigned index;

	struct lock lock; /* what follows, down to the batch */
	bool open;
	struct netvsc_slot direct[NETVSC_DIRECT_MAX], section[NETVSC_SECTIONS_MAX];
	uint64_t direct_free, section_free;
	unsigned first_section, nr_sections; /* this queue's share of the send buffer */
	uint8_t *headers;                    /* NETVSC_HEADER_BYTES for each of `direct` */
	uint64_t headers_ma;
	struct net_packet *waiting[NETVSC_WAITING_MAX];
	unsigned nr_waiting, first_waiting;
	uint32_t progress; /* of the first one that waits: its payload in parts that were sent */
	struct netvsc_batch batch;
	uint32_t fresh; /* bytes of packets since the last commit */

	/* The channel's VP only. */
	uint32_t range, at; /* where a packet stands that the guest had no room for */
	uint64_t owed[NETVSC_OWED_MAX];
	unsigned nr_owed;
	unsigned quiet;       /* completions since the host was last told */
	bool refused;         /* for the sake of `owed` */
	struct coalesce held; /* frames that have been looked at and not delivered, */
	unsigned owed_held;   /* and which of `owed` is the first that waits for them */

	_Atomic bool full; /* net_room() shall resume the channel */
};

struct netvsc {
	struct net_device net; /* first: the seam's device is ours */
	size_t pages;          /* of this */
	unsigned nr_queues;    /* that there is memory for */
	_Atomic unsigned live; /* channels, and the Xen side: who may still look in here */
	_Atomic bool again;    /* netvsc_rx_again() on VP 0 */
	bool settled;          /* nobody waits for its set-up */
	bool wanted;           /* the guest may have it as soon as it is set up */
	bool ready;            /* the Xen side knows it */
	bool ended;            /* the conversation has: no use, or no host */
	bool down;             /* the link is */

	unsigned step; /* of the set-up */
	uint32_t version;
	uint32_t request;        /* the last control message's number */
	bool asking;             /* it waits for its answer */
	bool wide;               /* the filter takes what is for others too */
	uint32_t transaction;    /* of the last message */
	unsigned max_queues;     /* that the host offers */
	unsigned queues_settled; /* sub-channels that have opened, or will not */

	void *control; /* a page: the control message under way */
	uint8_t *receive, *send;
	size_t receive_pages, send_pages;
	uint32_t gpadl; /* the last one shared */
	uint32_t receive_gpadl, send_gpadl;
	bool send_shared;
	uint32_t section_size;       /* 0: no send buffer */
	uint32_t batch_max;          /* packets in one message */
	uint32_t alignment;          /* of each in it, a power of two */
	uint32_t tx4, tx6;           /* NDIS_CHECKSUM_* that the host completes */
	uint32_t lso4, lso6;         /* the largest payload of a large send, 0: none */
	uint32_t lso4_min, lso6_min; /* and how many segments it must have */
	uint8_t answer[NETVSC_ANSWER_MAX];

	struct netvsc_queue queue[];
};

static inline struct netvsc *netvsc_of(struct net_device *device)
{
	return (struct netvsc *)device;
}

#define NETVSC_RECEIVE_ID 0xcafe
/* The slot number in transactions of the conversation; queues' slots follow from 1. Transactions are never 0. */
#define NETVSC_CONTROL 0xffffu

static inline uint64_t netvsc_transaction(uint32_t generation, unsigned slot)
{
	return (uint64_t)generation << 16 | slot;
}

/* netvsc_setup.c */
void netvsc_setup_start(struct netvsc *device);
/* The guest is about to start, or has. */
void netvsc_setup_wanted(struct netvsc *device);
void netvsc_setup_shared(struct netvsc *device, uint32_t gpadl, bool good);
/* The answer to an NVSP message, or to the one that carried a control message. */
void netvsc_setup_nvsp(struct netvsc *device, uint64_t transaction,
		       const struct nvsp_message *message);
/* A control message from the host: `length` bytes in device->answer. */
void netvsc_setup_rndis(struct netvsc *device, uint32_t length);
/* A sub-channel is open, or will not be. */
void netvsc_setup_queue(struct netvsc *device);
/* It cannot become of use. */
void netvsc_setup_failed(struct netvsc *device, const char *why);
/* The host has taken the adapter away. */
void netvsc_setup_ended(struct netvsc *device);

/* netvsc_tx.c */
extern const struct net_device_ops netvsc_net_ops;
void netvsc_tx_open(struct netvsc_queue *queue);
/* The answer to something that a queue sent. */
void netvsc_tx_completed(struct netvsc_queue *queue, uint64_t transaction, uint32_t status);
/* Sends what has waited for room. True: something had, and hv_channel_flush() must follow. */
bool netvsc_tx_resume(struct netvsc_queue *queue);
/* No answer will come: everything that is under way has failed. */
void netvsc_tx_close(struct netvsc_queue *queue);

/* netvsc_rx.c: struct hv_driver's. */
bool netvsc_packet(struct hv_channel *channel, const struct vmbus_in_packet *packet);
void netvsc_drained(struct hv_channel *channel);
/* On VP 0: what was refused is tried again. */
void netvsc_rx_again(struct netvsc *device);

#endif
