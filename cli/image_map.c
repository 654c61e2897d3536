/* SPDX-License-Identifier: MIT */
/* xenolith image map */
#include <stdio.h>

#include "cli/image.h"

struct args {
	const char *path;
	enum xd_format format;
	bool json, shallow;
};

static const struct argp_option options[] = {
    IMG_FORMAT_OPTION,
    CLI_JSON_OPTION,
    {"shallow", 's', NULL, 0, "this layer alone", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->format = img_format(arg, state); return 0;
	case 'j': a->json = true; return 0;
	case 's': a->shallow = true; return 0;
	default: return cli_operands(key, arg, state, (const char **[]){&a->path, NULL});
	}
}

static const struct argp argp = {options, parse, "IMAGE", "Lists where the disk's bytes are.",
				 NULL,    NULL,  NULL};

static const char *const kinds[] = {"data", "zero", "hole", "parent"};

static void print_json(const struct xd_run *run, bool first)
{
	printf("%s  {\"start\": %llu, \"length\": %llu, \"kind\": \"%s\", \"depth\": %u",
	       first ? "" : ",\n", (unsigned long long)run->offset, (unsigned long long)run->length,
	       kinds[run->kind], run->depth);
	if (run->kind == XD_KIND_DATA)
		printf(", \"offset\": %llu", (unsigned long long)run->file_offset);
	putchar('}');
}

static void print_text(const struct xd_run *run)
{
	printf("%16llu %16llu %-6s", (unsigned long long)run->offset,
	       (unsigned long long)run->length, kinds[run->kind]);
	if (run->kind == XD_KIND_DATA)
		printf(" %16llu  %s", (unsigned long long)run->file_offset,
		       xd_get_path(run->layer));
	putchar('\n');
}

static int list(struct xd_image *image, const struct args *a, struct xd_error *err)
{
	uint64_t size = xd_get_size(image);
	uint32_t flags = XD_MAP_HOLES | (a->shallow ? XD_MAP_SHALLOW : 0);

	for (uint64_t at = 0; at < size;) {
		struct xd_run runs[256];
		size_t count = 256;
		int r = xd_map(image, at, size - at, flags, runs, &count, err);

		if (r)
			return r;
		for (size_t i = 0; i < count; at += runs[i++].length)
			a->json ? print_json(&runs[i], !at) : print_text(&runs[i]);
	}
	return 0;
}

int image_map(int argc, char **argv)
{
	struct args a = {0};
	struct xd_image *image;
	struct xd_error err;
	int code = CLI_OK;

	cli_parse(&argp, argc, argv, &a);
	image = img_open(a.path, a.format, a.shallow ? XD_OPEN_NO_PARENTS : 0);
	if (!image)
		return CLI_FAILED;
	if (a.json)
		puts("[");
	else
		printf("%16s %16s %-6s %16s  %s\n", "start", "length", "kind", "file offset",
		       "file");
	if (list(image, &a, &err))
		code = img_fail(a.path, &err);
	if (a.json)
		puts("\n]");
	return img_close(image, a.path, code);
}
