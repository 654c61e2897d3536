/* SPDX-License-Identifier: MIT */
/* A store in memory, in pages: only those that were written to take space, up to a bound. A length alone costs nothing. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "disk/driver.h"

#define PAGE  (64u << 10)
#define PAGES 16384u /* 1 GiB */

struct memory {
	pthread_rwlock_t lock;
	uint64_t size;
	uint8_t *pages[PAGES]; /* NULL: zeros. Past `size` all is zero. */
};

/* For each piece of the range that lies in one page: at, in the range, and n bytes. */
#define EACH_PIECE(offset, length, at, n) \
	for (uint64_t at = 0, n;          \
	     at < (length) && (n = xd_min((length)-at, PAGE - ((offset) + at) % PAGE)); at += n)

static int memory_pread(void *ctx, void *buf, size_t length, uint64_t offset)
{
	struct memory *m = ctx;

	pthread_rwlock_rdlock(&m->lock);
	EACH_PIECE(offset, length, at, n)
	{
		uint64_t page = (offset + at) / PAGE;

		if (page < PAGES && m->pages[page])
			memcpy((char *)buf + at, m->pages[page] + (offset + at) % PAGE, n);
		else
			memset((char *)buf + at, 0, n);
	}
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static int write_pages(struct memory *m, const void *buf, size_t length, uint64_t offset)
{
	EACH_PIECE(offset, length, at, n)
	{
		uint64_t page = (offset + at) / PAGE;

		if (!m->pages[page] && !(m->pages[page] = calloc(1, PAGE)))
			return -ENOMEM;
		memcpy(m->pages[page] + (offset + at) % PAGE, (const char *)buf + at, n);
	}
	return 0;
}

static int memory_pwrite(void *ctx, const void *buf, size_t length, uint64_t offset)
{
	struct memory *m = ctx;
	uint64_t end = offset + length;
	int r;

	if (end < offset || end > (uint64_t)PAGES * PAGE)
		return -ENOSPC;
	pthread_rwlock_wrlock(&m->lock);
	r = write_pages(m, buf, length, offset);
	if (!r && end > m->size)
		m->size = end;
	pthread_rwlock_unlock(&m->lock);
	return r;
}

/* Whole pages are given back. Lock held. */
static void clear(struct memory *m, uint64_t offset, uint64_t length)
{
	uint64_t end = (uint64_t)PAGES * PAGE;

	if (offset >= end)
		return;
	length = xd_min(length, end - offset);
	EACH_PIECE(offset, length, at, n)
	{
		uint8_t **page = &m->pages[(offset + at) / PAGE];

		if (n == PAGE) {
			free(*page);
			*page = NULL;
		} else if (*page) {
			memset(*page + (offset + at) % PAGE, 0, n);
		}
	}
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
	if (size < m->size)
		clear(m, size, m->size - size);
	m->size = size;
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static int memory_punch(void *ctx, uint64_t offset, uint64_t length)
{
	struct memory *m = ctx;

	pthread_rwlock_wrlock(&m->lock);
	clear(m, offset, length);
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static bool is_hole(const struct memory *m, uint64_t offset)
{
	return offset / PAGE >= PAGES || !m->pages[offset / PAGE];
}

static int memory_extent(void *ctx, uint64_t offset, uint64_t *length, bool *hole)
{
	struct memory *m = ctx;
	uint64_t end = offset + *length, at = (offset / PAGE + 1) * PAGE;

	pthread_rwlock_rdlock(&m->lock);
	*hole = is_hole(m, offset);
	while (at < end && at / PAGE < PAGES && is_hole(m, at) == *hole)
		at += PAGE;
	if (at / PAGE >= PAGES && *hole)
		at = end; /* nothing is up there */
	pthread_rwlock_unlock(&m->lock);
	*length = xd_min(at, end) - offset;
	return 0;
}

static void memory_close(void *ctx)
{
	struct memory *m = ctx;

	pthread_rwlock_destroy(&m->lock);
	for (size_t i = 0; i < PAGES; i++)
		free(m->pages[i]);
	free(m);
}

static const struct xd_io_ops memory_ops = {
    .pread = memory_pread,
    .pwrite = memory_pwrite,
    .flush = memory_flush,
    .size = memory_size,
    .truncate = memory_truncate,
    .punch = memory_punch,
    .extent = memory_extent,
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
