/* SPDX-License-Identifier: MIT */
/* Where a copy comes from and goes to, when that is an image of ours, or a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/copy.h"
#include "disk/driver.h"

#define PIECE (2u << 20)

static int image_extent(struct source *s, uint64_t offset, uint64_t *length, bool *zero,
			struct xd_error *err)
{
	struct xd_run run;
	size_t count = 1;
	int r = xd_map(s->image, offset, *length, XD_MAP_HOLES, &run, &count, err);

	if (r)
		return r;
	*length = run.length;
	*zero = run.kind != XD_KIND_DATA;
	return 0;
}

static int image_read(struct source *s, void *buf, size_t length, uint64_t offset,
		      struct xd_error *err)
{
	return xd_read(s->image, buf, length, offset, err);
}

static void source_close(struct source *s)
{
	xd_close(s->image, NULL);
}

int source_open_image(struct source *s, const char *path, const char *name, enum xd_format format)
{
	const struct xd_open how = {.path = path, .format = format};
	struct xd_error err;
	struct xd_info info;

	*s = (struct source){
	    .parallel = true, .extent = image_extent, .read = image_read, .close = source_close};
	if (xd_open_with(&how, &s->image, &err))
		return img_fail(name, &err);
	xd_get_info(s->image, &info);
	s->size = info.virtual_size;
	s->logical_sector = info.logical_sector;
	return CLI_OK;
}

/* A last piece that is no whole sector, out of a raw source, is filled up with zeros: the disk is as long as whole sectors. */
static int image_write(struct sink *s, const void *buf, size_t length, uint64_t offset,
		       struct xd_error *err)
{
	size_t whole = length / XD_SECTOR * XD_SECTOR, rest = length - whole;
	uint8_t last[XD_SECTOR] = {0};
	int r;

	if (!rest || offset + length == xd_get_size(s->image))
		return xd_write(s->image, buf, length, offset, err);
	memcpy(last, (const char *)buf + whole, rest);
	r = whole ? xd_write(s->image, buf, whole, offset, err) : 0;
	return r ? r : xd_write(s->image, last, sizeof(last), offset + whole, err);
}

static int image_finish(struct sink *s, struct xd_error *err)
{
	struct xd_image *image = s->image;
	int r = xd_flush(image, err), closed;

	s->image = NULL;
	closed = xd_close(image, r ? NULL : err);
	return r ? r : closed;
}

static void sink_close(struct sink *s)
{
	xd_close(s->image, NULL);
}

int sink_open_image(struct sink *s, const char *path, enum xd_format format)
{
	*s = (struct sink){
	    .parallel = true, .write = image_write, .finish = image_finish, .close = sink_close};
	s->image = img_open(path, format, XD_OPEN_WRITE | XD_OPEN_NO_BARRIER | XD_OPEN_DIRECT);
	return s->image ? CLI_OK : CLI_FAILED;
}

/* --- a pipe ------------------------------------------------------------------------------------------------------------- */

/* Until there is something, or somebody says stop: a read that waits would not notice. */
static bool wait_for(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	while (!cli_stopped() && poll(&poll_fd, 1, 200) == 0)
		;
	return !cli_stopped();
}

/* Fills buf as far as the pipe goes; returns the bytes or a negative code. */
static ssize_t fill(int fd, uint8_t *buf, size_t length, struct xd_error *err)
{
	size_t have = 0;

	while (have < length) {
		ssize_t n;

		if (!wait_for(fd))
			return xd_fail(err, XD_E_CANCELLED, XD_NO_OFFSET, "stopped");
		n = read(fd, buf + have, length - have);
		if (n < 0 && errno != EINTR)
			return xd_fail_io(err, -errno, XD_NO_OFFSET, "standard input");
		if (n == 0)
			break;
		have += n > 0 ? n : 0;
	}
	return have;
}

static int make_room(struct xd_image *to, uint64_t end, struct xd_error *err)
{
	uint64_t size = xd_get_size(to);

	return end <= size ? 0 : xd_resize(to, 2 * size > end ? 2 * size : end, 0, err);
}

static int pump(int fd, struct xd_image *to, uint8_t *buf, struct xd_error *err)
{
	uint64_t at = 0;
	ssize_t n;
	int r = 0;

	while (!r && (n = fill(fd, buf, PIECE, err)) > 0) {
		memset(buf + n, 0, PIECE - n);
		n = xd_align_up(n, XD_SECTOR);
		r = make_room(to, at + n, err);
		if (!r && !xd_is_zero(buf, n))
			r = xd_write(to, buf, n, at, err);
		at += n;
	}
	if (r || n < 0)
		return r ? r : n;
	if (!at)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "standard input is empty");
	return xd_resize(to, at, XD_RESIZE_SHRINK, err);
}

int copy_pipe(int fd, struct xd_image *to, struct xd_error *err)
{
	uint8_t *buf = malloc(PIECE);
	int r =
	    buf ? pump(fd, to, buf, err) : xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");

	free(buf);
	return r;
}

/* --- temporary files ----------------------------------------------------------------------------------------------------- */

int nameless_file(struct xd_error *err)
{
	const char *folder = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char path[XD_PATH_MAX];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/xenolith.XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return xd_fail_io(err, -errno, XD_NO_OFFSET, folder);
	unlink(path);
	return fd;
}

/* --- a pipe that holds an image ----------------------------------------------------------------------------------------- */

/* A full disk takes a part, and only then says why not more. */
static int put_all(int out, const uint8_t *buf, size_t length, uint64_t at, struct xd_error *err)
{
	while (length) {
		ssize_t n = pwrite(out, buf, length, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return xd_fail_io(err, n ? -errno : -ENOSPC, XD_NO_OFFSET,
					  "the temporary file (in TMPDIR)");
		buf += n;
		at += n;
		length -= n;
	}
	return 0;
}

/* A file without a name, sparse where the pipe has zeros. */
static int spool_into(int out, uint8_t *buf, struct xd_error *err)
{
	uint64_t at = 0;
	ssize_t n;
	int r;

	while ((n = fill(STDIN_FILENO, buf, PIECE, err)) > 0) {
		if (!xd_is_zero(buf, n) && (r = put_all(out, buf, n, at, err)))
			return r;
		at += n;
	}
	if (n < 0)
		return n;
	return ftruncate(out, at) ? xd_fail_io(err, -errno, XD_NO_OFFSET, "the temporary file") : 0;
}

int spool_pipe(struct xd_error *err)
{
	uint8_t *buf = malloc(PIECE);
	int fd = nameless_file(err), r;

	r = !buf     ? xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory")
	    : fd < 0 ? fd
		     : spool_into(fd, buf, err);
	free(buf);
	if (r && fd >= 0)
		close(fd);
	return r ? r : fd;
}
