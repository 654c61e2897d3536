/* SPDX-License-Identifier: MIT */
/* xenolith image merge */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/image.h"

struct args {
	const char *path;
	enum xd_format format;
	bool remove;
};

static const struct argp_option options[] = {
    IMG_FORMAT_OPTION,
    {"delete", 'd', NULL, 0, "delete the child once its parent holds its data", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->format = img_format(arg, state); return 0;
	case 'd': a->remove = true; return 0;
	default: return cli_operands(key, arg, state, (const char **[]){&a->path, NULL});
	}
}

static const struct argp argp = {options,
				 parse,
				 "CHILD",
				 "Writes what CHILD holds into its parent, in place. Stopped or "
				 "cut off, it can be started again: CHILD stays as it is. "
				 "Other children of the same parent are worthless afterwards.",
				 NULL,
				 NULL,
				 NULL};

int image_merge(int argc, char **argv)
{
	struct args a = {0};
	struct xd_progress progress = img_progress("merging");
	struct xd_image *image;
	struct xd_error err;
	int code = CLI_OK;

	cli_parse(&argp, argc, argv, &a);
	image = img_open(a.path, a.format, XD_OPEN_WRITE_PARENT);
	if (!image)
		return CLI_FAILED;
	cli_catch_signals();
	if (xd_merge(image, &progress, &err))
		code = img_fail(a.path, &err);
	img_progress_end();
	code = img_close(image, a.path, code);
	if (!code && a.remove && unlink(a.path))
		code = cli_complain("%s: could not be deleted", a.path);
	return code;
}
