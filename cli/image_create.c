/* SPDX-License-Identifier: MIT */
/* xenolith image create */
#include <string.h>

#include "cli/image.h"

enum { OPT_FIXED = 0x100, OPT_BLOCK, OPT_LOGICAL, OPT_PHYSICAL, OPT_PROFILE, OPT_PREALLOC };

struct args {
	const char *path, *size;
	bool fixed, force;
	struct xd_create how;
};

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "raw, vhd or vhdx; else the name's ending tells", 0},
    {"fixed", OPT_FIXED, NULL, 0, "a fixed image, not a dynamic one", 0},
    {"block-size", OPT_BLOCK, "SIZE", 0, "unit of allocation", 0},
    {"logical-sector", OPT_LOGICAL, "BYTES", 0, "512 or, VHDX only, 4096", 0},
    {"physical-sector", OPT_PHYSICAL, "BYTES", 0, "512 or 4096, VHDX only", 0},
    {"profile", OPT_PROFILE, "NAME", 0, "as azure, hyperv or xenserver wants it", 0},
    {"preallocate", OPT_PREALLOC, NULL, 0, "fixed: take the space on the host now", 0},
    {"force", 'F', NULL, 0, "overwrite", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->how.format = img_format(arg, state); return 0;
	case OPT_FIXED: a->fixed = true; return 0;
	case OPT_BLOCK: a->how.block_size = cli_size32(arg, state); return 0;
	case OPT_LOGICAL: a->how.logical_sector = cli_size32(arg, state); return 0;
	case OPT_PHYSICAL: a->how.physical_sector = cli_size32(arg, state); return 0;
	case OPT_PROFILE: a->how.profile = img_profile(arg, state); return 0;
	case OPT_PREALLOC: a->how.flags |= XD_CREATE_PREALLOC; return 0;
	case 'F': a->force = true; return 0;
	case ARGP_KEY_SUCCESS: a->how.virtual_size = cli_size(a->size, state); return 0;
	default: return cli_operands(key, arg, state, (const char **[]){&a->path, &a->size, NULL});
	}
}

static const struct argp argp = {options, parse, "IMAGE SIZE", "Makes a new, empty image.",
				 NULL,    NULL,  NULL};

int image_create(int argc, char **argv)
{
	struct args a = {0};
	struct whole file;
	struct xd_error err;
	int code;

	cli_parse(&argp, argc, argv, &a);
	if (!a.how.format && img_format_of_name(a.path))
		a.how.format = xd_format_by_name(img_format_of_name(a.path));
	if (!a.how.format && a.how.profile)
		a.how.format = a.how.profile == XD_PROFILE_HYPERV ? XD_FORMAT_VHDX : XD_FORMAT_VHD;
	if (!a.how.format)
		return cli_complain("%s: which format? Say -f raw, vhd or vhdx", a.path), CLI_USAGE;
	a.fixed |= a.how.format == XD_FORMAT_RAW || a.how.profile == XD_PROFILE_AZURE;
	a.how.type = a.fixed ? XD_TYPE_FIXED : XD_TYPE_DYNAMIC;
	cli_catch_signals();
	if ((code = img_check_asked(a.path, &a.how)) ||
	    (code = whole_begin(&file, a.path, a.force, NULL)))
		return code;
	a.how.path = file.temporary;
	a.how.flags |= XD_CREATE_OVERWRITE;
	code = xd_create(&a.how, &err);
	if (!code && !cli_stopped())
		return whole_commit(&file);
	whole_drop(&file);
	return cli_stopped() ? CLI_STOPPED : img_fail(a.path, &err);
}
