/* SPDX-License-Identifier: MIT */
/*
 * Writing an image file from its first byte to its last without going back. The library first lays the image out in a sparse
 * temporary file: the structures, and one sector of each block that will have data. Then the file is sent, with the data taken
 * from the source.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/copy.h"
#include "disk/driver.h"

#define PIECE (1u << 20)

struct stretch {
	uint64_t at, length, offset; /* in the file, and on the disk */
};

struct stream {
	struct source *from;
	struct xd_image *plan;
	int plan_fd, out;
	const struct xd_progress *progress;
	uint8_t *buf;         /* PIECE bytes */
	struct stretch *data; /* in file order */
	size_t count, room;
	uint64_t file_size;
};

/* --- the plan ----------------------------------------------------------------------------------------------------------- */

/* Writes one sector into each block that the stretch touches, so that the block gets its place. The plan has whole sectors only. */
static int touch(struct stream *s, uint64_t offset, uint64_t length, uint32_t block,
		 struct xd_error *err)
{
	uint8_t sector[4096];
	int r = 0;

	memset(sector, 1, sizeof(sector));
	for (uint64_t at = offset / block * block; !r && at < offset + length; at += block)
		r = xd_write(s->plan, sector, s->from->logical_sector, at, err);
	return r;
}

static int lay_out(struct stream *s, uint32_t block, struct xd_error *err)
{
	int r = 0;

	for (uint64_t at = 0; !r && at < s->from->size;) {
		uint64_t length = s->from->size - at;
		bool zero;

		r = s->from->extent(s->from, at, &length, &zero, err);
		if (!r && !zero)
			r = touch(s, at, length, block, err);
		at += length;
	}
	return r;
}

static int note(struct stream *s, const struct xd_run *run, struct xd_error *err)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 256;
		struct stretch *data = realloc(s->data, room * sizeof(*data));

		if (!data)
			return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
		s->data = data;
		s->room = room;
	}
	s->data[s->count++] = (struct stretch){run->file_offset, run->length, run->offset};
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static int read_plan(struct stream *s, struct xd_error *err)
{
	uint64_t size = xd_get_size(s->plan);
	int r = 0;

	for (uint64_t at = 0; !r && at < size;) {
		struct xd_run run;
		size_t count = 1;

		r = xd_map(s->plan, at, size - at, 0, &run, &count, err);
		if (!r && run.kind == XD_KIND_DATA)
			r = note(s, &run, err);
		at += r ? 0 : run.length;
	}
	if (s->count)
		qsort(s->data, s->count, sizeof(*s->data), by_place);
	return r;
}

static int plan(struct stream *s, const struct xd_create *asked, struct xd_error *err)
{
	struct xd_create how = *asked;
	struct xd_info info;
	char path[32];
	int r;

	s->plan_fd = nameless_file(err);
	if (s->plan_fd < 0)
		return s->plan_fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->plan_fd);
	how.path = path;
	how.flags |= XD_CREATE_OVERWRITE;
	if ((r = xd_create(&how, err)) ||
	    (r = xd_open_with(&(struct xd_open){.path = path,
						.format = how.format,
						.flags = XD_OPEN_WRITE | XD_OPEN_NO_BARRIER},
			      &s->plan, err)))
		return r;
	xd_get_info(s->plan, &info);
	if (info.type != XD_TYPE_FIXED && (r = lay_out(s, info.block_size, err)))
		return r;
	if ((r = read_plan(s, err)))
		return r;
	r = xd_close(s->plan, err);
	s->plan = NULL;
	s->file_size = lseek(s->plan_fd, 0, SEEK_END);
	return r;
}

/* --- sending ------------------------------------------------------------------------------------------------------------ */

static int put(struct stream *s, const void *buf, size_t length, struct xd_error *err)
{
	for (const char *p = buf; length;) {
		ssize_t n = write(s->out, p, length);

		if (n < 0 && errno != EINTR)
			return xd_fail_io(err, -errno, XD_NO_OFFSET, "standard output");
		p += n > 0 ? n : 0;
		length -= n > 0 ? n : 0;
	}
	return 0;
}

static int put_structures(struct stream *s, uint64_t at, uint64_t end, struct xd_error *err)
{
	int r = 0;

	while (!r && at < end) {
		ssize_t n = pread(s->plan_fd, s->buf, xd_min(PIECE, end - at), at);

		if (n <= 0)
			return xd_fail_io(err, n ? -errno : -EIO, at, "the temporary file");
		r = put(s, s->buf, n, err);
		at += n;
	}
	return r;
}

/* The plan's disk may be a little longer than the source: whole sectors, or a profile's whole MiB. */
static int put_data(struct stream *s, const struct stretch *d, struct xd_error *err)
{
	int r = 0;

	for (uint64_t at = 0, n; !r && at < d->length; at += n) {
		uint64_t offset = d->offset + at, have;

		n = xd_min(PIECE, d->length - at);
		have = offset < s->from->size ? xd_min(n, s->from->size - offset) : 0;
		memset(s->buf + have, 0, n - have);
		r = have ? s->from->read(s->from, s->buf, have, offset, err) : 0;
		if (!r)
			r = put(s, s->buf, n, err);
	}
	return r;
}

static int send_all(struct stream *s, struct xd_error *err)
{
	uint64_t at = 0;
	int r = 0;

	for (size_t i = 0; !r && i < s->count; i++) {
		r = put_structures(s, at, s->data[i].at, err);
		if (!r)
			r = put_data(s, &s->data[i], err);
		at = s->data[i].at + s->data[i].length;
		if (!r && s->progress->fn(s->progress->ctx, at, s->file_size))
			r = xd_fail(err, XD_E_CANCELLED, XD_NO_OFFSET, "stopped");
	}
	return r ? r : put_structures(s, at, s->file_size, err);
}

int stream_image(struct source *from, const struct xd_create *how, int fd,
		 const struct xd_progress *progress, struct xd_error *err)
{
	struct stream s = {
	    .from = from, .plan_fd = -1, .out = fd, .progress = progress, .buf = malloc(PIECE)};
	int r =
	    s.buf ? plan(&s, how, err) : xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");

	if (!r)
		r = send_all(&s, err);
	xd_close(s.plan, NULL);
	if (s.plan_fd >= 0)
		close(s.plan_fd);
	free(s.data);
	free(s.buf);
	return r;
}
