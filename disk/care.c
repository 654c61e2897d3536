/* SPDX-License-Identifier: MIT */
/* Operations that have the image to themselves: resize, compact, another parent. */
#include "disk/driver.h"

static int need_write(struct xd_image *image, bool can, struct xd_error *err)
{
	if (!(image->flags & XD_OPEN_WRITE))
		return xd_fail(err, XD_E_READONLY, XD_NO_OFFSET, "opened read-only");
	if (!can)
		return xd_fail(err, XD_E_UNSUPPORTED, XD_NO_OFFSET, "not possible with %s images",
			       xd_format_name(image->driver->format));
	return 0;
}

int xd_resize(struct xd_image *image, uint64_t virtual_size, uint32_t flags, struct xd_error *err)
{
	struct xd_error unused;
	int r;

	err = err ? err : &unused;
	if ((r = need_write(image, image->driver->resize, err)))
		return r;
	xd_alone_begin(image);
	if (virtual_size < image->virtual_size && !(flags & XD_RESIZE_SHRINK))
		r = xd_fail(
		    err, XD_E_INVAL, XD_NO_OFFSET, "the disk would shrink from %llu to %llu bytes",
		    (unsigned long long)image->virtual_size, (unsigned long long)virtual_size);
	else if (virtual_size != image->virtual_size)
		r = image->driver->resize(image, virtual_size, err);
	xd_alone_end(image);
	return r;
}

int xd_compact(struct xd_image *image, const struct xd_progress *progress, struct xd_error *err)
{
	struct xd_error unused;
	int r;

	err = err ? err : &unused;
	if ((r = need_write(image, true, err)) || !image->driver->compact)
		return r;
	xd_alone_begin(image);
	r = image->driver->compact(image, progress, err);
	xd_alone_end(image);
	return r;
}

int xd_set_parent(struct xd_image *image, struct xd_image *parent, const char *path,
		  struct xd_error *err)
{
	struct xd_error unused;
	int r;

	err = err ? err : &unused;
	if (image->type != XD_TYPE_DIFF)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "not a differencing image");
	if ((r = need_write(image, image->driver->set_parent, err)))
		return r;
	xd_alone_begin(image);
	r = image->driver->set_parent(image, parent, path, err);
	xd_alone_end(image);
	return r;
}
