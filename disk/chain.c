/* SPDX-License-Identifier: MIT */
/* Moving data between the layers of a chain: merge and rebase. */
#include <stdlib.h>
#include <string.h>

#include "disk/driver.h"

#define CHUNK (2u << 20)

static int report(const struct xd_progress *progress, uint64_t done, uint64_t total,
		  struct xd_error *err)
{
	if (progress && progress->fn && progress->fn(progress->ctx, done, total))
		return xd_fail(err, XD_E_CANCELLED, XD_NO_OFFSET, "stopped at %llu of %llu bytes",
			       (unsigned long long)done, (unsigned long long)total);
	return 0;
}

/* --- merge -------------------------------------------------------------------------------------------------------------- */

static int merge_data(struct xd_image *child, const struct xd_run *run, void *buf,
		      struct xd_error *err)
{
	int r = 0;

	for (uint64_t at = 0; !r && at < run->length;) {
		uint64_t n = xd_min(CHUNK, run->length - at);

		r = xd_read(child, buf, n, run->offset + at, err);
		if (!r)
			r = xd_is_zero(buf, n)
				? xd_zero(child->parent, run->offset + at, n, err)
				: xd_write(child->parent, buf, n, run->offset + at, err);
		at += n;
	}
	return r;
}

static int merge_run(struct xd_image *child, const struct xd_run *run, void *buf,
		     struct xd_error *err)
{
	switch (run->kind) {
	case XD_KIND_PARENT: return 0;
	case XD_KIND_DATA: return merge_data(child, run, buf, err);
	default: return xd_zero(child->parent, run->offset, run->length, err);
	}
}

static int merge_all(struct xd_image *child, const struct xd_progress *progress, void *buf,
		     struct xd_error *err)
{
	uint64_t size = child->virtual_size;
	int r = 0;

	for (uint64_t at = 0; !r && at < size;) {
		struct xd_run run;
		size_t n = 1;

		r = xd_map(child, at, xd_min(size - at, 64 * CHUNK), XD_MAP_SHALLOW | XD_MAP_HOLES,
			   &run, &n, err);
		if (!r)
			r = merge_run(child, &run, buf, err);
		at += r ? 0 : run.length;
		if (!r)
			r = report(progress, at, size, err);
	}
	return r ? r : xd_flush(child->parent, err);
}

int xd_merge(struct xd_image *child, const struct xd_progress *progress, struct xd_error *err)
{
	struct xd_error unused;
	void *buf;
	int r = 0;

	err = err ? err : &unused;
	if (!child->parent || !(child->parent->flags & XD_OPEN_WRITE))
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "no parent that is open for writing");
	if (child->parent->virtual_size < child->virtual_size)
		r = xd_resize(child->parent, child->virtual_size, 0, err);
	if (r)
		return r;
	buf = malloc(CHUNK);
	if (!buf)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	r = merge_all(child, progress, buf, err);
	free(buf);
	return r;
}

/* --- rebase ------------------------------------------------------------------------------------------------------------- */

/* Reads what `parent` (may be NULL, may be shorter) shows under a child. */
static int read_under(struct xd_image *parent, void *buf, uint64_t length, uint64_t offset,
		      struct xd_error *err)
{
	uint64_t size = parent ? xd_get_size(parent) : 0;
	uint64_t have = offset < size ? xd_min(length, size - offset) : 0;

	memset((char *)buf + have, 0, length - have);
	return have ? xd_read(parent, buf, have, offset, err) : 0;
}

/* Writes into the child those sectors of the run in which the two parents differ. */
static int copy_differences(struct xd_image *image, struct xd_image *parent, uint64_t offset,
			    uint64_t length, uint8_t *old, uint8_t *new, struct xd_error *err)
{
	uint32_t unit = image->logical_sector;
	int r;

	if ((r = read_under(image->parent, old, length, offset, err)) ||
	    (r = read_under(parent, new, length, offset, err)))
		return r;
	for (uint64_t at = 0; !r && at < length;) {
		uint64_t end = at;

		while (end < length && memcmp(old + end, new + end, xd_min(unit, length - end)))
			end += xd_min(unit, length - end);
		if (end > at)
			r = xd_write(image, old + at, end - at, offset + at, err);
		at = end + unit;
	}
	return r;
}

static int rebase_all(struct xd_image *image, struct xd_image *parent,
		      const struct xd_progress *progress, uint8_t *buf, struct xd_error *err)
{
	uint64_t size = image->virtual_size;
	int r = 0;

	for (uint64_t at = 0; !r && at < size;) {
		struct xd_run run;
		size_t n = 1;

		r = xd_map(image, at, xd_min(size - at, CHUNK), XD_MAP_SHALLOW, &run, &n, err);
		if (!r && run.kind == XD_KIND_PARENT)
			r = copy_differences(image, parent, at, run.length, buf, buf + CHUNK, err);
		at += r ? 0 : run.length;
		if (!r)
			r = report(progress, at, size, err);
	}
	return r ? r : xd_flush(image, err);
}

int xd_rebase(struct xd_image *image, struct xd_image *parent, const char *path,
	      const struct xd_progress *progress, struct xd_error *err)
{
	struct xd_error unused;
	uint8_t *buf;
	int r;

	err = err ? err : &unused;
	if (image->type != XD_TYPE_DIFF)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "not a differencing image");
	if (!image->parent)
		return xd_fail(
		    err, XD_E_PARENT, XD_NO_OFFSET,
		    "what the disk holds is the parent's too, and the parent is not open");
	buf = malloc(2 * CHUNK);
	if (!buf)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	r = rebase_all(image, parent, progress, buf, err);
	free(buf);
	if (!r && parent)
		r = xd_set_parent(image, parent, path, err);
	return r;
}
