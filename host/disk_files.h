/* SPDX-License-Identifier: MIT */
/*
 * A disk's files that somebody else opened: an image and its parents. A process in its sandbox opens no new file, so the command
 * that attaches a disk opens them and passes them on.
 */
#ifndef HOST_DISK_FILES_H
#define HOST_DISK_FILES_H

#include "disk/xdisk.h"

#define DISK_FILES_MAX 16u

struct disk_files {
	unsigned count; /* the first is the image */
	struct {
		char *path; /* owned, as is the descriptor */
		int fd;
	} file[DISK_FILES_MAX];
};

/* Takes over the descriptors, on success alone; copies the paths. NULL: too many, or no memory. */
struct disk_files *disk_files_create(const char *const *paths, const int *fds, unsigned count);
void disk_files_destroy(struct disk_files *files);
/* As xd_open_with(how), which names the path; may be called again and again. */
int disk_files_open(const struct disk_files *files, const struct xd_open *how,
		    struct xd_image **image, struct xd_error *error);

#endif
