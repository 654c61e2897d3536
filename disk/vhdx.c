/* SPDX-License-Identifier: MIT */
/* The VHDX driver: opening, closing, describing. */
#include <stdio.h>
#include <stdlib.h>

#include "disk/vhdx.h"

static int probe(const struct xd_io *io, bool *yes, struct xd_error *err)
{
	uint64_t signature;
	int ret = xd_io_read(io, &signature, sizeof(signature), VHDX_FILE_ID_OFFSET, err);

	*yes = !ret && signature == VHDX_FILE_ID_SIGNATURE;
	return ret;
}

static int check_file(struct vhdx *v, struct xd_error *err)
{
	uint64_t size;
	bool yes;
	int ret = probe(v->io, &yes, err);

	if (ret)
		return ret;
	if (!yes)
		return xd_fail(err, XD_E_FORMAT, 0, "no VHDX signature");
	ret = xd_io_size(v->io, &size, err);
	if (ret)
		return ret;
	v->file_end = size;
	if (size < VHDX_HEADER_SECTION)
		return xd_fail(err, XD_E_CORRUPT, size, "the file ends within its header section");
	if (size > VHDX_MAX_FILE)
		return xd_fail(err, XD_E_LIMIT, size,
			       "the file is larger than any VHDX file can be");
	return 0;
}

static int check_bat(struct vhdx *v, struct xd_error *err)
{
	uint64_t entries = vhdx_bat_entries(v->blocks, v->chunk_shift, v->has_parent);

	if (entries * 8 <= v->bat.length)
		return 0;
	return xd_fail(err, XD_E_CORRUPT, v->bat.offset,
		       "the BAT has room for %llu entries, the disk needs %llu",
		       (unsigned long long)v->bat.length / 8, (unsigned long long)entries);
}

static int load(struct vhdx *v, struct xd_error *err)
{
	int ret;

	if ((ret = check_file(v, err)) || (ret = vhdx_header_load(v, err)) ||
	    (ret = vhdx_replay(v, err)) || (ret = vhdx_region_load(v, err)) ||
	    (ret = vhdx_meta_load(v, err)) || (ret = check_bat(v, err)))
		return ret;
	v->fresh = v->file_end;
	if (v->image->flags & (XD_OPEN_WRITE | XD_OPEN_LENIENT))
		ret = vhdx_space_load(v, err);
	return ret;
}

static void publish_geometry(struct xd_image *image, const struct vhdx *v)
{
	image->type = v->has_parent ? XD_TYPE_DIFF : v->fixed ? XD_TYPE_FIXED : XD_TYPE_DYNAMIC;
	image->virtual_size = v->disk_size;
	image->block_size = v->block_size;
}

static void free_state(struct vhdx *v)
{
	v->image->io = v->file;
	v->image->state = NULL;
	vhdx_overlay_free(v->overlay);
	vhdx_cache_free(&v->cache);
	vhdx_space_free(&v->space);
	pthread_mutex_destroy(&v->lock);
	pthread_mutex_destroy(&v->commit_lock);
	free(v->regions);
	free(v->locator);
	free(v->entry);
	free(v);
}

static struct vhdx *new_state(struct xd_image *image)
{
	struct vhdx *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->image = image;
	v->io = &image->io;
	v->file = image->io;
	v->log_sequence = 1;
	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->commit_lock, NULL);
	image->state = v;
	if (vhdx_cache_init(&v->cache)) {
		free_state(v);
		return NULL;
	}
	return v;
}

static int open_image(struct xd_image *image, struct xd_error *err)
{
	struct vhdx *v = new_state(image);
	int ret;

	if (!v)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory to open the image");
	ret = load(v, err);
	if (ret)
		free_state(v);
	else
		publish_geometry(image, v);
	return ret;
}

int vhdx_cut_tail(struct vhdx *v, struct xd_error *err)
{
	uint64_t end;
	int ret;

	vhdx_space_trim(&v->space);
	end = v->space.end * VHDX_MIB;
	if (v->damaged || end >= v->file_end)
		return 0;
	ret = xd_io_truncate(v->io, end, err);
	if (!ret)
		v->file_end = v->fresh = end;
	return ret;
}

static int close_image(struct xd_image *image, struct xd_error *err)
{
	struct vhdx *v = image->state;
	int ret = 0;

	if (v->began) {
		ret = vhdx_log_close(v, err);
		if (!ret)
			ret = vhdx_cut_tail(v, err);
	}
	free_state(v);
	return ret;
}

static int flush(struct xd_image *image, struct xd_error *err)
{
	struct vhdx *v = image->state;

	return v->began ? vhdx_commit(v, err) : xd_io_flush(v->io, err);
}

static int prepare_write(struct xd_image *image, struct xd_error *err)
{
	return vhdx_begin(image->state, true, err);
}

/* A commit may be changing it. */
static struct vhdx_header header_now(struct vhdx *v)
{
	struct vhdx_header header;

	pthread_mutex_lock(&v->commit_lock);
	header = v->header;
	pthread_mutex_unlock(&v->commit_lock);
	return header;
}

static void info(struct xd_image *image, struct xd_info *out)
{
	struct vhdx *v = image->state;
	struct vhdx_header header = header_now(v);

	memcpy(out->id, header.data_write_guid.b, sizeof(out->id));
	if (v->has_parent)
		vhdx_parent_id(v, out->parent_id);
	out->data_align = VHDX_MIB;
}

/* --- facts ---------------------------------------------------------------------------------------------------------------- */

struct teller {
	xd_fact_fn fn;
	void *ctx;
};

static void tell_string(const struct teller *to, const char *key, const char *string)
{
	to->fn(to->ctx, &(struct xd_fact){.key = key, .kind = XD_FACT_STRING, .string = string});
}

static void tell_number(const struct teller *to, const char *key, uint64_t number)
{
	to->fn(to->ctx, &(struct xd_fact){.key = key, .kind = XD_FACT_NUMBER, .number = number});
}

static void tell_bool(const struct teller *to, const char *key, bool yes)
{
	to->fn(to->ctx, &(struct xd_fact){.key = key, .kind = XD_FACT_BOOL, .number = yes});
}

static void tell_guid(const struct teller *to, const char *key, const struct vhdx_guid *guid)
{
	char text[VHDX_GUID_TEXT];

	vhdx_guid_text(guid, text);
	tell_string(to, key, text);
}

static int tell_creator(struct vhdx *v, const struct teller *to, struct xd_error *err)
{
	uint8_t creator[sizeof(((struct vhdx_file_id *)0)->creator)];
	char text[2 * sizeof(creator)];
	int ret = xd_io_read(v->io, creator, sizeof(creator),
			     VHDX_FILE_ID_OFFSET + offsetof(struct vhdx_file_id, creator), err);

	if (!ret && xd_utf16_to_utf8(creator, sizeof(creator), false, text, sizeof(text)))
		tell_string(to, "creator", text);
	return ret;
}

static void tell_locator(const struct vhdx *v, const struct teller *to)
{
	static const char *const keys[] = {"parent_linkage", "parent_linkage2", "relative_path",
					   "volume_path", "absolute_win32_path"};
	static const char *const names[] = {"parent_linkage", "parent_linkage2",
					    "parent_relative_path", "parent_volume_path",
					    "parent_absolute_path"};
	char value[XD_PATH_MAX];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (vhdx_locator_get(v->locator, v->locator_length, keys[i], value, sizeof(value)))
			tell_string(to, names[i], value);
}

static int describe(struct xd_image *image, xd_fact_fn fn, void *ctx, struct xd_error *err)
{
	struct vhdx *v = image->state;
	struct teller to = {fn, ctx};
	struct vhdx_header header = header_now(v);
	int ret = tell_creator(v, &to, err);

	if (ret)
		return ret;
	tell_guid(&to, "disk_id", &v->disk_id);
	tell_guid(&to, "file_write_guid", &header.file_write_guid);
	tell_guid(&to, "data_write_guid", &header.data_write_guid);
	tell_number(&to, "header_sequence", header.sequence);
	tell_bool(&to, "log_dirty", v->replayed);
	tell_number(&to, "log_offset", v->log.offset);
	tell_number(&to, "log_size", v->log.length);
	tell_number(&to, "bat_offset", v->bat.offset);
	tell_number(&to, "bat_size", v->bat.length);
	if (v->has_parent)
		tell_locator(v, &to);
	return 0;
}

const struct xd_driver xd_vhdx_driver = {
    .format = XD_FORMAT_VHDX,
    .probe = probe,
    .open = open_image,
    .close = close_image,
    .create = vhdx_create,
    .map = vhdx_map,
    .writev = vhdx_writev,
    .zero = vhdx_zero,
    .discard = vhdx_discard,
    .flush = flush,
    .prepare_write = prepare_write,
    .info = info,
    .describe = describe,
    .parent_candidates = vhdx_parent_candidates,
    .parent_format = vhdx_parent_format,
    .parent_matches = vhdx_parent_matches,
    .set_parent = vhdx_set_parent,
    .resize = vhdx_resize,
    .compact = vhdx_compact,
    .check = vhdx_check,
};
