/* SPDX-License-Identifier: MIT */
/* The parent locator (§2.6.2.6): which file a differencing disk is made from, and how to tell that it is still the same. */
#include <stdio.h>
#include <stdlib.h>

#include "disk/vhdx.h"

static const struct vhdx_guid guid_vhdx = VHDX_LOCATOR_VHDX, guid_item = VHDX_META_PARENT_LOCATOR;

void vhdx_guid_text(const struct vhdx_guid *guid, char text[VHDX_GUID_TEXT])
{
	const uint8_t *b = guid->b;

	snprintf(text, VHDX_GUID_TEXT,
		 "{%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x}", b[3],
		 b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
		 b[14], b[15]);
}

/* Takes either case, with or without braces. */
static bool guid_parse(const char *text, struct vhdx_guid *guid)
{
	static const uint8_t place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	char plain[VHDX_GUID_TEXT];
	size_t length = strlen(text);

	if (length == VHDX_GUID_TEXT - 1 && text[0] == '{' && text[length - 1] == '}')
		snprintf(plain, sizeof(plain), "%.36s", text + 1);
	else if (length == 36)
		snprintf(plain, sizeof(plain), "%s", text);
	else
		return false;
	for (int i = 0, at = 0; i < 16; i++, at += 2) {
		unsigned int byte;
		int used = 0;

		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (plain[at++] != '-')
				return false;
		if (sscanf(plain + at, "%2x%n", &byte, &used) != 1 || used != 2)
			return false;
		guid->b[place[i]] = byte;
	}
	return true;
}

int vhdx_locator_validate(const uint8_t *item, uint32_t length, struct xd_error *err)
{
	struct vhdx_locator_header header;
	struct vhdx_locator_entry entry;

	if (length < sizeof(header))
		return xd_fail(err, XD_E_CORRUPT, XD_NO_OFFSET, "the parent locator is cut short");
	memcpy(&header, item, sizeof(header));
	if (!vhdx_guid_equal(&header.type, &guid_vhdx))
		return xd_fail(err, XD_E_UNSUPPORTED, XD_NO_OFFSET,
			       "the parent locator is of a kind that is not known here");
	if (header.key_value_count > (length - sizeof(header)) / sizeof(entry))
		return xd_fail(err, XD_E_CORRUPT, XD_NO_OFFSET,
			       "the parent locator has more keys than room for them");
	for (uint32_t i = 0; i < header.key_value_count; i++) {
		memcpy(&entry, item + sizeof(header) + i * sizeof(entry), sizeof(entry));
		if ((uint64_t)entry.key_offset + entry.key_length > length ||
		    (uint64_t)entry.value_offset + entry.value_length > length)
			return xd_fail(err, XD_E_CORRUPT, XD_NO_OFFSET,
				       "a string of the parent locator lies outside of it");
	}
	return 0;
}

bool vhdx_locator_get(const uint8_t *item, uint32_t length, const char *key, char *out, size_t size)
{
	struct vhdx_locator_header header;
	struct vhdx_locator_entry entry;
	char name[64];

	if (length < sizeof(header))
		return false;
	memcpy(&header, item, sizeof(header));
	for (uint32_t i = 0; i < header.key_value_count; i++) {
		memcpy(&entry, item + sizeof(header) + i * sizeof(entry), sizeof(entry));
		if (xd_utf16_to_utf8(item + entry.key_offset, entry.key_length, false, name,
				     sizeof(name)) &&
		    strcmp(name, key) == 0)
			return xd_utf16_to_utf8(item + entry.value_offset, entry.value_length,
						false, out, size);
	}
	return false;
}

struct pair {
	const char *key, *value;
};

static int build(const struct pair *pair, uint32_t count, uint8_t **out, uint32_t *length,
		 struct xd_error *err)
{
	struct vhdx_locator_header header = {.type = guid_vhdx, .key_value_count = count};
	uint32_t at = sizeof(header) + count * sizeof(struct vhdx_locator_entry);
	size_t room = at + 4; /* the converter asks for a whole surrogate pair's room */
	uint8_t *item;

	for (uint32_t i = 0; i < count; i++)
		room += 2 * (strlen(pair[i].key) + strlen(pair[i].value));
	item = calloc(1, room);
	if (!item)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for a parent locator");
	memcpy(item, &header, sizeof(header));
	for (uint32_t i = 0; i < count; i++) {
		ssize_t key = xd_utf8_to_utf16(pair[i].key, false, item + at, room - at);
		ssize_t value = key < 0 ? -1
					: xd_utf8_to_utf16(pair[i].value, false, item + at + key,
							   room - at - key);
		struct vhdx_locator_entry entry = {at, at + key, key, value};

		if (value < 0 || value > UINT16_MAX) {
			free(item);
			return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
				       "the parent's path is not UTF-8, or too long: %s",
				       pair[i].value);
		}
		memcpy(item + sizeof(header) + i * sizeof(entry), &entry, sizeof(entry));
		at += key + value;
	}
	*out = item;
	*length = at;
	return 0;
}

static void to_windows(char *path)
{
	for (; *path; path++)
		if (*path == '/')
			*path = '\\';
}

int vhdx_locator_build(const struct vhdx_guid *linkage, const char *child_path, const char *path,
		       uint8_t **out, uint32_t *length, struct xd_error *err)
{
	char text[VHDX_GUID_TEXT], relative[XD_PATH_MAX], absolute[XD_PATH_MAX], *whole = NULL;
	struct pair pair[3] = {{"parent_linkage", text}};
	uint32_t count = 1;

	vhdx_guid_text(linkage, text);
	if (path[0] != '/') {
		snprintf(relative, sizeof(relative), "%s", path);
		pair[count++] = (struct pair){"relative_path", relative};
	} else {
		if (child_path && xd_path_relative(child_path, path, relative, sizeof(relative)))
			pair[count++] = (struct pair){"relative_path", relative};
		whole = realpath(path, NULL);
		snprintf(absolute, sizeof(absolute), "%s", whole ? whole : path);
		free(whole);
		to_windows(absolute);
		pair[count++] = (struct pair){"absolute_win32_path", absolute};
	}
	/* §2.6.2.6.3: Windows' own parsers want a relative path to say that it is one. */
	if (count > 1 && pair[1].value == relative && relative[0] != '.') {
		char dotted[XD_PATH_MAX];

		if (snprintf(dotted, sizeof(dotted), "./%s", relative) < (int)sizeof(dotted))
			strcpy(relative, dotted);
	}
	if (count > 1 && pair[1].value == relative)
		to_windows(relative);
	return build(pair, count, out, length, err);
}

void vhdx_parent_id(const struct vhdx *v, uint8_t id[16])
{
	char text[VHDX_GUID_TEXT];
	struct vhdx_guid guid = {0};

	if (!vhdx_locator_get(v->locator, v->locator_length, "parent_linkage", text,
			      sizeof(text)) ||
	    !guid_parse(text, &guid))
		memset(&guid, 0, sizeof(guid));
	memcpy(id, guid.b, sizeof(guid.b));
}

int vhdx_parent_candidates(struct xd_image *image, xd_candidate_fn fn, void *ctx)
{
	/* The order of §2.6.2.6.3. */
	static const char *const keys[] = {"relative_path", "volume_path", "absolute_win32_path"};
	const struct vhdx *v = image->state;
	char windows[XD_PATH_MAX], path[XD_PATH_MAX];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (vhdx_locator_get(v->locator, v->locator_length, keys[i], windows,
				     sizeof(windows)) &&
		    xd_path_from_windows(windows, path, sizeof(path))) {
			int ret = fn(ctx, path);

			if (ret)
				return ret;
		}
	return 0;
}

enum xd_format vhdx_parent_format(struct xd_image *image)
{
	(void)image;
	return XD_FORMAT_VHDX;
}

int vhdx_parent_matches(struct xd_image *image, struct xd_image *parent, struct xd_error *err)
{
	static const char *const keys[] = {"parent_linkage", "parent_linkage2"};
	const struct vhdx *v = image->state, *p = parent->state;
	char text[VHDX_GUID_TEXT + 1];
	struct vhdx_guid guid;

	if (parent->driver != &xd_vhdx_driver)
		return xd_fail(err, XD_E_PARENT_CHANGED, XD_NO_OFFSET,
			       "a VHDX child needs a VHDX parent");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (vhdx_locator_get(v->locator, v->locator_length, keys[i], text, sizeof(text)) &&
		    guid_parse(text, &guid) && vhdx_guid_equal(&guid, &p->header.data_write_guid))
			return 0;
	vhdx_guid_text(&p->header.data_write_guid, text);
	return xd_fail(err, XD_E_PARENT_CHANGED, XD_NO_OFFSET,
		       "the parent was written to since the child was made: its data write GUID is "
		       "%s now",
		       text);
}

int vhdx_set_parent(struct xd_image *image, struct xd_image *parent, const char *path,
		    struct xd_error *err)
{
	struct vhdx *v = image->state;
	uint32_t length;
	uint8_t *item;
	int ret;

	if (parent->driver != &xd_vhdx_driver)
		return xd_fail(err, XD_E_UNSUPPORTED, XD_NO_OFFSET,
			       "a VHDX child needs a VHDX parent");
	if (parent->logical_sector != image->logical_sector)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "the parent's sectors are %u bytes, the child's %u",
			       parent->logical_sector, image->logical_sector);
	ret = vhdx_locator_build(&((struct vhdx *)parent->state)->header.data_write_guid,
				 image->path, path, &item, &length, err);
	if (ret)
		return ret;
	if (!(ret = vhdx_begin(v, false, err)) && !(ret = vhdx_commit(v, err))) {
		pthread_mutex_lock(&v->lock);
		ret = vhdx_meta_move(v, &guid_item, item, length, err);
		pthread_mutex_unlock(&v->lock);
	}
	if (!ret)
		ret = vhdx_commit(v, err);
	if (ret) {
		free(item);
		return ret;
	}
	free(v->locator);
	v->locator = item;
	v->locator_length = length;
	return 0;
}
