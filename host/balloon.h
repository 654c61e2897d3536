/* SPDX-License-Identifier: MIT */
/*
 * Dynamic memory: brings what the guest has to a target, by taking pages from it, giving them back, and adding memory that it
 * did not start with. Runs on the device thread, step by step, as the guest answers.
 */
#ifndef HOST_BALLOON_H
#define HOST_BALLOON_H

#include "abi/vmbus/balloon.h"
#include "host/vmbus/vmbus.h"

enum balloon_state {
	BALLOON_IDLE,
	BALLOON_INFLATING,
	BALLOON_DEFLATING,
	BALLOON_ADDING,
};

struct balloon {
	struct gmem *memory;
	/* Shows a range that gmem_add() has made to the guest's processors. False: refused. */
	bool (*add)(void *context, struct gmem_range range);
	void *context;

	struct vmbus_channel *channel;
	uint32_t version; /* 0: not agreed on */
	bool ready;       /* the guest has told what it can */
	uint64_t flags;   /* BALLOON_CAN_… */
	uint32_t transaction;
	enum balloon_state state;
	bool tired; /* the last step brought nothing: again when the guest reports its status */
	/* Pages: */
	uint64_t target, added, taken;
	uint64_t asked; /* of the step under way */
	uint64_t *map;  /* a bit for each page of the memory, in the order of its file: taken */
	struct balloon_status status;
};

/* The pointers and `add` are set by the caller. 0 or -1. */
int balloon_offer(struct balloon *balloon, struct vmbus *bus);
void balloon_destroy(struct balloon *balloon);

/* Bytes, whole pages, at most the memory's `most`. False where the guest is not ready for it. */
bool balloon_set_target(struct balloon *balloon, uint64_t bytes);
/* What the guest has, in bytes. */
uint64_t balloon_assigned(const struct balloon *balloon);

#endif
