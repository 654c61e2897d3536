/* SPDX-License-Identifier: MIT */
/* Opening an image and the chain under it, and closing them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "disk/format.h"

/* The layers being opened, from the one in hand up to the child that the caller asked for. */
struct layer {
	const struct xd_open *how;
	struct xd_image *image;
	struct layer *child;
	unsigned depth;
};

static int open_layer(struct layer *layer, struct xd_error *err);

static void free_image(struct xd_image *image)
{
	pthread_rwlock_destroy(&image->quiesce);
	pthread_mutex_destroy(&image->hold_lock);
	pthread_cond_destroy(&image->hold_gone);
	free(image->path);
	free(image);
}

/* Whoever waits to have the image alone gets it: I/O that never pauses must not keep a resize out for good. */
static void init_locks(struct xd_image *image)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&image->quiesce, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&image->hold_lock, NULL);
	pthread_cond_init(&image->hold_gone, NULL);
}

static struct xd_image *new_image(const struct xd_open *how)
{
	struct xd_image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	init_locks(image);
	image->flags = how->flags;
	image->io = how->io;
	image->logical_sector = image->physical_sector = XD_SECTOR;
	if (how->path && !(image->path = strdup(how->path))) {
		free_image(image);
		return NULL;
	}
	return image;
}

static uint32_t io_flags(uint32_t flags)
{
	uint32_t io = 0;

	io |= flags & XD_OPEN_WRITE ? XD_IO_WRITE : 0;
	io |= flags & XD_OPEN_NO_LOCK ? XD_IO_NO_LOCK : 0;
	io |= flags & XD_OPEN_DIRECT ? XD_IO_DIRECT : 0;
	return io;
}

/* --- the parent --------------------------------------------------------------------------------------------------------- */

struct search {
	struct layer *layer;
	struct xd_image *image; /* the child */
	struct xd_error *err;
	int result; /* XD_E_PARENT until a candidate is better or worse than missing */
};

/* A relative path is relative to the child's folder. */
static bool place(const char *child, const char *path, char *out, size_t size)
{
	const char *slash = child ? strrchr(child, '/') : NULL;
	int n = path[0] == '/' || !slash
		    ? snprintf(out, size, "%s", path)
		    : snprintf(out, size, "%.*s/%s", (int)(slash - child), child, path);

	return n > 0 && (size_t)n < size;
}

static bool same_file(struct xd_image *image, const struct stat *st)
{
	struct stat mine;

	return !fstat(xd_get_fd(image), &mine) && mine.st_dev == st->st_dev &&
	       mine.st_ino == st->st_ino;
}

static bool in_chain(const struct layer *layer, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	for (; layer; layer = layer->child)
		if (same_file(layer->image, &st))
			return true;
	return false;
}

static int open_parent_store(const struct xd_open *how, const char *path, uint32_t flags,
			     struct xd_io *io, struct xd_error *err)
{
	if (how->open_parent)
		return how->open_parent(how->open_parent_ctx, path, io_flags(flags), io, err);
	return xd_io_open_file(path, io_flags(flags), io, err);
}

static uint32_t parent_flags(uint32_t flags)
{
	uint32_t keep = flags & (XD_OPEN_ANY_PARENT | XD_OPEN_NO_LOCK);

	return keep | (flags & XD_OPEN_WRITE_PARENT ? XD_OPEN_WRITE : 0);
}

/* A file is there, but no image of the kind that the child was made from. */
static int not_the_format(struct search *search, const struct xd_open *how)
{
	return xd_fail(search->err, XD_E_PARENT_CHANGED, XD_NO_OFFSET,
		       "%s: no %s image, which the parent was", how->path,
		       xd_format_name(how->format));
}

/* Opens one candidate as a layer of its own and asks the child whether that is its parent. */
static int try_parent(struct search *search, const char *path)
{
	struct layer *child = search->layer, parent;
	struct xd_open how = *child->how;
	int r;

	how.path = path;
	how.format = search->image->driver->parent_format(search->image);
	how.flags = parent_flags(how.flags);
	r = open_parent_store(&how, path, how.flags, &how.io, search->err);
	if (r)
		return r == XD_E_IO ? XD_E_PARENT : r;
	parent = (struct layer){&how, NULL, child, child->depth + 1};
	r = open_layer(&parent, search->err);
	if (r) {
		how.io.ops->close(how.io.ctx);
		return r == XD_E_FORMAT ? not_the_format(search, &how) : r;
	}
	if (!(how.flags & XD_OPEN_ANY_PARENT) && search->image->driver->parent_matches)
		r = search->image->driver->parent_matches(search->image, parent.image, search->err);
	if (r)
		xd_close(parent.image, NULL);
	else
		search->image->parent = parent.image;
	return r;
}

static int candidate(void *ctx, const char *path)
{
	struct search *search = ctx;
	char full[XD_PATH_MAX];
	int r;

	if (!place(search->image->path, path, full, sizeof(full)))
		return 0;
	if (!search->layer->how->open_parent && in_chain(search->layer, full))
		r = xd_fail(search->err, XD_E_LOOP, XD_NO_OFFSET,
			    "%s: is its own parent, directly or by way of others", full);
	else
		r = try_parent(search, full);
	/* A file that is missing or is another disk: the next locator may be right. Anything else is the answer. */
	if (r == XD_E_PARENT || r == XD_E_PARENT_CHANGED) {
		if (search->result == XD_E_PARENT)
			search->result = r;
		return 0;
	}
	search->result = r;
	return 1;
}

static int find_parent(struct layer *layer, struct xd_image *image, struct xd_error *err)
{
	struct search search = {layer, image, err, XD_E_PARENT};

	if (layer->depth + 1 >= XD_MAX_DEPTH)
		return xd_fail(err, XD_E_LOOP, XD_NO_OFFSET, "more than %d layers", XD_MAX_DEPTH);
	xd_fail(err, XD_E_PARENT, XD_NO_OFFSET,
		"the image names no parent that could be looked for");
	image->driver->parent_candidates(image, candidate, &search);
	err->code = search.result; /* 0: what earlier candidates left there does not count */
	return search.result;
}

/* --- one layer ---------------------------------------------------------------------------------------------------------- */

/* how->io is open; on failure it stays the caller's. */
static int open_layer(struct layer *layer, struct xd_error *err)
{
	const struct xd_open *how = layer->how;
	struct xd_image *image = new_image(how);
	int r = 0;

	if (!image)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	layer->image = image;
	image->driver = xd_driver_for(how->format);
	if (how->format == XD_FORMAT_ANY)
		r = xd_driver_probe(&image->io, &image->driver, err);
	else if (!image->driver)
		r = xd_fail(err, XD_E_UNSUPPORTED, XD_NO_OFFSET, "format not built in");
	if (!r)
		r = image->driver->open(image, err);
	if (r) {
		free_image(image);
		return r;
	}
	if (image->type == XD_TYPE_DIFF && !(how->flags & XD_OPEN_NO_PARENTS))
		r = find_parent(layer, image, err);
	if (r) {
		struct xd_error unused;

		image->driver->close(image, &unused);
		free_image(image);
	}
	return r;
}

int xd_open_with(const struct xd_open *how, struct xd_image **out, struct xd_error *err)
{
	struct xd_error unused;
	struct xd_open own = *how;
	struct layer layer = {&own, NULL, NULL, 0};
	int r;

	err = err ? err : &unused;
	*out = NULL;
	if (!own.io.ops && !own.path)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "neither a path nor a store");
	if (!own.io.ops && (r = xd_io_open_file(own.path, io_flags(own.flags), &own.io, err)))
		return r;
	r = open_layer(&layer, err);
	if (!r)
		*out = layer.image;
	else if (!how->io.ops)
		own.io.ops->close(own.io.ctx);
	return r;
}

int xd_open(const char *path, uint32_t flags, struct xd_image **out, struct xd_error *err)
{
	struct xd_open how = {.path = path, .flags = flags};

	return xd_open_with(&how, out, err);
}

int xd_close(struct xd_image *image, struct xd_error *err)
{
	struct xd_error unused;
	int r = 0;

	err = err ? err : &unused;
	while (image) {
		struct xd_image *parent = image->parent;
		struct xd_error mine;
		int one = image->driver->close(image, &mine);

		if (one && !r) {
			*err = mine;
			r = one;
		}
		image->io.ops->close(image->io.ctx);
		free_image(image);
		image = parent;
	}
	return r;
}
