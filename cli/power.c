/* SPDX-License-Identifier: MIT */
/* `xenolith shutdown`, `reset` and `destroy`: three ways to end or restart a guest, the gentle one first. */
#include <argp.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/guest.h"

struct request {
	const char *name;
	bool restart;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'r': request->restart = true; return 0;
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

static int send_verb(const char *name, const char *verb)
{
	int fd = guest_connect(name, false);
	struct json_object *answer = fd < 0 ? NULL : guest_ask(fd, name, verb);

	if (fd >= 0) {
		close(fd);
	}
	if (!answer) {
		return CLI_FAILED;
	}
	json_object_put(answer);
	return CLI_OK;
}

int cli_shutdown(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"restart", 'r', NULL, 0, "Restart instead of power off", 0}, {0}};
	static const struct argp argp = {.options = options,
					 .parser = parse,
					 .args_doc = "NAME",
					 .doc = "Asks a guest to shut down."};
	struct request request = {0};

	cli_parse(&argp, argc, argv, &request);
	return send_verb(request.name, request.restart ? "restart" : "shutdown");
}

int cli_reset(int argc, char **argv)
{
	static const struct argp argp = {.parser = parse,
					 .args_doc = "NAME",
					 .doc =
					     "Resets a guest at once, as its reset button would."};
	struct request request = {0};

	cli_parse(&argp, argc, argv, &request);
	return send_verb(request.name, "reset");
}

int cli_destroy(int argc, char **argv)
{
	static const struct argp argp = {.parser = parse,
					 .args_doc = "NAME",
					 .doc = "Ends a guest at once, as pulling its plug would."};
	struct request request = {0};

	cli_parse(&argp, argc, argv, &request);
	return send_verb(request.name, "destroy");
}
