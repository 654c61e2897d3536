/* SPDX-License-Identifier: MIT */
/* What the verbs of `xenolith image` share. Who calls this: cli/image*.c. */
#ifndef XENOLITH_CLI_IMAGE_H
#define XENOLITH_CLI_IMAGE_H

#include <json-c/json.h>

#include "cli/cli.h"
#include "disk/xdisk.h"

int image_info(int argc, char **argv);
int image_create(int argc, char **argv);
int image_convert(int argc, char **argv);
int image_check(int argc, char **argv);
int image_repair(int argc, char **argv);
int image_resize(int argc, char **argv);
int image_compact(int argc, char **argv);
int image_map(int argc, char **argv);
int image_diff(int argc, char **argv);
int image_merge(int argc, char **argv);
int image_rebase(int argc, char **argv);
int image_relink(int argc, char **argv);

#define IMG_FORMAT_OPTION                                                                 \
	{                                                                                 \
		"format", 'f', "FORMAT", 0, "raw, vhd or vhdx; else the content tells", 0 \
	}
/* The same of CHILD and PARENT, for verbs that are told of both. */
#define IMG_CHILD_FORMAT_OPTION                                                                   \
	{                                                                                         \
		"format", 'f', "FORMAT", 0, "of CHILD: raw, vhd or vhdx; else the content tells", \
		    0                                                                             \
	}
#define IMG_PARENT_FORMAT_OPTION                                                   \
	{                                                                          \
		"parent-format", 'p', "FORMAT", 0, "of PARENT, in the same way", 0 \
	}

/* The error as one line on standard error, with code and file offset. Returns the exit code that fits it. */
int img_fail(const char *path, const struct xd_error *err);
/* Opens, or complains and returns NULL. */
struct xd_image *img_open(const char *path, enum xd_format format, uint32_t flags);
/* Closes; an error counts unless there was one before. Returns the exit code. */
int img_close(struct xd_image *image, const char *path, int code);
/* The format that -f NAME names; ends with a usage error where it is none of raw, vhd, vhdx. */
enum xd_format img_format(const char *name, struct argp_state *state);
enum xd_profile img_profile(const char *name, struct argp_state *state);
/* What was asked for a new image that its format does not have: complains. An exit code. `how` has format and type. */
int img_check_asked(const char *path, const struct xd_create *how);
/* By the file name's ending; NULL where that says nothing. "qcow2" and "vmdk" come out too. */
const char *img_format_of_name(const char *path);

/* A string for JSON, which is UTF-8: what is none of `text`, as a file's name may have it, becomes U+FFFD. */
json_object *img_json_text(const char *text);

/* --- progress (cli/progress.c) ------------------------------------------------------------------------------------------ */

/* A bar on standard error where that is a terminal. fn also says stop after Ctrl-C. */
struct xd_progress img_progress(const char *what);
void img_progress_end(void);

/* --- a file that appears whole or not at all (cli/whole.c) -------------------------------------------------------------- */

struct whole {
	const char *path;
	char temporary[XD_PATH_MAX]; /* beside it */
	bool replace;
};

/* Refuses where path exists and replace is not set, or is in use, but by us as `source` (or NULL). Returns an exit code. */
int whole_begin(struct whole *w, const char *path, bool replace, const char *source);
/* Syncs the folder and gives the file its name; without replace fails where the name has been taken since. */
int whole_commit(struct whole *w);
void whole_drop(struct whole *w);

#endif
