/* SPDX-License-Identifier: MIT */
/* `xenolith info`: what the host knows of a running guest, and what the guest tells of itself. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/guest.h"

static void show(struct json_object *info, const char *indent)
{
	json_object_object_foreach(info, key, value)
	{
		if (json_object_is_type(value, json_type_object)) {
			printf("%s%s:\n", indent, key);
			show(value, "  ");
		} else {
			fputs(indent, stdout);
			cli_put_text(key);
			fputs(": ", stdout);
			cli_put_text(json_object_get_string(value));
			putchar('\n');
		}
	}
}

int cli_guest_info(int argc, char **argv)
{
	static const struct guest_usage usage = {.words = "NAME",
						 .doc = "Tells about a running guest.",
						 .option = "json",
						 .option_doc = "One line of JSON"};
	struct guest_request request;
	struct json_object *info;
	int fd;

	guest_parse(&usage, argc, argv, &request);
	fd = guest_connect(request.name);
	info = fd < 0 ? NULL : guest_ask(fd, request.name, "info");
	if (fd >= 0) {
		close(fd);
	}
	if (!info) {
		return CLI_FAILED;
	}
	if (request.option) {
		puts(json_object_to_json_string_ext(info, JSON_C_TO_STRING_PLAIN));
	} else {
		show(info, "");
	}
	json_object_put(info);
	return CLI_OK;
}
