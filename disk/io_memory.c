/* SPDX-License-Identifier: MIT */
/* A store in memory. Only what was written takes space, up to a bound: a length alone costs nothing. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "disk/driver.h"

#define MEMORY_MAX (1ull << 30)

struct memory {
	pthread_rwlock_t lock;
	uint8_t *data;
	uint64_t filled; /* bytes of data; what is past them reads as zero */
	uint64_t capacity;
	uint64_t size;
};

static int memory_pread(void *ctx, void *buf, size_t length, uint64_t offset)
{
	struct memory *m = ctx;
	uint64_t end, have;

	pthread_rwlock_rdlock(&m->lock);
	end = xd_min(m->filled, m->size);
	have = offset < end ? xd_min(length, end - offset) : 0;
	if (have)
		memcpy(buf, m->data + offset, have);
	pthread_rwlock_unlock(&m->lock);
	memset((char *)buf + have, 0, length - have);
	return 0;
}

/* Makes data reach to `end`. */
static int fill_to(struct memory *m, uint64_t end)
{
	if (end > MEMORY_MAX)
		return -ENOSPC;
	if (end > m->capacity) {
		uint64_t capacity = xd_min(MEMORY_MAX, xd_align_up(end + end / 2, 65536));
		uint8_t *data = realloc(m->data, capacity);

		if (!data)
			return -ENOMEM;
		m->data = data;
		m->capacity = capacity;
	}
	if (end > m->filled) {
		memset(m->data + m->filled, 0, end - m->filled);
		m->filled = end;
	}
	return 0;
}

static int memory_pwrite(void *ctx, const void *buf, size_t length, uint64_t offset)
{
	struct memory *m = ctx;
	uint64_t end = offset + length;
	int r;

	if (end < offset)
		return -EFBIG;
	pthread_rwlock_wrlock(&m->lock);
	r = fill_to(m, end);
	if (!r && length)
		memcpy(m->data + offset, buf, length);
	if (!r && end > m->size)
		m->size = end;
	pthread_rwlock_unlock(&m->lock);
	return r;
}

static int memory_flush(void *ctx)
{
	(void)ctx;
	return 0;
}

static int64_t memory_size(void *ctx)
{
	struct memory *m = ctx;
	int64_t size;

	pthread_rwlock_rdlock(&m->lock);
	size = m->size;
	pthread_rwlock_unlock(&m->lock);
	return size;
}

static int memory_truncate(void *ctx, uint64_t size)
{
	struct memory *m = ctx;

	if (size > INT64_MAX)
		return -EFBIG;
	pthread_rwlock_wrlock(&m->lock);
	m->filled = xd_min(m->filled, size);
	m->size = size;
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static int memory_punch(void *ctx, uint64_t offset, uint64_t length)
{
	struct memory *m = ctx;

	pthread_rwlock_wrlock(&m->lock);
	if (offset < m->filled)
		memset(m->data + offset, 0, xd_min(length, m->filled - offset));
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static void memory_close(void *ctx)
{
	struct memory *m = ctx;

	pthread_rwlock_destroy(&m->lock);
	free(m->data);
	free(m);
}

static const struct xd_io_ops memory_ops = {
    .pread = memory_pread,
    .pwrite = memory_pwrite,
    .flush = memory_flush,
    .size = memory_size,
    .truncate = memory_truncate,
    .punch = memory_punch,
    .close = memory_close,
};

int xd_io_open_memory(struct xd_io *io, struct xd_error *err)
{
	struct xd_error unused;
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return xd_fail(err ? err : &unused, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	pthread_rwlock_init(&m->lock, NULL);
	*io = (struct xd_io){&memory_ops, m};
	return 0;
}
