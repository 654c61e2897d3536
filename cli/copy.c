/* SPDX-License-Identifier: MIT */
/* The engine: workers take chunks of the disk in order, skip what is zero, move the rest. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/copy.h"
#include "disk/driver.h"

#define CHUNK        (8u << 20)
#define PIECE        (2u << 20)
#define UNIT         4096u
#define LEAST        (32u << 10) /* a shorter stretch of zeros is not worth a second write */
#define MOST_WORKERS 64

struct job {
	struct source *from;
	struct sink *to;
	const struct xd_progress *progress;
	_Atomic uint64_t next, done;
	atomic_bool stop;
	pthread_mutex_t lock; /* guards result and err */
	int result;
	struct xd_error err;
};

static void *aligned_buffer(size_t size)
{
	void *p;

	return posix_memalign(&p, UNIT, size) ? NULL : p;
}

/* How much from `at` on is zero, or is to be written: stretches of zeros shorter than LEAST are written with the rest. */
static size_t stretch(const uint8_t *buf, size_t at, size_t length, bool *zero)
{
	size_t end = at, zeros = 0;

	*zero = true;
	while (end < length) {
		size_t n = xd_min(UNIT, length - end);

		if (xd_is_zero(buf + end, n)) {
			zeros += n;
		} else if (!*zero || zeros < LEAST) {
			*zero = false;
			zeros = 0;
		} else {
			return end; /* zeros long enough, data begins */
		}
		end += n;
		if (!*zero && zeros >= LEAST)
			return end - zeros;
	}
	return end;
}

static int copy_piece(struct job *job, uint8_t *buf, uint64_t offset, size_t length,
		      struct xd_error *err)
{
	int r = job->from->read(job->from, buf, length, offset, err);

	for (size_t at = 0, end; !r && at < length; at = end) {
		bool zero;

		end = stretch(buf, at, length, &zero);
		if (!zero)
			r = job->to->write(job->to, buf + at, end - at, offset + at, err);
	}
	return r;
}

static int copy_chunk(struct job *job, uint8_t *buf, uint64_t offset, uint64_t end,
		      struct xd_error *err)
{
	int r = 0;

	while (!r && offset < end) {
		uint64_t length = end - offset;
		bool zero;

		r = job->from->extent(job->from, offset, &length, &zero, err);
		for (uint64_t at = 0, n; !r && !zero && at < length; at += n) {
			n = xd_min(PIECE - (offset + at) % PIECE, length - at);
			r = copy_piece(job, buf, offset + at, n, err);
		}
		offset += length;
	}
	return r;
}

static void fail(struct job *job, int r, const struct xd_error *err)
{
	pthread_mutex_lock(&job->lock);
	if (!job->result) {
		job->result = r;
		job->err = *err;
	}
	pthread_mutex_unlock(&job->lock);
	job->stop = true;
}

static int report(struct job *job, uint64_t bytes, struct xd_error *err)
{
	uint64_t done = atomic_fetch_add(&job->done, bytes) + bytes;

	return job->progress->fn(job->progress->ctx, done, job->from->size)
		   ? xd_fail(err, XD_E_CANCELLED, XD_NO_OFFSET, "stopped")
		   : 0;
}

static void *work(void *ctx)
{
	struct job *job = ctx;
	uint64_t size = job->from->size;
	struct xd_error err;
	uint8_t *buf = aligned_buffer(PIECE);
	int r = buf ? 0 : xd_fail(&err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");

	while (!r && !job->stop) {
		uint64_t offset = atomic_fetch_add(&job->next, CHUNK),
			 end = xd_min(offset + CHUNK, size);

		if (offset >= size)
			break;
		r = copy_chunk(job, buf, offset, end, &err);
		if (!r)
			r = report(job, end - offset, &err);
	}
	if (r)
		fail(job, r, &err);
	free(buf);
	return NULL;
}

int copy_disk(struct source *from, struct sink *to, unsigned workers,
	      const struct xd_progress *progress, struct xd_error *err)
{
	struct job job = {.from = from, .to = to, .progress = progress};
	pthread_t threads[MOST_WORKERS];
	unsigned n = 0;

	if (!from->parallel || !to->parallel || workers < 1)
		workers = 1;
	pthread_mutex_init(&job.lock, NULL);
	while (n + 1 < xd_min(workers, MOST_WORKERS) &&
	       !pthread_create(&threads[n], NULL, work, &job))
		n++;
	work(&job);
	while (n)
		pthread_join(threads[--n], NULL);
	pthread_mutex_destroy(&job.lock);
	if (!job.result)
		return to->finish(to, err);
	*err = job.err;
	return job.result;
}
