/* SPDX-License-Identifier: MIT */
/* xenolith image compact */
#include <stdio.h>

#include "cli/image.h"

struct args {
	const char *path;
	enum xd_format format;
};

static const struct argp_option options[] = {
    IMG_FORMAT_OPTION,
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->format = img_format(arg, state); return 0;
	default: return cli_operands(key, arg, state, (const char **[]){&a->path, NULL});
	}
}

static const struct argp argp = {options,
				 parse,
				 "IMAGE",
				 "Forgets blocks that hold nothing but zeros (in a child: nothing "
				 "at all) and closes the gaps in the file. The image is "
				 "valid at every moment; stopping loses nothing.",
				 NULL,
				 NULL,
				 NULL};

int image_compact(int argc, char **argv)
{
	struct args a = {0};
	struct xd_progress progress = img_progress("compacting");
	struct xd_image *image;
	struct xd_error err;
	int code = CLI_OK;

	cli_parse(&argp, argc, argv, &a);
	image = img_open(a.path, a.format, XD_OPEN_WRITE);
	if (!image)
		return CLI_FAILED;
	cli_catch_signals();
	if (xd_compact(image, &progress, &err))
		code = img_fail(a.path, &err);
	img_progress_end();
	return img_close(image, a.path, code);
}
