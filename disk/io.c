/* SPDX-License-Identifier: MIT */
/* Calls on a store, and slices of a caller's vector. */
#include <errno.h>
#include <string.h>

#include "disk/driver.h"

#define ZEROS (64u << 10)
#define VECS  64

int xd_io_read(const struct xd_io *io, void *buf, size_t length, uint64_t offset,
	       struct xd_error *err)
{
	int r = io->ops->pread(io->ctx, buf, length, offset);

	return r < 0 ? xd_fail_io(err, r, offset, "reading") : 0;
}

int xd_io_write(const struct xd_io *io, const void *buf, size_t length, uint64_t offset,
		struct xd_error *err)
{
	int r = io->ops->pwrite(io->ctx, buf, length, offset);

	return r < 0 ? xd_fail_io(err, r, offset, "writing") : 0;
}

/* Cuts the slice's first pieces into vec; returns how many, and their bytes in *bytes. */
static int cut(const struct xd_slice *slice, size_t at, struct iovec *vec, size_t *bytes)
{
	size_t skip = slice->skip + at, left = slice->length - at;
	int n = 0;

	*bytes = 0;
	for (int i = 0; i < slice->iovcnt && left && n < VECS; i++) {
		size_t len = slice->iov[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		len = xd_min(len - skip, left);
		vec[n++] = (struct iovec){(char *)slice->iov[i].iov_base + skip, len};
		skip = 0;
		left -= len;
		*bytes += len;
	}
	return n;
}

static int move_vec(const struct xd_io *io, bool write, const struct iovec *vec, int n,
		    uint64_t offset)
{
	const struct xd_io_ops *ops = io->ops;

	if (n > 1 && (write ? ops->pwritev : ops->preadv))
		return (write ? ops->pwritev : ops->preadv)(io->ctx, vec, n, offset);
	for (int i = 0; i < n; i++) {
		int r = write ? ops->pwrite(io->ctx, vec[i].iov_base, vec[i].iov_len, offset)
			      : ops->pread(io->ctx, vec[i].iov_base, vec[i].iov_len, offset);
		if (r < 0)
			return r;
		offset += vec[i].iov_len;
	}
	return 0;
}

static int move_slice(const struct xd_io *io, bool write, const struct xd_slice *slice,
		      uint64_t offset, struct xd_error *err)
{
	struct iovec vec[VECS];
	size_t bytes;

	for (size_t at = 0; at < slice->length; at += bytes) {
		int n = cut(slice, at, vec, &bytes);
		int r = move_vec(io, write, vec, n, offset + at);

		if (r < 0)
			return xd_fail_io(err, r, offset + at, write ? "writing" : "reading");
	}
	return 0;
}

int xd_io_read_slice(const struct xd_io *io, const struct xd_slice *slice, uint64_t offset,
		     struct xd_error *err)
{
	return move_slice(io, false, slice, offset, err);
}

int xd_io_write_slice(const struct xd_io *io, const struct xd_slice *slice, uint64_t offset,
		      struct xd_error *err)
{
	return move_slice(io, true, slice, offset, err);
}

int xd_io_flush(const struct xd_io *io, struct xd_error *err)
{
	int r = io->ops->flush(io->ctx);

	return r < 0 ? xd_fail_io(err, r, XD_NO_OFFSET, "flushing") : 0;
}

int xd_io_size(const struct xd_io *io, uint64_t *size, struct xd_error *err)
{
	int64_t r = io->ops->size(io->ctx);

	if (r < 0)
		return xd_fail_io(err, r, XD_NO_OFFSET, "asking for the size");
	*size = r;
	return 0;
}

int xd_io_truncate(const struct xd_io *io, uint64_t size, struct xd_error *err)
{
	int r = io->ops->truncate(io->ctx, size);

	return r < 0 ? xd_fail_io(err, r, size, "setting the length") : 0;
}

static int write_zeros(const struct xd_io *io, uint64_t offset, uint64_t length,
		       struct xd_error *err)
{
	static const uint8_t zeros[ZEROS];
	int r = 0;

	for (uint64_t n; !r && length; offset += n, length -= n) {
		n = xd_min(length, ZEROS);
		r = xd_io_write(io, zeros, n, offset, err);
	}
	return r;
}

int xd_io_zero(const struct xd_io *io, uint64_t offset, uint64_t length, struct xd_error *err)
{
	int r = io->ops->punch ? io->ops->punch(io->ctx, offset, length) : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		return write_zeros(io, offset, length, err);
	return r < 0 ? xd_fail_io(err, r, offset, "punching a hole") : 0;
}

int xd_io_discard(const struct xd_io *io, uint64_t offset, uint64_t length, struct xd_error *err)
{
	int r = io->ops->punch ? io->ops->punch(io->ctx, offset, length) : -EOPNOTSUPP;

	return r < 0 && r != -EOPNOTSUPP ? xd_fail_io(err, r, offset, "punching a hole") : 0;
}

void xd_io_extent(const struct xd_io *io, uint64_t offset, uint64_t *length, bool *hole)
{
	uint64_t asked = *length;

	*hole = false;
	/* A store that cannot tell, or tells nonsense, is all data. */
	if (io->ops->extent &&
	    (io->ops->extent(io->ctx, offset, length, hole) < 0 || !*length || *length > asked)) {
		*length = asked;
		*hole = false;
	}
}

struct xd_slice xd_slice_part(const struct xd_slice *slice, size_t at, size_t length)
{
	return (struct xd_slice){slice->iov, slice->iovcnt, slice->skip + at, length};
}

void xd_slice_zero(const struct xd_slice *slice)
{
	struct iovec vec[VECS];
	size_t bytes;

	for (size_t at = 0; at < slice->length; at += bytes) {
		int n = cut(slice, at, vec, &bytes);

		for (int i = 0; i < n; i++)
			memset(vec[i].iov_base, 0, vec[i].iov_len);
	}
}

bool xd_is_zero(const void *buf, size_t length)
{
	const uint8_t *p = buf;

	if (length < 16) {
		while (length && !*p)
			p++, length--;
		return !length;
	}
	/* The first 16 bytes by eye; from there on each byte must equal the one 16 before it. memcmp is the vector loop. */
	for (int i = 0; i < 16; i++)
		if (p[i])
			return false;
	return !memcmp(p, p + 16, length - 16);
}
