/* SPDX-License-Identifier: MIT */
/* Reading, writing and mapping: checks the request, walks the chain, hands each piece to the layer that holds it. */
#include <limits.h>

#include "disk/driver.h"

/* All checks are made with the lock held that the request is then carried out under: the size may change. */

static int check_end(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	uint64_t size = image->virtual_size;

	if (offset <= size && length <= size - offset)
		return 0;
	return xd_fail(
	    err, XD_E_RANGE, XD_NO_OFFSET, "%llu bytes at %llu lie past the end of the disk, %llu",
	    (unsigned long long)length, (unsigned long long)offset, (unsigned long long)size);
}

static int check_range(struct xd_image *image, uint64_t offset, uint64_t length,
		       struct xd_error *err)
{
	int r = check_end(image, offset, length, err);

	if (r)
		return r;
	if (offset % XD_SECTOR || (length % XD_SECTOR && offset + length != image->virtual_size))
		return xd_fail(err, XD_E_RANGE, XD_NO_OFFSET,
			       "%llu bytes at %llu are no whole sectors",
			       (unsigned long long)length, (unsigned long long)offset);
	return 0;
}

/* With the lock held from success on. */
static int begin(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	int r;

	pthread_rwlock_rdlock(&image->quiesce);
	r = check_range(image, offset, length, err);
	if (r)
		pthread_rwlock_unlock(&image->quiesce);
	return r;
}

static int begin_write(struct xd_image *image, uint64_t offset, uint64_t length,
		       struct xd_error *err)
{
	if (!(image->flags & XD_OPEN_WRITE))
		return xd_fail(err, XD_E_READONLY, XD_NO_OFFSET, "opened read-only");
	return begin(image, offset, length, err);
}

static int end(struct xd_image *image, int r)
{
	pthread_rwlock_unlock(&image->quiesce);
	return r;
}

static int no_parent(uint64_t offset, struct xd_error *err)
{
	return xd_fail(err, XD_E_PARENT, XD_NO_OFFSET,
		       "what is at %llu is the parent's, and the parent is not open",
		       (unsigned long long)offset);
}

/* --- mapping ------------------------------------------------------------------------------------------------------------ */

static int map_one(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags,
		   struct xd_run *run, struct xd_error *err);

/* A parent that is shorter than its child reads as zero past its end. */
static int map_parent(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags,
		      struct xd_run *run, struct xd_error *err)
{
	struct xd_image *parent = image->parent;
	uint64_t size = parent ? xd_get_size(parent) : 0;
	int r = 0;

	if (!parent)
		return no_parent(offset, err);
	if (offset >= size) {
		run->kind = XD_KIND_HOLE;
		run->depth = 0;
		run->length = length;
		run->layer = parent;
	} else {
		r = map_one(parent, offset, xd_min(length, size - offset), flags, run, err);
	}
	run->depth++;
	run->flags = 0;
	return r;
}

static int map_one(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags,
		   struct xd_run *run, struct xd_error *err)
{
	bool hole = false;
	int r;

	pthread_rwlock_rdlock(&image->quiesce);
	*run = (struct xd_run){.offset = offset, .length = length, .layer = image};
	r = check_end(image, offset, length, err);
	if (!r)
		r = image->driver->map(image, offset, length, run, err);
	if (!r && run->kind == XD_KIND_PARENT && !(flags & XD_MAP_SHALLOW))
		r = map_parent(image, offset, run->length, flags, run, err);
	else if (!r && run->kind == XD_KIND_DATA && (flags & XD_MAP_HOLES)) {
		xd_io_extent(&image->io, run->file_offset, &run->length, &hole);
		run->kind = hole ? XD_KIND_ZERO : XD_KIND_DATA;
	}
	return end(image, r);
}

/* Whether b goes on where a ends, in every respect. */
static bool continues(const struct xd_run *a, const struct xd_run *b)
{
	return a->kind == b->kind && a->layer == b->layer && a->depth == b->depth &&
	       a->flags == b->flags &&
	       (a->kind != XD_KIND_DATA || a->file_offset + a->length == b->file_offset);
}

int xd_map(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags,
	   struct xd_run *runs, size_t *count, struct xd_error *err)
{
	struct xd_error unused;
	size_t room = *count, n = 0;
	int r;

	err = err ? err : &unused;
	*count = 0;
	if ((r = begin(image, offset, length, err)))
		return r;
	end(image, 0);
	while (length) {
		struct xd_run run;

		if ((r = map_one(image, offset, length, flags, &run, err)))
			return r;
		if (n && continues(&runs[n - 1], &run))
			runs[n - 1].length += run.length;
		else if (n == room)
			break;
		else
			runs[n++] = run;
		offset += run.length;
		length -= run.length;
	}
	*count = n;
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

static int read_layer(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		      struct xd_error *err);

int xd_read_parent(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		   struct xd_error *err)
{
	struct xd_image *parent = image->parent;
	struct xd_slice part;
	uint64_t have, size = parent ? xd_get_size(parent) : 0;

	if (!parent)
		return no_parent(offset, err);
	have = offset < size ? xd_min(slice->length, size - offset) : 0;
	part = xd_slice_part(slice, have, slice->length - have);
	xd_slice_zero(&part);
	part = xd_slice_part(slice, 0, have);
	return have ? read_layer(parent, &part, offset, err) : 0;
}

static int read_run(struct xd_image *image, const struct xd_run *run, const struct xd_slice *part,
		    struct xd_error *err)
{
	switch (run->kind) {
	case XD_KIND_DATA: return xd_io_read_slice(&image->io, part, run->file_offset, err);
	case XD_KIND_PARENT: return xd_read_parent(image, part, run->offset, err);
	default: xd_slice_zero(part); return 0;
	}
}

static int read_locked(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		       struct xd_error *err)
{
	int r = 0;

	for (uint64_t at = 0; !r && at < slice->length;) {
		struct xd_run run = {.offset = offset + at, .length = slice->length - at};

		r = image->driver->map(image, run.offset, run.length, &run, err);
		if (!r) {
			struct xd_slice part = xd_slice_part(slice, at, run.length);

			r = read_run(image, &run, &part, err);
		}
		at += run.length;
	}
	return r;
}

static int read_layer(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		      struct xd_error *err)
{
	int r;

	pthread_rwlock_rdlock(&image->quiesce);
	r = check_end(image, offset, slice->length, err);
	return end(image, r ? r : read_locked(image, slice, offset, err));
}

static int make_slice(const struct iovec *iov, int iovcnt, struct xd_slice *slice,
		      struct xd_error *err)
{
	uint64_t length = 0;

	for (int i = 0; i < iovcnt; i++) {
		length += iov[i].iov_len;
		if (iov[i].iov_len > SSIZE_MAX || length > SSIZE_MAX)
			return xd_fail(err, XD_E_RANGE, XD_NO_OFFSET,
				       "a request of more than SSIZE_MAX bytes");
	}
	*slice = (struct xd_slice){iov, iovcnt, 0, length};
	return 0;
}

int xd_readv(struct xd_image *image, const struct iovec *iov, int iovcnt, uint64_t offset,
	     struct xd_error *err)
{
	struct xd_error unused;
	struct xd_slice slice;
	int r;

	err = err ? err : &unused;
	if ((r = make_slice(iov, iovcnt, &slice, err)) ||
	    (r = begin(image, offset, slice.length, err)))
		return r;
	return end(image, read_locked(image, &slice, offset, err));
}

int xd_read(struct xd_image *image, void *buf, size_t length, uint64_t offset, struct xd_error *err)
{
	struct iovec iov = {buf, length};

	return xd_readv(image, &iov, 1, offset, err);
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

int xd_writev(struct xd_image *image, const struct iovec *iov, int iovcnt, uint64_t offset,
	      struct xd_error *err)
{
	struct xd_error unused;
	struct xd_slice slice;
	int r;

	err = err ? err : &unused;
	if ((r = make_slice(iov, iovcnt, &slice, err)) ||
	    (r = begin_write(image, offset, slice.length, err)))
		return r;
	return end(image, slice.length ? image->driver->writev(image, &slice, offset, err) : 0);
}

int xd_write(struct xd_image *image, const void *buf, size_t length, uint64_t offset,
	     struct xd_error *err)
{
	struct iovec iov = {(void *)buf, length};

	return xd_writev(image, &iov, 1, offset, err);
}

int xd_zero(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	struct xd_error unused;
	int r;

	err = err ? err : &unused;
	if ((r = begin_write(image, offset, length, err)))
		return r;
	return end(image, length ? image->driver->zero(image, offset, length, err) : 0);
}

int xd_discard(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	struct xd_error unused;
	int r;

	err = err ? err : &unused;
	if ((r = begin_write(image, offset, length, err)))
		return r;
	if (length && image->driver->discard)
		r = image->driver->discard(image, offset, length, err);
	return end(image, r);
}

int xd_flush(struct xd_image *image, struct xd_error *err)
{
	struct xd_error unused;
	int r;

	if (!(image->flags & XD_OPEN_WRITE))
		return 0;
	pthread_rwlock_rdlock(&image->quiesce);
	r = image->driver->flush(image, err ? err : &unused);
	return end(image, r);
}

int xd_prepare_write(struct xd_image *image, struct xd_error *err)
{
	struct xd_error unused;
	int r;

	err = err ? err : &unused;
	if ((r = begin_write(image, 0, 0, err)))
		return r;
	if (image->driver->prepare_write)
		r = image->driver->prepare_write(image, err);
	return end(image, r);
}
