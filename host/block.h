/* SPDX-License-Identifier: MIT */
/*
 * Disks for the device thread. What only moves bytes of a file, a read or an overwrite whose place is known (extents.h), goes
 * to the kernel by io_uring; everything else, and everything where there is no ring, to a pool of threads which call the image
 * library. Both come back on the device thread. Nothing here copies data.
 */
#ifndef HOST_BLOCK_H
#define HOST_BLOCK_H

#include "disk/xdisk.h"
#include "host/disk_files.h"
#include "host/extents.h"
#include "host/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>

#define BLOCK_MAX_THREADS 16u

struct block_request;
struct ring;

struct block_pool {
	struct loop *loop;
	struct loop_watch watch; /* eventfd: a thread has something done */
	unsigned threads, max_threads, idle;
	pthread_t thread[BLOCK_MAX_THREADS];
	pthread_mutex_t lock;
	sem_t work;
	bool stopping;
	struct block_request *queue, **queue_end;
	struct block_request *done, **done_end;
	bool told;          /* the watch is signalled for what is done */
	int draining;       /* the device thread waits */
	atomic_bool untold; /* something is done that it was not woken for */
	/* The device thread's own: what a turn of the loop has gathered goes out at its end. */
	struct loop_after after;
	struct block_request *gathered, **gathered_end;
	unsigned gathered_work;
	struct ring *ring; /* NULL: none */
	struct loop_watch ring_watch;
	unsigned queued, in_ring;
};

/* `ring` (NULL: none) stays the caller's. Threads are started when they are needed. 0 or -errno. */
int block_pool_init(struct block_pool *pool, struct loop *loop, unsigned threads,
		    struct ring *ring);
/* Every request must have come back before. */
void block_pool_destroy(struct block_pool *pool);

struct block {
	struct block_pool *pool;
	struct xd_image *image;
	uint64_t size;            /* bytes, a whole number of sectors */
	uint32_t sector;          /* 512 or 4096 */
	uint32_t physical_sector; /* the same or larger */
	bool read_only;
	unsigned in_flight;
	/* Zeroing and discarding may move what the ring relies on: one waits for the other. */
	struct extents extents;
	unsigned in_ring, unsettling;
	/* The file system cannot write without waiting: so many writes go to the threads before the ring is tried again. */
	unsigned ring_pause;
	struct block_request *held;
};

enum block_operation {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_ZERO,
	BLOCK_DISCARD,
};

/* The caller's, from block_submit() until `complete`. Offset and length are bytes and lie on the disk; iov adds up to length. */
struct block_request {
	struct block *block;
	enum block_operation operation;
	bool durable; /* a write that is on stable storage once done */
	uint64_t offset;
	uint64_t length;
	struct iovec *iov;
	int iov_count;
	/*
	 * May be NULL: as soon as it has succeeded, if that is so on a thread of the pool, and there. `answered` says in `complete`,
	 * which follows when the device thread has something to do again, that it was called.
	 */
	void (*answer)(struct block_request *request);
	bool answered;
	/* On the device thread. `error` is 0 or an enum xd_code. */
	void (*complete)(struct block_request *request, int error);
	int error;
	struct block_request *next;
	struct extents_age age; /* of the extents, when a thread was asked */
	struct extent found;
};

/* What to open: by its path, or by files that are open already. */
struct block_source {
	const char *path;
	enum xd_format format;
	bool read_only;
	const struct disk_files *files; /* NULL: by path */
};

/* 0, or -1 and why in *error. */
int block_open(struct block *block, struct block_pool *pool, const struct block_source *source,
	       struct xd_error *error);
/* Waits for what is in flight, flushes, closes. 0, or -1 and in *error (unless NULL) what may be lost, which is told too. */
int block_close(struct block *block, struct xd_error *error);
void block_submit(struct block_request *request);
/* Makes the disk larger, with nothing in flight. 0, or -1 and why in *error; smaller is refused. */
int block_grow(struct block *block, uint64_t size, struct xd_error *error);
/* Returns once nothing of this disk is in flight; completions run meanwhile. */
void block_drain(struct block *block);

#endif
