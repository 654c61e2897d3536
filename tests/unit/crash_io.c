/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/crash_io.h"

#define SECTOR 512u

enum kind { WRITE, ZERO, LENGTH, FLUSH };

struct event {
	enum kind kind;
	uint64_t offset, length;
	uint8_t *data; /* WRITE */
};

struct crash_log {
	pthread_mutex_t lock;
	struct xd_io now;    /* what the library sees */
	struct xd_io stable; /* as of crash_start */
	struct event *events;
	size_t count, room;
};

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static void fine(int r)
{
	if (r < 0)
		abort();
}

/* --- recording ---------------------------------------------------------------------------------------------------------- */

static void record(struct crash_log *log, struct event event)
{
	if (log->count == log->room) {
		log->room = log->room ? 2 * log->room : 64;
		log->events = need(realloc(log->events, log->room * sizeof(*log->events)));
	}
	log->events[log->count++] = event;
}

static int log_pread(void *ctx, void *buf, size_t length, uint64_t offset)
{
	struct crash_log *log = ctx;

	return log->now.ops->pread(log->now.ctx, buf, length, offset);
}

static int log_pwrite(void *ctx, const void *buf, size_t length, uint64_t offset)
{
	struct crash_log *log = ctx;
	struct event event = {WRITE, offset, length, need(malloc(length + 1))};
	int r;

	memcpy(event.data, buf, length);
	pthread_mutex_lock(&log->lock);
	record(log, event);
	r = log->now.ops->pwrite(log->now.ctx, buf, length, offset);
	pthread_mutex_unlock(&log->lock);
	return r;
}

static int log_flush(void *ctx)
{
	struct crash_log *log = ctx;

	pthread_mutex_lock(&log->lock);
	record(log, (struct event){.kind = FLUSH});
	pthread_mutex_unlock(&log->lock);
	return 0;
}

static int64_t log_size(void *ctx)
{
	struct crash_log *log = ctx;

	return log->now.ops->size(log->now.ctx);
}

static int log_truncate(void *ctx, uint64_t size)
{
	struct crash_log *log = ctx;
	int r;

	pthread_mutex_lock(&log->lock);
	record(log, (struct event){.kind = LENGTH, .length = size});
	r = log->now.ops->truncate(log->now.ctx, size);
	pthread_mutex_unlock(&log->lock);
	return r;
}

static int log_punch(void *ctx, uint64_t offset, uint64_t length)
{
	struct crash_log *log = ctx;
	int r;

	pthread_mutex_lock(&log->lock);
	record(log, (struct event){.kind = ZERO, .offset = offset, .length = length});
	r = log->now.ops->punch(log->now.ctx, offset, length);
	pthread_mutex_unlock(&log->lock);
	return r;
}

static void log_close(void *ctx)
{
	(void)ctx; /* the log outlives the image */
}

static const struct xd_io_ops log_ops = {
    .pread = log_pread,
    .pwrite = log_pwrite,
    .flush = log_flush,
    .size = log_size,
    .truncate = log_truncate,
    .punch = log_punch,
    .close = log_close,
};

struct crash_log *crash_io_open(struct xd_io *io)
{
	struct crash_log *log = need(calloc(1, sizeof(*log)));

	pthread_mutex_init(&log->lock, NULL);
	fine(xd_io_open_memory(&log->now, NULL));
	fine(xd_io_open_memory(&log->stable, NULL));
	*io = (struct xd_io){&log_ops, log};
	return log;
}

static void forget(struct crash_log *log)
{
	for (size_t i = 0; i < log->count; i++)
		free(log->events[i].data);
	log->count = 0;
}

void crash_free(struct crash_log *log)
{
	forget(log);
	free(log->events);
	log->now.ops->close(log->now.ctx);
	log->stable.ops->close(log->stable.ctx);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

size_t crash_events(const struct crash_log *log)
{
	return log->count;
}

/* --- replaying ---------------------------------------------------------------------------------------------------------- */

/* Holes stay holes: a replay costs what the image holds. */
static void copy(const struct xd_io *from, const struct xd_io *to)
{
	uint64_t size = from->ops->size(from->ctx), n;
	uint8_t buf[65536];

	fine(to->ops->truncate(to->ctx, 0));
	for (uint64_t at = 0; at < size; at += n) {
		bool hole;

		n = size - at;
		fine(from->ops->extent(from->ctx, at, &n, &hole));
		if (hole)
			continue;
		n = n < sizeof(buf) ? n : sizeof(buf);
		fine(from->ops->pread(from->ctx, buf, n, at));
		fine(to->ops->pwrite(to->ctx, buf, n, at));
	}
	fine(to->ops->truncate(to->ctx, size));
}

void crash_start(struct crash_log *log)
{
	forget(log);
	copy(&log->now, &log->stable);
}

static void apply_range(const struct event *e, uint64_t at, uint64_t n, const struct xd_io *io)
{
	if (e->kind == WRITE)
		fine(io->ops->pwrite(io->ctx, e->data + (at - e->offset), n, at));
	else
		fine(io->ops->punch(io->ctx, at, n));
}

static void apply(const struct event *e, const struct xd_io *io)
{
	if (e->kind == LENGTH)
		fine(io->ops->truncate(io->ctx, e->length));
	else if (e->kind != FLUSH)
		apply_range(e, e->offset, e->length, io);
}

/* Keeps each sector of the event, or the whole of a change of length, with even odds. */
static void apply_some(const struct event *e, const struct xd_io *io, unsigned *random)
{
	if (e->kind == LENGTH || e->kind == FLUSH) {
		if (rand_r(random) & 0x100)
			apply(e, io);
		return;
	}
	for (uint64_t at = e->offset, end = e->offset + e->length, n; at < end; at += n) {
		n = SECTOR - at % SECTOR;
		n = n < end - at ? n : end - at;
		if (rand_r(random) & 0x100)
			apply_range(e, at, n, io);
	}
}

enum keep { KEEP_NONE, KEEP_ALL, KEEP_SOME };

static int one(struct crash_log *log, const struct xd_io *stable, size_t from, size_t cut,
	       enum keep keep, unsigned seed, crash_fn fn, void *ctx)
{
	unsigned random = seed * 2654435761u + cut;
	struct xd_io io;

	fine(xd_io_open_memory(&io, NULL));
	copy(stable, &io);
	for (size_t i = from; i < cut && keep != KEEP_NONE; i++)
		keep == KEEP_ALL ? apply(&log->events[i], &io)
				 : apply_some(&log->events[i], &io, &random);
	return fn(ctx, io, cut, seed);
}

static int cuts(struct crash_log *log, struct xd_io *stable, unsigned seeds, crash_fn fn, void *ctx)
{
	size_t from = 0;
	int r = 0;

	for (size_t cut = 0; !r && cut <= log->count; cut++) {
		if (cut && log->events[cut - 1].kind == FLUSH)
			for (; from < cut; from++)
				apply(&log->events[from], stable);
		r = one(log, stable, from, cut, KEEP_NONE, 0, fn, ctx);
		if (!r)
			r = one(log, stable, from, cut, KEEP_ALL, 1, fn, ctx);
		for (unsigned s = 0; !r && s < seeds; s++)
			r = one(log, stable, from, cut, KEEP_SOME, s + 2, fn, ctx);
	}
	return r;
}

int crash_each(struct crash_log *log, unsigned seeds, crash_fn fn, void *ctx)
{
	struct xd_io stable;
	int r;

	fine(xd_io_open_memory(&stable, NULL));
	copy(&log->stable, &stable);
	r = cuts(log, &stable, seeds, fn, ctx);
	stable.ops->close(stable.ctx);
	return r;
}

/* --- the model ---------------------------------------------------------------------------------------------------------- */

struct version {
	size_t from; /* events there were when the call began */
	uint64_t content;
};

struct sector {
	struct version *versions;
	size_t count;
};

struct crash_model {
	struct crash_log *log;
	struct sector *sectors;
	size_t count;
	size_t *flushes; /* events there were when each flush had returned */
	size_t flush_count;
};

struct crash_model *crash_model_new(struct crash_log *log, size_t sectors)
{
	struct crash_model *m = need(calloc(1, sizeof(*m)));

	m->log = log;
	m->count = sectors;
	m->sectors = need(calloc(sectors, sizeof(*m->sectors)));
	crash_model_base(m, 0, sectors, 0);
	return m;
}

void crash_model_free(struct crash_model *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->sectors[i].versions);
	free(m->sectors);
	free(m->flushes);
	free(m);
}

void crash_model_base(struct crash_model *m, size_t first, size_t count, uint64_t content)
{
	for (size_t i = first; i < first + count; i++) {
		struct sector *s = &m->sectors[i];

		s->versions = need(realloc(s->versions, sizeof(*s->versions)));
		s->versions[0] = (struct version){0, content};
		s->count = 1;
	}
}

void crash_model_write(struct crash_model *m, size_t first, size_t count, uint64_t content)
{
	for (size_t i = first; i < first + count; i++) {
		struct sector *s = &m->sectors[i];

		s->versions = need(realloc(s->versions, (s->count + 1) * sizeof(*s->versions)));
		s->versions[s->count++] = (struct version){crash_events(m->log), content};
	}
}

void crash_model_flushed(struct crash_model *m)
{
	m->flushes = need(realloc(m->flushes, (m->flush_count + 1) * sizeof(*m->flushes)));
	m->flushes[m->flush_count++] = crash_events(m->log);
}

void crash_fill(void *buf, size_t sectors, uint64_t content)
{
	uint64_t *p = buf;

	for (size_t i = 0; i < sectors * SECTOR / 8; i++)
		p[i] = content;
}

/* The last flush that had returned by the cut: what was written before it must be there, or something newer. */
static size_t promised(const struct crash_model *m, size_t cut)
{
	size_t floor = 0;

	for (size_t i = 0; i < m->flush_count && m->flushes[i] <= cut; i++)
		floor = m->flushes[i];
	return floor;
}

static int allowed(const struct crash_model *m, size_t sector, uint64_t content, size_t cut)
{
	const struct sector *s = &m->sectors[sector];
	size_t floor = promised(m, cut);

	for (size_t i = s->count; i-- > 0;) {
		if (s->versions[i].from > cut)
			continue; /* had not begun */
		if (s->versions[i].content == content)
			return 1;
		if (s->versions[i].from < floor)
			return 0; /* the newest promised one, and older ones may not show */
	}
	return 0;
}

/* The number that fills the sector; ~0 where no single one does. */
static uint64_t content_of(const uint8_t *buf)
{
	uint64_t first;

	memcpy(&first, buf, 8);
	return memcmp(buf, buf + 8, SECTOR - 8) ? ~0ull : first;
}

int crash_model_verify(struct crash_model *m, struct xd_image *image, size_t cut)
{
	uint8_t buf[64 * SECTOR];
	struct xd_error err;

	for (size_t i = 0; i < m->count; i++) {
		size_t in = i % 64, n = m->count - i < 64 ? m->count - i : 64;

		if (!in && xd_read(image, buf, n * SECTOR, i * SECTOR, &err)) {
			fprintf(stderr, "cut %zu: reading sector %zu: %s\n", cut, i, err.message);
			return -1;
		}
		if (!allowed(m, i, content_of(buf + in * SECTOR), cut)) {
			fprintf(stderr, "cut %zu: sector %zu shows %llx\n", cut, i,
				(unsigned long long)content_of(buf + in * SECTOR));
			return -1;
		}
	}
	return 0;
}
