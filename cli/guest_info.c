/* SPDX-License-Identifier: MIT */
/* `xenolith info`: what the host knows of a running guest, and what the guest tells of itself. */
#include <argp.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/guest.h"

struct request {
	const char *name;
	bool json;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'j': request->json = true; return 0;
	case ARGP_KEY_ARG:
		if (request->name) {
			argp_usage(state);
		}
		request->name = value;
		return 0;
	case ARGP_KEY_END:
		if (!request->name) {
			argp_usage(state);
		}
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static void show(struct json_object *info, const char *indent)
{
	json_object_object_foreach(info, key, value)
	{
		if (json_object_is_type(value, json_type_object)) {
			printf("%s%s:\n", indent, key);
			show(value, "  ");
		} else {
			printf("%s%s: %s\n", indent, key, json_object_get_string(value));
		}
	}
}

int cli_guest_info(int argc, char **argv)
{
	static const struct argp_option options[] = {{"json", 'j', NULL, 0, "One line of JSON", 0},
						     {0}};
	static const struct argp argp = {.options = options,
					 .parser = parse,
					 .args_doc = "NAME",
					 .doc = "Tells about a running guest."};
	struct request request = {0};
	struct json_object *info;
	int fd;

	cli_parse(&argp, argc, argv, &request);
	fd = guest_connect(request.name, false);
	info = fd < 0 ? NULL : guest_ask(fd, request.name, "info");
	if (fd >= 0) {
		close(fd);
	}
	if (!info) {
		return CLI_FAILED;
	}
	if (request.json) {
		puts(json_object_to_json_string_ext(info, JSON_C_TO_STRING_PLAIN));
	} else {
		show(info, "");
	}
	json_object_put(info);
	return CLI_OK;
}
