/* SPDX-License-Identifier: MIT */
/*
 * The process's io_uring. It is made before the sandbox is entered and outlives the guest's resets, so that the sandbox needs to
 * let through io_uring_enter() alone; and it is restricted to reading and writing, because what a ring does no seccomp
 * filter sees.
 */
#ifndef HOST_RING_H
#define HOST_RING_H

#include <liburing.h>

/* More than all requests that can be under way; beyond that they go to the threads. */
#define RING_MOST 2048u

struct ring {
	struct io_uring uring;
};

/* NULL where the kernel has none, or forbids it: then threads do the work. */
struct ring *ring_create(void);
void ring_destroy(struct ring *ring);

#endif
