/* SPDX-License-Identifier: MIT */
/* Raw images: the disk's bytes at the disk's offsets. */
#include <fcntl.h>
#include <string.h>

#include "disk/driver.h"

static int raw_probe(const struct xd_io *io, bool *yes, struct xd_error *err)
{
	(void)io;
	(void)err;
	*yes = false;
	return 0;
}

static int raw_open(struct xd_image *image, struct xd_error *err)
{
	image->type = XD_TYPE_FIXED;
	return xd_io_size(&image->io, &image->virtual_size, err);
}

static int raw_close(struct xd_image *image, struct xd_error *err)
{
	return image->flags & XD_OPEN_WRITE ? xd_io_flush(&image->io, err) : 0;
}

static int raw_create(const struct xd_create *how, const struct xd_io *io, struct xd_error *err)
{
	int r;

	if (how->type != XD_TYPE_FIXED)
		return xd_fail(err, XD_E_UNSUPPORTED, XD_NO_OFFSET,
			       "a raw image is neither dynamic nor a child");
	r = xd_io_truncate(io, how->virtual_size, err);
	return r ? r : xd_io_flush(io, err);
}

static int raw_map(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_run *run,
		   struct xd_error *err)
{
	(void)err;
	run->kind = XD_KIND_DATA;
	run->length = length;
	run->file_offset = offset;
	run->flags = image->flags & XD_OPEN_WRITE ? XD_RUN_IN_PLACE : 0;
	return 0;
}

static int raw_writev(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		      struct xd_error *err)
{
	return xd_io_write_slice(&image->io, slice, offset, err);
}

static int raw_zero(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err)
{
	return xd_io_zero(&image->io, offset, length, err);
}

static int raw_discard(struct xd_image *image, uint64_t offset, uint64_t length,
		       struct xd_error *err)
{
	return xd_io_discard(&image->io, offset, length, err);
}

static int raw_flush(struct xd_image *image, struct xd_error *err)
{
	return xd_io_flush(&image->io, err);
}

static void raw_info(struct xd_image *image, struct xd_info *info)
{
	(void)image;
	info->data_align = 1u << 20;
}

static int raw_resize(struct xd_image *image, uint64_t virtual_size, struct xd_error *err)
{
	int r = xd_io_truncate(&image->io, virtual_size, err);

	if (r)
		return r;
	image->virtual_size = virtual_size;
	return xd_io_flush(&image->io, err);
}

static int raw_check(struct xd_image *image, struct xd_checker *checker, struct xd_error *err)
{
	(void)err;
	if (image->virtual_size % XD_SECTOR)
		xd_found(checker, XD_NOTE, XD_MEND_NO, "raw-odd-size", image->virtual_size,
			 "the length is no whole number of sectors");
	return 0;
}

const struct xd_driver xd_raw_driver = {
    .format = XD_FORMAT_RAW,
    .probe = raw_probe,
    .open = raw_open,
    .close = raw_close,
    .create = raw_create,
    .map = raw_map,
    .writev = raw_writev,
    .zero = raw_zero,
    .discard = raw_discard,
    .flush = raw_flush,
    .info = raw_info,
    .resize = raw_resize,
    .check = raw_check,
};
