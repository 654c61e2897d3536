/* SPDX-License-Identifier: MIT */
/* Opening, closing and failing, the same for all verbs. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/image.h"

int img_fail(const char *path, const struct xd_error *err)
{
	size_t length = strlen(path);
	bool named = !strncmp(err->message, path, length) && err->message[length] == ':';

	if (named) /* what failed is the file itself, and the message begins with its name */
		cli_complain("%s", err->message);
	else if (err->offset == XD_NO_OFFSET)
		cli_complain("%s: %s: %s", path, xd_code_name(err->code), err->message);
	else
		cli_complain("%s: %s: %s (at byte %llu of the file)", path, xd_code_name(err->code),
			     err->message, (unsigned long long)err->offset);
	return err->code == XD_E_CANCELLED ? CLI_STOPPED : CLI_FAILED;
}

struct xd_image *img_open(const char *path, enum xd_format format, uint32_t flags)
{
	struct xd_open how = {.path = path, .format = format, .flags = flags};
	struct xd_image *image;
	struct xd_error err;

	if (!xd_open_with(&how, &image, &err))
		return image;
	img_fail(path, &err);
	return NULL;
}

int img_close(struct xd_image *image, const char *path, int code)
{
	struct xd_error err;

	if (!xd_close(image, &err) || code)
		return code;
	return img_fail(path, &err);
}

enum xd_format img_format(const char *name, struct argp_state *state)
{
	enum xd_format format = xd_format_by_name(name);

	if (format == XD_FORMAT_ANY)
		argp_error(state, "\"%s\" is none of raw, vhd, vhdx", name);
	return format;
}

enum xd_profile img_profile(const char *name, struct argp_state *state)
{
	enum xd_profile profile = xd_profile_by_name(name);

	if (profile == XD_PROFILE_NONE)
		argp_error(state, "\"%s\" is none of azure, hyperv, xenserver", name);
	return profile;
}

/* The bytes of the UTF-8 character that begins here, 0 where none does. */
static size_t character(const char *text)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t c = (unsigned char)text[0];
	size_t length = c < 0x80   ? 1
			: c < 0xc0 ? 0
			: c < 0xe0 ? 2
			: c < 0xf0 ? 3
			: c < 0xf8 ? 4
				   : 0;

	if (length > 1)
		c &= 0x7fu >> length;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	return length && (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		   ? 0
		   : length;
}

json_object *img_json_text(const char *text)
{
	static const char unknown[] = "\xef\xbf\xbd";
	char *utf8 = malloc(strlen(text) * strlen(unknown) + 1), *to = utf8;
	json_object *string;

	while (utf8 && *text) {
		size_t length = character(text);

		to = mempcpy(to, length ? text : unknown, length ? length : strlen(unknown));
		text += length ? length : 1;
	}
	string = json_object_new_string_len(utf8 ? utf8 : "", utf8 ? to - utf8 : 0);
	free(utf8);
	return string;
}

static const char *too_much(const struct xd_create *how)
{
	bool vhdx = how->format == XD_FORMAT_VHDX, vhd = how->format == XD_FORMAT_VHD;
	bool fixed = how->type == XD_TYPE_FIXED;

	if (how->profile && !vhd && (!vhdx || how->profile == XD_PROFILE_XENSERVER))
		return "the profile is for VHD, and hyperv for VHDX too; name the image so";
	if (how->format == XD_FORMAT_ANY && fixed)
		return "--fixed is for raw, VHD and VHDX";
	if (how->block_size && !vhdx && (!vhd || fixed))
		return "--block-size is for VHDX and dynamic VHD";
	if ((how->logical_sector > 512 || how->physical_sector > 512) && !vhdx)
		return "sectors of more than 512 bytes are for VHDX";
	if ((how->flags & XD_CREATE_PREALLOC) && !fixed)
		return "--preallocate is for fixed images; add --fixed";
	return NULL;
}

int img_check_asked(const char *path, const struct xd_create *how)
{
	const char *why = too_much(how);

	return why ? cli_complain("%s: %s", path, why), CLI_USAGE : CLI_OK;
}

const char *img_format_of_name(const char *path)
{
	static const char *const endings[][2] = {
	    {".vhd", "vhd"},  {".vpc", "vhd"},     {".vhdx", "vhdx"},
	    {".avhd", "vhd"}, {".avhdx", "vhdx"},  {".raw", "raw"},
	    {".img", "raw"},  {".qcow2", "qcow2"}, {".vmdk", "vmdk"},
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(endings) / sizeof(endings[0]); i++)
		if (!strcasecmp(dot, endings[i][0]))
			return endings[i][1];
	return NULL;
}
