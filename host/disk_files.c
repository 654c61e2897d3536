/* SPDX-License-Identifier: MIT */
#include "host/disk_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct disk_files *disk_files_create(const char *const *paths, const int *fds, unsigned count)
{
	struct disk_files *files = calloc(1, sizeof(*files));

	if (!files || count == 0 || count > DISK_FILES_MAX) {
		free(files);
		return NULL;
	}
	for (unsigned i = 0; i < count; i++) {
		files->file[i].fd = -1;
		files->file[i].path = strdup(paths[i]);
		files->count++;
		if (!files->file[i].path) {
			disk_files_destroy(files);
			return NULL;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		files->file[i].fd = fds[i];
	}
	return files;
}

void disk_files_destroy(struct disk_files *files)
{
	for (unsigned i = 0; files && i < files->count; i++) {
		free(files->file[i].path);
		if (files->file[i].fd >= 0) {
			close(files->file[i].fd);
		}
	}
	free(files);
}

/* The store gets a duplicate, so that the disk can be opened once more after a reset. */
static int open_store(void *context, const char *path, uint32_t flags, struct xd_io *io,
		      struct xd_error *error)
{
	const struct disk_files *files = context;

	for (unsigned i = 0; i < files->count; i++) {
		int fd, result;

		if (strcmp(files->file[i].path, path) != 0) {
			continue;
		}
		fd = fcntl(files->file[i].fd, F_DUPFD_CLOEXEC, 0);
		result = xd_io_open_fd(fd, path, flags, io, error);
		if (result < 0 && fd >= 0) {
			close(fd);
		}
		return result;
	}
	snprintf(error->message, sizeof(error->message), "%s: was not passed on", path);
	return error->code = XD_E_PARENT;
}

int disk_files_open(const struct disk_files *files, const struct xd_open *how,
		    struct xd_image **image, struct xd_error *error)
{
	struct xd_open own = *how;
	int result;

	own.open_parent = open_store;
	own.open_parent_ctx = (void *)(uintptr_t)files;
	result = open_store(own.open_parent_ctx, own.path,
			    own.flags & XD_OPEN_WRITE ? XD_IO_WRITE : 0, &own.io, error);
	if (result < 0) {
		return result;
	}
	result = xd_open_with(&own, image, error);
	if (result < 0) {
		own.io.ops->close(own.io.ctx);
	}
	return result;
}
