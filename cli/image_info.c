/* SPDX-License-Identifier: MIT */
/* xenolith image info */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/image.h"

struct args {
	const char *path;
	enum xd_format format;
	bool json, all;
};

static const struct argp_option options[] = {
    IMG_FORMAT_OPTION,
    CLI_JSON_OPTION,
    {"chain", 'c', NULL, 0, "all layers, down to the last parent", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->format = img_format(arg, state); return 0;
	case 'j': a->json = true; return 0;
	case 'c': a->all = true; return 0;
	default: return cli_operands(key, arg, state, (const char **[]){&a->path, NULL});
	}
}

static const struct argp argp = {
    options, parse,
    "IMAGE", "Tells what an image is: format, sizes and which of them counts, creator, chain, log.",
    NULL,    NULL,
    NULL};

static json_object *number(uint64_t n)
{
	return json_object_new_uint64(n);
}

/* A key that comes twice becomes a list. */
static void add_fact(void *ctx, const struct xd_fact *fact)
{
	json_object *value = fact->kind == XD_FACT_STRING ? img_json_text(fact->string)
			     : fact->kind == XD_FACT_BOOL ? json_object_new_boolean(fact->number)
							  : number(fact->number);
	json_object *old;

	if (!json_object_object_get_ex(ctx, fact->key, &old)) {
		json_object_object_add(ctx, fact->key, value);
	} else if (json_object_is_type(old, json_type_array)) {
		json_object_array_add(old, value);
	} else {
		json_object *list = json_object_new_array();

		json_object_array_add(list, json_object_get(old));
		json_object_array_add(list, value);
		json_object_object_add(ctx, fact->key, list);
	}
}

static uint64_t on_disk(struct xd_image *image)
{
	struct stat st;

	return fstat(xd_get_fd(image), &st) ? 0 : st.st_blocks * 512ull;
}

static json_object *describe(struct xd_image *image)
{
	json_object *out = json_object_new_object(), *facts = json_object_new_object();
	struct xd_info info;

	xd_get_info(image, &info);
	json_object_object_add(out, "path", img_json_text(xd_get_path(image)));
	json_object_object_add(out, "format", json_object_new_string(xd_format_name(info.format)));
	json_object_object_add(out, "type", json_object_new_string(xd_type_name(info.type)));
	json_object_object_add(out, "virtual_size", number(info.virtual_size));
	json_object_object_add(out, "file_size", number(info.file_size));
	json_object_object_add(out, "on_disk", number(on_disk(image)));
	if (info.block_size)
		json_object_object_add(out, "block_size", number(info.block_size));
	json_object_object_add(out, "logical_sector", number(info.logical_sector));
	json_object_object_add(out, "physical_sector", number(info.physical_sector));
	json_object_object_add(out, "data_alignment", number(info.data_align));
	xd_describe(image, add_fact, facts, NULL);
	json_object_object_add(out, xd_format_name(info.format), facts);
	return out;
}

static bool is_bytes(const char *key)
{
	size_t n = strlen(key);

	return (n > 4 && !strcmp(key + n - 4, "size")) || !strcmp(key, "on_disk") ||
	       !strcmp(key, "data_alignment");
}

/* Seconds since 1970, as a VHD's are shown. */
static bool is_time(const char *key)
{
	return !strcmp(key, "created") || !strcmp(key, "parent_timestamp");
}

static void print_time(time_t when)
{
	char text[32];
	struct tm utc;

	gmtime_r(&when, &utc);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
	fputs(text, stdout);
}

static void print_value(const char *key, json_object *value)
{
	char human[16];

	if (is_time(key))
		print_time(json_object_get_int64(value));
	else if (json_object_is_type(value, json_type_int) && is_bytes(key))
		printf("%s (%llu bytes)", cli_human(json_object_get_uint64(value), human),
		       (unsigned long long)json_object_get_uint64(value));
	else if (json_object_is_type(value, json_type_boolean))
		printf("%s", json_object_get_boolean(value) ? "yes" : "no");
	else
		cli_put_text(json_object_get_string(value));
}

static void print_text(int indent, const char *key, json_object *value)
{
	printf("%*s%s: ", indent, "", key);
	cli_put_text(json_object_get_string(value));
	putchar('\n');
}

static void print(json_object *layer, int indent)
{
	json_object_object_foreach(layer, key, value)
	{
		if (json_object_is_type(value, json_type_object)) {
			if (json_object_object_length(value))
				printf("%*s%s:\n", indent, "", key);
			print(value, indent + 2);
			continue;
		}
		if (json_object_is_type(value, json_type_array)) {
			for (size_t i = 0; i < json_object_array_length(value); i++)
				print_text(indent, key, json_object_array_get_idx(value, i));
			continue;
		}
		printf("%*s%s: ", indent, "", key);
		print_value(key, value);
		putchar('\n');
	}
}

int image_info(int argc, char **argv)
{
	struct args a = {0};
	struct xd_image *image;
	struct xd_open how;
	struct xd_error why = {0};
	json_object *out, *chain;

	cli_parse(&argp, argc, argv, &a);
	how = (struct xd_open){.path = a.path, .format = a.format, .flags = XD_OPEN_NO_LOCK};
	/* A child whose parent is lost is still worth looking at. */
	if (xd_open_with(&how, &image, &why) &&
	    !(image = img_open(a.path, a.format, XD_OPEN_NO_LOCK | XD_OPEN_NO_PARENTS)))
		return CLI_FAILED;
	out = describe(image);
	if (why.code)
		json_object_object_add(out, "parent_problem", img_json_text(why.message));
	chain = json_object_new_array();
	for (struct xd_image *i = xd_get_parent(image); i; i = xd_get_parent(i))
		json_object_array_add(chain, a.all ? describe(i) : img_json_text(xd_get_path(i)));
	if (a.json || !a.all)
		json_object_object_add(out, "chain", chain);
	if (a.json)
		puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PRETTY |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print(out, 0);
	for (size_t i = 0; !a.json && a.all && i < json_object_array_length(chain); i++) {
		puts("parent:");
		print(json_object_array_get_idx(chain, i), 2);
	}
	if (!a.json && a.all)
		json_object_put(chain);
	json_object_put(out);
	return img_close(image, a.path, CLI_OK);
}
