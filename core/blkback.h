/* SPDX-License-Identifier: MIT */
/*
 * One queue of a block back end: requests from the guest's ring become block requests on granted pages, and their completions
 * become responses. Every request is answered, malformed ones with an error. Data is never copied.
 *
 * blkback_poll() runs when the guest notifies, blkback_complete() when the disk has finished; on any processors, at the same
 * time. The queue has a lock of its own; it is not held during the calls out.
 *
 * Not offered: write barriers (flush is), persistent grants (granted pages are used in place, so that they would cost the guest
 * a copy and save nothing).
 */
#pragma once

#include "core/backq.h"
#include "core/blkif.h"
#include "core/block.h"
#include "core/gnttab.h"
#include "core/xenring.h"

struct blkback_queue;

/* A request being carried out. */
struct blkback_slot {
	struct block_request request; /* first: a block request of ours is its slot */
	struct blkback_queue *queue;
	struct blkback_slot *next;
	uint64_t id;
	uint8_t
	    operation; /* for the response: what an indirect request carries, as Linux's blkfront checks */
	bool write; /* to the guest's pages */
	uint16_t nr_refs;
	grant_ref_t ref[BLOCK_SEGMENTS_MAX];
};

struct blkback_env {
	/* Raise the guest's event channel of this queue. */
	void (*notify)(void *ctx, struct blkback_queue *queue);
	/* A queue that was stopped has no request left, and its memory is the caller's again. Called once, perhaps from within
	 * blkback_poll(), blkback_stop() or a completion: only take note. */
	void (*idle)(void *ctx, struct blkback_queue *queue);
};

struct blkback_queue {
	const struct blkback_env *env;
	void *ctx;
	struct block_disk *disk;
	struct gnttab *grants;
	struct backq q;
	struct xenring ring;
	enum blkif_abi abi;
	struct blkback_slot *free;
};

/*
 * The queue must be zeroed before its first start. The pool bounds the requests in flight; more wait on the ring. ring_pages are acquired from the guest and stay so until the
 * queue is stopped and idle. Sets disk->complete.
 */
void blkback_start(struct blkback_queue *queue, const struct blkback_env *env, void *ctx,
		   struct block_disk *disk, struct gnttab *grants, enum blkif_abi abi,
		   void *const *ring_pages, unsigned nr_ring_pages, struct blkback_slot *pool,
		   unsigned nr_pool);
/* Takes what is on the ring. False when the ring is broken: the device should be closed. */
bool blkback_poll(struct blkback_queue *queue);
/* Takes no more requests; env->idle is called when the last one has been answered, at once if there is none. */
void blkback_stop(struct blkback_queue *queue);
