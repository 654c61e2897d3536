/* SPDX-License-Identifier: MIT */
/* `xenolith list`: the guests that are running. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/guest.h"

static int64_t number(struct json_object *info, const char *key)
{
	return json_object_get_int64(json_object_object_get(info, key));
}

static bool show(const char *name, int fd)
{
	struct json_object *info = guest_ask(fd, name, "info");

	if (!info) {
		return false;
	}
	printf("%-24s %7" PRId64 " %5" PRId64 " %7" PRId64 " %9" PRId64 "  %s\n", name,
	       number(info, "pid"), number(info, "cpus"), number(info, "memory") >> 20,
	       number(info, "uptime"),
	       json_object_get_string(json_object_object_get(info, "heartbeat")));
	json_object_put(info);
	return true;
}

int cli_list(int argc, char **argv)
{
	static const struct argp argp = {.doc = "Lists the guests that are running."};

	cli_parse(&argp, argc, argv, NULL);
	printf("%-24s %7s %5s %7s %9s  %s\n", "NAME", "PID", "CPUS", "MiB", "UPTIME/s",
	       "HEARTBEAT");
	return guest_each(show) ? CLI_OK : CLI_FAILED;
}
