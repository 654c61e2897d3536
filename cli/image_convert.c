/* SPDX-License-Identifier: MIT */
/* xenolith image convert */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/copy.h"

enum { OPT_FIXED = 0x100, OPT_BLOCK, OPT_PROFILE, OPT_PREALLOC, OPT_LOGICAL, OPT_SIZE };

#define PIPE_START (1ull << 30) /* a pipe does not tell how long it is */

struct args {
	const char *from, *to;
	const char *from_format, *to_format;
	bool fixed, force;
	unsigned workers;
	struct xd_create how;
};

static const struct argp_option options[] = {
    {"from", 'f', "FORMAT", 0,
     "of SOURCE: raw, vhd, vhdx, qcow2, vmdk…; else its content or name tells", 0},
    {"to", 'O', "FORMAT", 0, "of TARGET: raw, vhd, vhdx, qcow2, vmdk…; else its name tells", 0},
    {"fixed", OPT_FIXED, NULL, 0, "a fixed image, not a dynamic one", 0},
    {"block-size", OPT_BLOCK, "SIZE", 0, "unit of allocation", 0},
    {"logical-sector", OPT_LOGICAL, "BYTES", 0, "512 or, VHDX only, 4096", 0},
    {"profile", OPT_PROFILE, "NAME", 0, "as azure, hyperv or xenserver wants it", 0},
    {"preallocate", OPT_PREALLOC, NULL, 0, "fixed: take the space on the host now", 0},
    {"size", OPT_SIZE, "SIZE", 0, "of the disk, for a pipe; what is left reads as zero", 0},
    {"workers", 'w', "N", 0, "threads; else one for each processor", 0},
    {"force", 'F', NULL, 0, "overwrite", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->from_format = arg; return 0;
	case 'O': a->to_format = arg; return 0;
	case OPT_FIXED: a->fixed = true; return 0;
	case OPT_BLOCK: a->how.block_size = cli_size32(arg, state); return 0;
	case OPT_LOGICAL: a->how.logical_sector = cli_size32(arg, state); return 0;
	case OPT_PROFILE: a->how.profile = img_profile(arg, state); return 0;
	case OPT_PREALLOC: a->how.flags |= XD_CREATE_PREALLOC; return 0;
	case OPT_SIZE: a->how.virtual_size = cli_size(arg, state); return 0;
	case 'w': a->workers = cli_size32(arg, state); return 0;
	case 'F': a->force = true; return 0;
	default: return cli_operands(key, arg, state, (const char **[]){&a->from, &a->to, NULL});
	}
}

static const struct argp argp = {options,
				 parse,
				 "SOURCE TARGET",
				 "Copies a disk, with all its chain, into a new image. \"-\" is "
				 "standard input (a raw disk, unless -f names another format) or "
				 "standard output. Formats "
				 "other than raw, vhd and vhdx go by way of qemu-nbd. TARGET "
				 "appears when it is whole and synced, not before.",
				 NULL,
				 NULL,
				 NULL};

static bool is_pipe(const char *path)
{
	struct stat st;

	return !strcmp(path, "-") && !fstat(STDIN_FILENO, &st) && !S_ISREG(st.st_mode) &&
	       !S_ISBLK(st.st_mode);
}

/* An image other than raw has to be whole before it can be read: a pipe is spooled. */
static const char *spooled(char out[32])
{
	struct xd_error err;
	int fd = spool_pipe(&err);

	if (fd < 0) {
		img_fail("standard input", &err);
		return NULL;
	}
	/* By our process id: qemu-nbd, another process, may have to find it. */
	snprintf(out, 32, "/proc/%d/fd/%d", getpid(), fd);
	return out;
}

/* A format of ours by content, but for standard input's; another's has to be named, or be told by the file's name. */
static int open_source(const struct args *a, struct source *s)
{
	char spool[32];
	const char *path = strcmp(a->from, "-") ? a->from
			   : is_pipe(a->from)   ? spooled(spool)
						: "/dev/stdin";
	const char *name = a->from_format ? a->from_format : path ? img_format_of_name(path) : NULL;
	enum xd_format format = a->from_format         ? xd_format_by_name(a->from_format)
				: strcmp(a->from, "-") ? XD_FORMAT_ANY
						       : XD_FORMAT_RAW;

	if (!path)
		return CLI_FAILED;
	if (name && xd_format_by_name(name) == XD_FORMAT_ANY)
		return source_open_nbd(s, path, name);
	return source_open_image(s, path, path == a->from ? path : "standard input", format);
}

static int pick_target(struct args *a)
{
	const char *name = img_format_of_name(a->to);

	if (!a->to_format)
		a->to_format = name;
	if (!a->to_format && a->how.profile)
		a->to_format = a->how.profile == XD_PROFILE_HYPERV ? "vhdx" : "vhd";
	if (!a->to_format)
		return cli_complain("%s: which format? Say -O raw, vhd, vhdx, qcow2 or vmdk",
				    a->to),
		       CLI_USAGE;
	a->how.format = xd_format_by_name(a->to_format);
	a->fixed |= a->how.format == XD_FORMAT_RAW || a->how.profile == XD_PROFILE_AZURE;
	a->how.type = a->fixed ? XD_TYPE_FIXED : XD_TYPE_DYNAMIC;
	if (!a->workers)
		a->workers = sysconf(_SC_NPROCESSORS_ONLN);
	return img_check_asked(a->to, &a->how);
}

static int finish(struct args *a, struct whole *file, int r, const struct xd_error *err)
{
	img_progress_end();
	if (!r)
		return whole_commit(file);
	whole_drop(file);
	return img_fail(a->to, err);
}

/* --- the ways there ----------------------------------------------------------------------------------------------------- */

static int make_target(struct args *a, struct whole *file, struct xd_error *err)
{
	a->how.path = file->temporary;
	a->how.flags |= XD_CREATE_OVERWRITE;
	return xd_create(&a->how, err);
}

static int from_pipe(struct args *a, struct whole *file)
{
	struct xd_error err;
	struct sink to;
	bool sized = a->how.virtual_size;
	int r;

	if (!sized)
		a->how.virtual_size = PIPE_START;
	r = make_target(a, file, &err);
	if (!r && sink_open_image(&to, file->temporary, a->how.format)) {
		whole_drop(file);
		return CLI_FAILED;
	}
	if (!r) {
		r = copy_pipe(STDIN_FILENO, to.image, &err);
		if (!r && sized && xd_get_size(to.image) < a->how.virtual_size)
			r = xd_resize(to.image, a->how.virtual_size, 0, &err);
		if (!r)
			r = to.finish(&to, &err);
		to.close(&to);
	}
	return finish(a, file, r, &err);
}

static int to_file(struct args *a, struct source *from, struct whole *file)
{
	struct xd_progress progress = img_progress("converting");
	struct xd_error err;
	struct sink to;
	int r = a->how.format ? make_target(a, file, &err) : 0, code;

	if (r)
		return finish(a, file, r, &err);
	code = a->how.format ? sink_open_image(&to, file->temporary, a->how.format)
			     : sink_open_nbd(&to, file->temporary, a->to_format, from->size);
	if (code) {
		whole_drop(file);
		return code;
	}
	r = copy_disk(from, &to, a->workers, &progress, &err);
	to.close(&to);
	return finish(a, file, r, &err);
}

static int to_stdout(struct args *a, struct source *from)
{
	struct xd_progress progress = img_progress("converting");
	struct xd_error err;
	int r;

	if (isatty(STDOUT_FILENO))
		return cli_complain("an image on a terminal helps nobody");
	if (!a->how.format)
		return cli_complain("%s cannot be streamed", a->to_format);
	r = stream_image(from, &a->how, STDOUT_FILENO, &progress, &err);
	img_progress_end();
	return r ? img_fail("standard output", &err) : CLI_OK;
}

static int convert(struct args *a, struct source *from)
{
	struct whole file;
	int code;

	if (a->how.virtual_size)
		return cli_complain("--size: only a pipe with a raw disk does not tell its own"),
		       CLI_USAGE;
	a->how.virtual_size = from->size;
	if (!a->how.logical_sector)
		a->how.logical_sector = from->logical_sector;
	if (!strcmp(a->to, "-"))
		return to_stdout(a, from);
	code = whole_begin(&file, a->to, a->force, a->from);
	return code ? code : to_file(a, from, &file);
}

int image_convert(int argc, char **argv)
{
	struct args a = {0};
	struct source from;
	struct whole file;
	int code;

	cli_parse(&argp, argc, argv, &a);
	if ((code = pick_target(&a)))
		return code;
	cli_catch_signals();
	if (is_pipe(a.from) &&
	    (!a.from_format || xd_format_by_name(a.from_format) == XD_FORMAT_RAW)) {
		if (!strcmp(a.to, "-"))
			return cli_complain(
			    "from a pipe to standard output: a file has to be between");
		if (!a.how.format)
			return cli_complain("a pipe can become raw, vhd or vhdx only");
		code = whole_begin(&file, a.to, a.force, NULL);
		return code ? code : from_pipe(&a, &file);
	}
	if ((code = open_source(&a, &from)))
		return code;
	code = convert(&a, &from);
	from.close(&from);
	return code;
}
