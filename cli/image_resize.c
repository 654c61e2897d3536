/* SPDX-License-Identifier: MIT */
/* xenolith image resize */
#include "cli/image.h"

struct args {
	const char *path, *size;
	enum xd_format format;
	uint64_t bytes;
	bool shrink;
};

static const struct argp_option options[] = {
    IMG_FORMAT_OPTION,
    {"shrink", 's', NULL, 0, "allow a smaller disk: what lies past its end is lost", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->format = img_format(arg, state); return 0;
	case 's': a->shrink = true; return 0;
	case ARGP_KEY_SUCCESS: a->bytes = cli_size(a->size + (*a->size == '+'), state); return 0;
	default: return cli_operands(key, arg, state, (const char **[]){&a->path, &a->size, NULL});
	}
}

static const struct argp argp = {
    options,
    parse,
    "IMAGE [+]SIZE",
    "Sets the size of the disk, or with + makes it bigger by SIZE. The file system in it stays as "
    "it is.",
    NULL,
    NULL,
    NULL};

int image_resize(int argc, char **argv)
{
	struct args a = {0};
	struct xd_image *image;
	struct xd_error err;
	int code = CLI_OK;

	cli_parse(&argp, argc, argv, &a);
	image = img_open(a.path, a.format, XD_OPEN_WRITE);
	if (!image)
		return CLI_FAILED;
	if (*a.size == '+')
		a.bytes += xd_get_size(image);
	if (xd_resize(image, a.bytes, a.shrink ? XD_RESIZE_SHRINK : 0, &err))
		code = img_fail(a.path, &err);
	return img_close(image, a.path, code);
}
