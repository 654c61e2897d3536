/* SPDX-License-Identifier: MIT */
/* xenolith image check, and repair */
#include <stdio.h>

#include "cli/image.h"

enum { OPT_FROM_COPY = 0x100 };

struct args {
	const char *path;
	enum xd_format format;
	bool json, quiet, from_copy;
};

#define CHECK_OPTIONS                                             \
	IMG_FORMAT_OPTION, CLI_JSON_OPTION,                       \
	{                                                         \
		"quiet", 'q', NULL, 0, "the exit status alone", 0 \
	}

static const struct argp_option check_options[] = {CHECK_OPTIONS, {0}};
static const struct argp_option repair_options[] = {
    CHECK_OPTIONS,
    {"from-copy", OPT_FROM_COPY, NULL, 0,
     "of a VHD without a footer at its end, believe the copy at its start: it was no fixed disk",
     0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'f': a->format = img_format(arg, state); return 0;
	case 'j': a->json = true; return 0;
	case 'q': a->quiet = true; return 0;
	case OPT_FROM_COPY: a->from_copy = true; return 0;
	default: return cli_operands(key, arg, state, (const char **[]){&a->path, NULL});
	}
}

#define STATUS \
	"\vExit status: 0 clean, 3 errors remain, 4 warnings and no errors, 1 could not look."

static const struct argp check_argp = {
    check_options, parse,
    "IMAGE",       "Looks for damage in an image's own structures. Changes nothing." STATUS,
    NULL,          NULL,
    NULL};
static const struct argp repair_argp = {
    repair_options,
    parse,
    "IMAGE",
    "Looks for damage and mends what has one right answer; data is never guessed at." STATUS,
    NULL,
    NULL,
    NULL};

struct output {
	const struct args *args;
	json_object *findings;
	uint64_t errors_left, warnings_left;
};

static const char *const severities[] = {"note", "warning", "error"};

static void found(void *ctx, const struct xd_finding *f)
{
	struct output *o = ctx;
	json_object *j = json_object_new_object();

	o->errors_left += f->severity == XD_ERROR && !f->repaired;
	o->warnings_left += f->severity == XD_WARNING && !f->repaired;
	json_object_object_add(j, "severity", json_object_new_string(severities[f->severity]));
	json_object_object_add(j, "what", json_object_new_string(f->what));
	if (f->offset != XD_NO_OFFSET)
		json_object_object_add(j, "offset", json_object_new_uint64(f->offset));
	json_object_object_add(j, "repairable", json_object_new_boolean(f->repairable));
	json_object_object_add(j, "repaired", json_object_new_boolean(f->repaired));
	json_object_object_add(j, "message", img_json_text(f->message));
	json_object_array_add(o->findings, j);
	if (o->args->json || o->args->quiet)
		return;
	printf("%s: %s: %s", severities[f->severity], f->what, f->message);
	if (f->offset != XD_NO_OFFSET)
		printf(" (at byte %llu)", (unsigned long long)f->offset);
	puts(f->repaired ? ", repaired" : f->repairable ? ", repairable" : "");
}

static void print_json(const struct output *o, const struct xd_check_report *report)
{
	json_object *out = json_object_new_object();

	json_object_object_add(out, "path", img_json_text(o->args->path));
	json_object_object_add(out, "errors", json_object_new_uint64(report->errors));
	json_object_object_add(out, "warnings", json_object_new_uint64(report->warnings));
	json_object_object_add(out, "notes", json_object_new_uint64(report->notes));
	json_object_object_add(out, "repaired", json_object_new_uint64(report->repaired));
	json_object_object_add(out, "blocks", json_object_new_uint64(report->blocks));
	json_object_object_add(out, "blocks_allocated",
			       json_object_new_uint64(report->blocks_allocated));
	json_object_object_add(out, "unused_bytes", json_object_new_uint64(report->unused_bytes));
	json_object_object_add(out, "findings", json_object_get(o->findings));
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PRETTY |
						     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(out);
}

static void print_text(const struct xd_check_report *report)
{
	printf("%llu errors, %llu warnings, %llu notes, %llu repaired; %llu of %llu blocks "
	       "allocated\n",
	       (unsigned long long)report->errors, (unsigned long long)report->warnings,
	       (unsigned long long)report->notes, (unsigned long long)report->repaired,
	       (unsigned long long)report->blocks_allocated, (unsigned long long)report->blocks);
}

/* With its parents where they can be had: their identity is checked then too. */
static struct xd_image *open_leniently(const struct args *a, uint32_t flags)
{
	struct xd_open how = {.path = a->path,
			      .format = a->format,
			      .flags = flags | XD_OPEN_LENIENT | XD_OPEN_ANY_PARENT};
	struct xd_image *image;

	if (!xd_open_with(&how, &image, NULL))
		return image;
	return img_open(a->path, a->format, flags | XD_OPEN_LENIENT | XD_OPEN_NO_PARENTS);
}

static int examine(const struct argp *argp, bool repair, int argc, char **argv)
{
	struct args a = {0};
	struct output o = {.args = &a};
	struct xd_check_report report;
	struct xd_image *image;
	struct xd_error err;
	uint32_t flags;
	int code = CLI_OK;

	cli_parse(argp, argc, argv, &a);
	image = open_leniently(&a, repair ? XD_OPEN_WRITE : 0);
	if (!image)
		return CLI_FAILED;
	flags = (repair ? XD_CHECK_REPAIR : 0) | (a.from_copy ? XD_CHECK_FROM_COPY : 0);
	o.findings = json_object_new_array();
	if (xd_check(image, flags, found, &o, &report, &err))
		code = img_fail(a.path, &err);
	else if (a.json && !a.quiet)
		print_json(&o, &report);
	else if (!a.quiet)
		print_text(&report);
	json_object_put(o.findings);
	if (!code)
		code = o.errors_left ? CLI_DAMAGED : o.warnings_left ? CLI_WARNINGS : CLI_OK;
	return img_close(image, a.path, code);
}

int image_check(int argc, char **argv)
{
	return examine(&check_argp, false, argc, argv);
}

int image_repair(int argc, char **argv)
{
	return examine(&repair_argp, true, argc, argv);
}
