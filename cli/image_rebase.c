/* SPDX-License-Identifier: MIT */
/* xenolith image rebase, and relink: another parent, or the same one in another place */
#include <stdlib.h>

#include "cli/image.h"

struct args {
	const char *child, *parent;
	enum xd_format child_format, parent_format;
	bool force;
};

static const struct argp_option rebase_options[] = {
    IMG_CHILD_FORMAT_OPTION,
    IMG_PARENT_FORMAT_OPTION,
    {0},
};
static const struct argp_option relink_options[] = {
    IMG_CHILD_FORMAT_OPTION,
    IMG_PARENT_FORMAT_OPTION,
    {"force", 'F', NULL, 0, "even if the parent's identity is not the recorded one", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->child_format = img_format(arg, state); return 0;
	case 'p': a->parent_format = img_format(arg, state); return 0;
	case 'F': a->force = true; return 0;
	default:
		return cli_operands(key, arg, state,
				    (const char **[]){&a->child, &a->parent, NULL});
	}
}

static const struct argp rebase_argp = {
    rebase_options,
    parse,
    "CHILD PARENT",
    "Makes PARENT the parent of CHILD while the disk that CHILD shows stays the same: what its old "
    "chain and PARENT differ in "
    "is copied into CHILD first.",
    NULL,
    NULL,
    NULL};
static const struct argp relink_argp = {
    relink_options,
    parse,
    "CHILD PARENT",
    "Records that CHILD's parent is now at PARENT. No data is touched.",
    NULL,
    NULL,
    NULL};

static int with_images(const struct args *a, uint32_t child_flags,
		       int (*fn)(const struct args *a, struct xd_image *child,
				 struct xd_image *parent, const char *path))
{
	struct xd_image *child = img_open(a->child, a->child_format, child_flags | XD_OPEN_WRITE),
			*parent;
	char *real = realpath(a->parent, NULL);
	int code = CLI_FAILED;

	parent = child ? img_open(a->parent, a->parent_format, 0) : NULL;
	if (parent) {
		code = fn(a, child, parent, real ? real : a->parent);
		code = img_close(parent, a->parent, code);
	}
	free(real);
	return child ? img_close(child, a->child, code) : code;
}

static int rebase(const struct args *a, struct xd_image *child, struct xd_image *parent,
		  const char *path)
{
	struct xd_progress progress = img_progress("rebasing");
	struct xd_error err;
	int code = CLI_OK;

	cli_catch_signals();
	if (xd_rebase(child, parent, path, &progress, &err))
		code = img_fail(a->child, &err);
	img_progress_end();
	return code;
}

static bool same_id(const uint8_t *a, const uint8_t *b)
{
	for (int i = 0; i < 16; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

static int relink(const struct args *a, struct xd_image *child, struct xd_image *parent,
		  const char *path)
{
	struct xd_info mine, theirs;
	struct xd_error err;

	xd_get_info(child, &mine);
	xd_get_info(parent, &theirs);
	if (!a->force && !same_id(mine.parent_id, theirs.id))
		return cli_complain(
		    "%s is not what %s was made from; --force links it all the same", a->parent,
		    a->child);
	return xd_set_parent(child, parent, path, &err) ? img_fail(a->child, &err) : CLI_OK;
}

int image_rebase(int argc, char **argv)
{
	struct args a = {0};

	cli_parse(&rebase_argp, argc, argv, &a);
	return with_images(&a, 0, rebase);
}

int image_relink(int argc, char **argv)
{
	struct args a = {0};

	cli_parse(&relink_argp, argc, argv, &a);
	return with_images(&a, XD_OPEN_NO_PARENTS, relink);
}
