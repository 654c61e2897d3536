/* SPDX-License-Identifier: MIT */
/* What an image says about itself. */
#include <string.h>

#include "disk/driver.h"

uint64_t xd_get_size(struct xd_image *image)
{
	uint64_t size;

	pthread_rwlock_rdlock(&image->quiesce);
	size = image->virtual_size;
	pthread_rwlock_unlock(&image->quiesce);
	return size;
}

const char *xd_get_path(struct xd_image *image)
{
	return image->path;
}

struct xd_image *xd_get_parent(struct xd_image *image)
{
	return image->parent;
}

const struct xd_io *xd_get_io(struct xd_image *image)
{
	return &image->io;
}

void xd_get_info(struct xd_image *image, struct xd_info *info)
{
	struct xd_error unused;

	memset(info, 0, sizeof(*info));
	pthread_rwlock_rdlock(&image->quiesce);
	info->format = image->driver->format;
	info->type = image->type;
	info->virtual_size = image->virtual_size;
	info->block_size = image->block_size;
	info->logical_sector = image->logical_sector;
	info->physical_sector = image->physical_sector;
	for (struct xd_image *i = image->parent; i; i = i->parent)
		info->depth++;
	xd_io_size(&image->io, &info->file_size, &unused);
	image->driver->info(image, info);
	pthread_rwlock_unlock(&image->quiesce);
}

int xd_describe(struct xd_image *image, xd_fact_fn fn, void *ctx, struct xd_error *err)
{
	struct xd_error unused;
	int r = 0;

	pthread_rwlock_rdlock(&image->quiesce);
	if (image->driver->describe)
		r = image->driver->describe(image, fn, ctx, err ? err : &unused);
	pthread_rwlock_unlock(&image->quiesce);
	return r;
}
