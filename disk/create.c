/* SPDX-License-Identifier: MIT */
/* Making new images. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/format.h"

/* What the caller left open, filled in; `absolute` is room for a path. */
static int complete(struct xd_create *how, char absolute[PATH_MAX], struct xd_error *err)
{
	if ((how->type == XD_TYPE_DIFF) != (how->parent != NULL))
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "a differencing image has a parent, any other has none");
	/* The parent's own path is relative to where we are, a recorded one to where the child is. */
	if (how->parent && !how->parent_path && how->parent->path &&
	    realpath(how->parent->path, absolute))
		how->parent_path = absolute;
	if (how->parent && !how->parent_path)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "no path to record for the parent");
	if (how->parent && !how->virtual_size)
		how->virtual_size = xd_get_size(how->parent);
	if (how->format != XD_FORMAT_RAW)
		how->virtual_size = xd_align_up(
		    how->virtual_size, how->logical_sector ? how->logical_sector : XD_SECTOR);
	if (how->profile == XD_PROFILE_AZURE) {
		if (how->format != XD_FORMAT_VHD || how->type != XD_TYPE_FIXED)
			return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
				       "Azure takes fixed VHD images only");
		how->virtual_size = xd_align_up(how->virtual_size, 1u << 20);
	}
	return 0;
}

static int store_fd(const struct xd_io *io)
{
	return io->ops->fd ? io->ops->fd(io->ctx) : -1;
}

static int preallocate(const struct xd_create *how, const struct xd_io *io, struct xd_error *err)
{
	int fd = store_fd(io);
	uint64_t size;
	int r;

	if (!(how->flags & XD_CREATE_PREALLOC) || fd < 0)
		return 0;
	if ((r = xd_io_size(io, &size, err)))
		return r;
	r = posix_fallocate(fd, 0, size);
	return r ? xd_fail_io(err, -r, XD_NO_OFFSET, "allocating the space") : xd_io_flush(io, err);
}

static int create_on(const struct xd_create *how, const struct xd_io *io, struct xd_error *err)
{
	const struct xd_driver *driver = xd_driver_for(how->format);
	int r;

	if (!driver)
		return xd_fail(err, XD_E_UNSUPPORTED, XD_NO_OFFSET, "format not built in");
	r = driver->create(how, io, err);
	return r ? r : preallocate(how, io, err);
}

/* A name is durable only when its folder is synced. */
static int sync_folder(const char *path, struct xd_error *err)
{
	char folder[XD_PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, r;

	if (slash && (size_t)(slash - path) >= sizeof(folder))
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "path too long");
	strcpy(folder, slash == path ? "/" : ".");
	if (slash && slash != path) {
		memcpy(folder, path, slash - path);
		folder[slash - path] = 0;
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return xd_fail_io(err, -errno, XD_NO_OFFSET, folder);
	r = fsync(fd) && errno != EINVAL ? xd_fail_io(err, -errno, XD_NO_OFFSET, folder) : 0;
	close(fd);
	return r;
}

int xd_create(const struct xd_create *asked, struct xd_error *err)
{
	struct xd_error unused;
	struct xd_create how = *asked;
	uint32_t flags =
	    XD_IO_WRITE | XD_IO_CREATE | (how.flags & XD_CREATE_OVERWRITE ? XD_IO_TRUNCATE : 0);
	char absolute[PATH_MAX];
	struct stat st;
	struct xd_io io;
	int r;

	err = err ? err : &unused;
	if ((r = complete(&how, absolute, err)))
		return r;
	if (how.io.ops)
		return create_on(&how, &how.io, err);
	if (!how.path)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "neither a path nor a store");
	if ((r = xd_io_open_file(how.path, flags, &io, err)))
		return r;
	r = create_on(&how, &io, err);
	/* While the lock is held: nobody else's file can go. A device's node stays. */
	if (r && !fstat(store_fd(&io), &st) && S_ISREG(st.st_mode))
		unlink(how.path);
	io.ops->close(io.ctx);
	return r ? r : sync_folder(how.path, err);
}
