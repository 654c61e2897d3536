/* SPDX-License-Identifier: MIT */
/* xenolith image diff */
#include <stdlib.h>
#include <string.h>

#include "cli/image.h"

enum { OPT_BLOCK = 0x100, OPT_PROFILE, OPT_NAME };

struct args {
	const char *parent, *child;
	enum xd_format format;
	bool force;
	struct xd_create how;
};

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0,
     "of PARENT, and of CHILD with it: vhd or vhdx; else the content tells", 0},
    {"block-size", OPT_BLOCK, "SIZE", 0, "unit of allocation", 0},
    {"profile", OPT_PROFILE, "NAME", 0, "as hyperv or xenserver wants it", 0},
    {"parent-name", OPT_NAME, "PATH", 0, "how the child names the parent", 0},
    {"force", 'F', NULL, 0, "overwrite", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->format = img_format(arg, state); return 0;
	case OPT_BLOCK: a->how.block_size = cli_size32(arg, state); return 0;
	case OPT_PROFILE: a->how.profile = img_profile(arg, state); return 0;
	case OPT_NAME: a->how.parent_path = arg; return 0;
	case 'F': a->force = true; return 0;
	default:
		return cli_operands(key, arg, state,
				    (const char **[]){&a->parent, &a->child, NULL});
	}
}

static const struct argp argp = {options,
				 parse,
				 "PARENT CHILD",
				 "Makes CHILD, an image in PARENT's format that holds nothing yet "
				 "and shows PARENT. From then on PARENT must not be "
				 "written to.",
				 NULL,
				 NULL,
				 NULL};

int image_diff(int argc, char **argv)
{
	struct args a = {0};
	struct whole file;
	struct xd_info info;
	struct xd_error err;
	char *real;
	int code;

	cli_parse(&argp, argc, argv, &a);
	a.how.parent = img_open(a.parent, a.format, 0);
	if (!a.how.parent)
		return CLI_FAILED;
	xd_get_info(a.how.parent, &info);
	a.how.format = info.format;
	a.how.type = XD_TYPE_DIFF;
	a.how.flags = XD_CREATE_OVERWRITE;
	a.how.logical_sector = info.logical_sector;
	/* Absolute: the library derives the relative form from it and the child's place. */
	real = realpath(a.parent, NULL);
	if (!a.how.parent_path)
		a.how.parent_path = real ? real : a.parent;
	code = whole_begin(&file, a.child, a.force, NULL);
	if (!code) {
		a.how.path = file.temporary;
		code = xd_create(&a.how, &err) ? img_fail(a.child, &err) : CLI_OK;
		if (code)
			whole_drop(&file);
		else
			code = whole_commit(&file);
	}
	free(real);
	return img_close(a.how.parent, a.parent, code);
}
