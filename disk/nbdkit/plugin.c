/* SPDX-License-Identifier: MIT */
/*
 * nbdkit plugin: any image of the library as an NBD export.
 *
 *   nbdkit -U - nbdkit-xenolith-plugin.so file=disk.vhdx [format=vhdx] --run 'nbdinfo "$uri"'
 *
 * One handle serves all connections. Requests of less than a sector need nbdkit's blocksize filter.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "disk/xdisk.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static char *file;
static enum xd_format format;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct xd_image *image; /* opened by the first connection, by the way that one wants it */
static int writable;

static int failed(const struct xd_error *err)
{
	nbdkit_error("%s: %s: %s", file, xd_code_name(err->code), err->message);
	nbdkit_set_error(err->sys ? err->sys : xd_code_errno(err->code));
	return -1;
}

static int plugin_config(const char *key, const char *value)
{
	if (!strcmp(key, "file")) {
		file = nbdkit_realpath(value);
		return file ? 0 : -1;
	}
	if (!strcmp(key, "format") && (format = xd_format_by_name(value)))
		return 0;
	nbdkit_error("%s=%s: file=PATH, format=raw|vhd|vhdx", key, value);
	return -1;
}

static int plugin_config_complete(void)
{
	if (file)
		return 0;
	nbdkit_error("file=PATH is missing");
	return -1;
}

static int open_image(int readonly, struct xd_error *err)
{
	struct xd_open how = {
	    .path = file, .format = format, .flags = readonly ? 0 : XD_OPEN_WRITE};
	int r;

	if (image)
		return 0;
	r = xd_open_with(&how, &image, err);
	writable = !r && !readonly;
	return r;
}

static void *plugin_open(int readonly)
{
	struct xd_error err;
	int r;

	pthread_mutex_lock(&lock);
	r = open_image(readonly, &err);
	pthread_mutex_unlock(&lock);
	if (!r)
		return NBDKIT_HANDLE_NOT_NEEDED;
	failed(&err);
	return NULL;
}

static void plugin_unload(void)
{
	struct xd_error err;

	if (image && xd_close(image, &err))
		failed(&err);
}

static int64_t plugin_get_size(void *handle)
{
	(void)handle;
	return xd_get_size(image);
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
			     uint32_t *maximum)
{
	struct xd_info info;

	(void)handle;
	xd_get_info(image, &info);
	*minimum = info.logical_sector;
	*preferred = 4096;
	*maximum = 32u << 20;
	return 0;
}

static int plugin_can_write(void *handle)
{
	(void)handle;
	return writable;
}

static int yes(void *handle)
{
	(void)handle;
	return 1;
}

static int plugin_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct xd_error err;

	(void)handle;
	(void)flags;
	return xd_read(image, buf, count, offset, &err) ? failed(&err) : 0;
}

static int plugin_flush(void *handle, uint32_t flags)
{
	struct xd_error err;

	(void)handle;
	(void)flags;
	return xd_flush(image, &err) ? failed(&err) : 0;
}

static int after(int r, const struct xd_error *err, uint32_t flags)
{
	if (r)
		return failed(err);
	return flags & NBDKIT_FLAG_FUA ? plugin_flush(NULL, 0) : 0;
}

static int plugin_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset,
			 uint32_t flags)
{
	struct xd_error err;

	(void)handle;
	return after(xd_write(image, buf, count, offset, &err), &err, flags);
}

static int plugin_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct xd_error err;

	(void)handle;
	return after(xd_discard(image, offset, count, &err), &err, flags);
}

static int plugin_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct xd_error err;

	(void)handle;
	return after(xd_zero(image, offset, count, &err), &err, flags);
}

static int plugin_can_fua(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

static int plugin_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
			  struct nbdkit_extents *extents)
{
	struct xd_error err;

	(void)handle;
	for (uint64_t at = offset, end = offset + count; at < end;) {
		struct xd_run run;
		size_t n = 1;
		uint32_t type;

		if (xd_map(image, at, end - at, XD_MAP_HOLES, &run, &n, &err))
			return failed(&err);
		type = run.kind == XD_KIND_DATA   ? 0
		       : run.kind == XD_KIND_ZERO ? NBDKIT_EXTENT_ZERO
						  : NBDKIT_EXTENT_ZERO | NBDKIT_EXTENT_HOLE;
		if (nbdkit_add_extent(extents, run.offset, run.length, type) < 0)
			return -1;
		if (flags & NBDKIT_FLAG_REQ_ONE)
			return 0;
		at += run.length;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
    .name = "xenolith",
    .longname = "Xenolith disk images",
    .version = XD_VERSION,
    .description = "raw, VHD and VHDX images",
    .magic_config_key = "file",
    .config_help =
	"file=PATH       the image\nformat=FORMAT   raw, vhd or vhdx; else its content tells",
    .config = plugin_config,
    .config_complete = plugin_config_complete,
    .open = plugin_open,
    .unload = plugin_unload,
    .get_size = plugin_get_size,
    .block_size = plugin_block_size,
    .can_write = plugin_can_write,
    .can_flush = yes,
    .can_trim = yes,
    .can_zero = yes,
    .can_fua = plugin_can_fua,
    .can_multi_conn = yes,
    .can_extents = yes,
    .pread = plugin_pread,
    .pwrite = plugin_pwrite,
    .flush = plugin_flush,
    .trim = plugin_trim,
    .zero = plugin_zero,
    .extents = plugin_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)
