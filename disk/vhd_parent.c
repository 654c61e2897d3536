/* SPDX-License-Identifier: MIT */
/* Parents: the locators that name one, and the identity that proves it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "disk/vhd.h"

#define MAX_LOCATOR 65536u

/* --- reading ------------------------------------------------------------------------------------------------------------ */

/* The best first: relative ones survive a move of the whole folder, absolute ones are another machine's more often than not. */
static const uint32_t order[] = {
    VHD_PLATFORM_W2RU, VHD_PLATFORM_WI2R, VHD_PLATFORM_MACX, VHD_PLATFORM_W2KU, VHD_PLATFORM_WI2K,
};

static int hex(char c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

/* "file://host/path" or tapdisk's "file://./path" to a path; percent signs undone (RFC 3986). */
static bool path_of_url(const char *url, char *out, size_t size)
{
	size_t n = 0;

	if (strncmp(url, "file://", 7))
		return false;
	url += 7;
	if (!strncmp(url, "localhost/", 10))
		url += 9;
	for (; *url; url++) {
		int high = *url == '%' ? hex(url[1]) : -1, low = high >= 0 ? hex(url[2]) : -1;

		if (n + 1 >= size)
			return false;
		out[n++] = low >= 0 ? high << 4 | low : *url;
		url += low >= 0 ? 2 : 0;
	}
	out[n] = 0;
	return n > 0;
}

static bool decode(uint32_t platform, const uint8_t *data, size_t length, char *out, size_t size)
{
	char text[XD_PATH_MAX];

	switch (platform) {
	case VHD_PLATFORM_W2RU:
	case VHD_PLATFORM_W2KU:
		return xd_utf16_to_utf8(data, length, false, text, sizeof(text)) &&
		       xd_path_from_windows(text, out, size);
	case VHD_PLATFORM_WI2R:
	case VHD_PLATFORM_WI2K:
	case VHD_PLATFORM_MACX:
		if (length >= sizeof(text))
			return false;
		memcpy(text, data, length);
		text[length] = 0;
		return platform == VHD_PLATFORM_MACX ? path_of_url(text, out, size)
						     : xd_path_from_windows(text, out, size);
	default: return false;
	}
}

static bool read_locator(struct xd_image *image, const struct vhd_locator *locator, char *out,
			 size_t size)
{
	uint32_t length = vhd_get32(locator->data_length);
	struct xd_error unused;
	uint8_t *data;
	bool ok;

	if (!length || length > MAX_LOCATOR || !(data = malloc(length)))
		return false;
	ok = !xd_io_read(&image->io, data, length, vhd_get64(locator->data_offset), &unused) &&
	     decode(vhd_get32(locator->platform), data, length, out, size);
	free(data);
	return ok;
}

static int offer_locators(struct xd_image *image, uint32_t platform, bool names_only,
			  xd_candidate_fn fn, void *ctx)
{
	struct vhd *v = vhd_of(image);
	int r = 0;

	for (int i = 0; !r && i < VHD_LOCATORS; i++) {
		const struct vhd_locator *locator = &v->header.locator[i];
		char path[XD_PATH_MAX];
		const char *slash;

		if (vhd_get32(locator->platform) != platform ||
		    !read_locator(image, locator, path, sizeof(path)))
			continue;
		slash = names_only ? strrchr(path, '/') : NULL;
		r = fn(ctx, slash ? slash + 1 : path);
	}
	return r;
}

int vhd_parent_candidates(struct xd_image *image, xd_candidate_fn fn, void *ctx)
{
	struct vhd *v = vhd_of(image);
	char text[XD_PATH_MAX], path[XD_PATH_MAX], *slash;
	int r = 0;

	/* Locators that a guest may have written are not followed. */
	if (v->copy_only)
		return 0;
	for (size_t i = 0; !r && i < sizeof(order) / sizeof(order[0]); i++)
		r = offer_locators(image, order[i], false, fn, ctx);
	if (!r &&
	    xd_utf16_to_utf8(v->header.parent_name, sizeof(v->header.parent_name), true, text,
			     sizeof(text)) &&
	    xd_path_from_windows(text, path, sizeof(path))) {
		slash = strrchr(path, '/');
		r = fn(ctx, slash ? slash + 1 : path);
	}
	/* Last: a file of that name beside the child. Its identity will tell. */
	for (size_t i = 0; !r && i < sizeof(order) / sizeof(order[0]); i++)
		r = offer_locators(image, order[i], true, fn, ctx);
	return r;
}

static void format_id(const uint8_t *id, char out[33])
{
	for (int i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
}

/* tapdisk makes children of raw disks, which have no identity; it then records none, and takes none for raw. */
static bool no_id(const uint8_t *id)
{
	return xd_is_zero(id, 16);
}

enum xd_format vhd_parent_format(struct xd_image *image)
{
	return no_id(vhd_of(image)->header.parent_id) ? XD_FORMAT_RAW : XD_FORMAT_VHD;
}

int vhd_parent_matches(struct xd_image *image, struct xd_image *parent, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	char want[33], have[33];
	struct xd_info info;

	xd_get_info(parent, &info);
	if (!memcmp(info.id, v->header.parent_id, 16))
		return 0;
	format_id(v->header.parent_id, want);
	format_id(info.id, have);
	return xd_fail(err, XD_E_PARENT_CHANGED,
		       vhd_get64(v->footer.data_offset) + offsetof(struct vhd_header, parent_id),
		       "%s: its id is %s, the child was made from %s",
		       parent->path ? parent->path : "the parent", have, want);
}

uint32_t vhd_parent_time(struct xd_image *parent)
{
	int fd = parent->io.ops->fd ? parent->io.ops->fd(parent->io.ctx) : -1;
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) ? vhd_time(st.st_mtime) : 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

struct places {
	uint8_t *data;
	size_t used, room;
	uint64_t offset;
	struct vhd_header *header;
	int count;
};

static void add_locator(struct places *p, uint32_t platform, const void *data, size_t length)
{
	size_t space = xd_align_up(length, VHD_SECTOR);
	struct vhd_locator *locator = &p->header->locator[p->count++];

	memcpy(p->data + p->used, data, length);
	*locator = (struct vhd_locator){
	    .platform = vhd_put32(platform),
	    .data_space = vhd_put32(space), /* bytes, as Microsoft and XenServer write it */
	    .data_length = vhd_put32(length),
	    .data_offset = vhd_put64(p->offset + p->used),
	};
	p->used += space;
}

/* A Windows path: backslashes, and ".\" before a relative one, without which Windows does not follow it. */
static bool add_windows(struct places *p, uint32_t platform, const char *path)
{
	char text[XD_PATH_MAX + 2];
	uint8_t wide[2 * sizeof(text)];
	ssize_t length;

	snprintf(text, sizeof(text), "%s%s", path[0] == '/' ? "" : "./", path);
	for (char *c = text; *c; c++)
		*c = *c == '/' ? '\\' : *c;
	length = xd_utf8_to_utf16(text, false, wide, sizeof(wide));
	if (length > 0)
		add_locator(p, platform, wide, length);
	return length > 0;
}

static void add_url(struct places *p, const char *path)
{
	char url[3 * XD_PATH_MAX + 16];
	size_t n = snprintf(url, sizeof(url), "file://%s", path[0] == '/' ? "" : "./");

	/* tapdisk takes the text as it is, so only what would read as an escape is one. */
	for (; *path; path++)
		n += snprintf(url + n, sizeof(url) - n, *path == '%' ? "%%25" : "%c", *path);
	add_locator(p, VHD_PLATFORM_MACX, url, n);
}

static void set_name(struct vhd_header *header, const char *path)
{
	const char *slash = strrchr(path, '/');

	memset(header->parent_name, 0, sizeof(header->parent_name));
	/* Too long for the field: then the locators alone name the parent. */
	if (xd_utf8_to_utf16(slash ? slash + 1 : path, true, header->parent_name,
			     sizeof(header->parent_name) - 2) < 0)
		memset(header->parent_name, 0, sizeof(header->parent_name));
}

/* A relative and an absolute form of `path`, which is relative to the child's folder or absolute. */
static bool both_forms(const char *path, const char *child, char *relative, char *absolute)
{
	char joined[XD_PATH_MAX];
	const char *slash = child ? strrchr(child, '/') : NULL;

	if (path[0] == '/') {
		snprintf(absolute, XD_PATH_MAX, "%s", path);
		return child && xd_path_relative(child, path, relative, XD_PATH_MAX);
	}
	snprintf(relative, XD_PATH_MAX, "%s", path);
	if ((size_t)snprintf(joined, sizeof(joined), "%.*s%s%s", slash ? (int)(slash - child) : 0,
			     child ? child : "", slash ? "/" : "", path) >= sizeof(joined) ||
	    !realpath(joined, absolute))
		absolute[0] = 0;
	return true;
}

int vhd_parent_record(struct vhd_header *header, struct xd_image *parent, const char *path,
		      const char *child, uint64_t offset, uint8_t **data, size_t *length,
		      struct xd_error *err)
{
	char relative[XD_PATH_MAX], absolute[PATH_MAX];
	struct places p = {.offset = offset, .header = header, .room = 16 * XD_PATH_MAX};
	bool has_relative = both_forms(path, child, relative, absolute), fits = true;
	struct xd_info info;

	if (strlen(path) >= XD_PATH_MAX)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "the parent's path is too long");
	xd_get_info(parent, &info);
	if (info.format == XD_FORMAT_VHD && no_id(info.id))
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "the parent has no id: its child would take it for a raw disk");
	p.data = calloc(1, p.room);
	if (!p.data)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	memset(header->locator, 0, sizeof(header->locator));
	if (has_relative)
		fits = add_windows(&p, VHD_PLATFORM_W2RU, relative);
	if (absolute[0])
		fits = fits && add_windows(&p, VHD_PLATFORM_W2KU, absolute);
	if (!fits) {
		free(p.data);
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "the parent's path is no UTF-8");
	}
	add_url(&p, has_relative ? relative : absolute);
	set_name(header, path);
	memcpy(header->parent_id, info.id, 16);
	header->parent_timestamp = vhd_put32(vhd_parent_time(parent));
	vhd_header_seal(header);
	*data = p.data;
	*length = p.used;
	return 0;
}

/* Has the footers name the header at `at`. */
static int use_header(struct xd_image *image, uint64_t at, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);

	v->footer.data_offset = vhd_put64(at);
	vhd_footer_seal(&v->footer);
	return vhd_footers_write(image, err);
}

/*
 * The header is two sectors, which a cut may part. So the footers, a sector each, first name another copy of the new one, and come back
 * when the old place has it too.
 */
static int replace_header(struct xd_image *image, const struct vhd_header *header, uint64_t spare,
			  struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t home = vhd_get64(v->footer.data_offset);
	int r;

	if ((r = xd_io_write(&image->io, header, sizeof(*header), spare, err)) ||
	    (r = vhd_flush_locked(image, err)) || (r = use_header(image, spare, err)))
		return r;
	v->header = *header;
	if ((r = xd_io_write(&image->io, header, sizeof(*header), home, err)) ||
	    (r = xd_io_flush(&image->io, err)))
		return r;
	return use_header(image, home, err);
}

int vhd_set_parent(struct xd_image *image, struct xd_image *parent, const char *path,
		   struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	struct vhd_header header = v->header;
	uint64_t at = xd_align_up(v->data_end, VHD_SECTOR), spare;
	uint8_t *data;
	size_t length;
	int r;

	if (parent->driver->format != XD_FORMAT_VHD && parent->driver->format != XD_FORMAT_RAW)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "a VHD's parent is a VHD");
	if ((r = vhd_parent_record(&header, parent, path, image->path, at, &data, &length, err)))
		return r;
	spare = at + length;
	r = vhd_grow(image, spare + sizeof(header), err);
	/* From here on the space may hold something, whatever becomes of this. */
	v->tail_unknown = true;
	if (!r)
		r = xd_io_write(&image->io, data, length, at, err);
	free(data);
	if (!r)
		r = replace_header(image, &header, spare, err);
	if (r && vhd_get64(v->footer.data_offset) == spare)
		v->data_end = v->file_size = spare + sizeof(header);
	if (r)
		return r;
	v->data_end = v->file_size = spare;
	return 0;
}
