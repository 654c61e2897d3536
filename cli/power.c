/* SPDX-License-Identifier: MIT */
/* `xenolith shutdown`, `reset` and `destroy`, three ways to end or restart a guest, the gentle one first; `pause` and `resume`. */
#include "cli/guest.h"

int cli_shutdown(int argc, char **argv)
{
	static const struct guest_usage usage = {.words = "NAME",
						 .doc = "Asks a guest to shut down.",
						 .option = "restart",
						 .option_doc = "Restart instead of power off"};
	struct guest_request request;

	guest_parse(&usage, argc, argv, &request);
	return guest_tell(request.name, request.option ? "shutdown restart" : "shutdown");
}

static int tell(int argc, char **argv, const char *doc, const char *verb)
{
	const struct guest_usage usage = {.words = "NAME", .doc = doc};
	struct guest_request request;

	guest_parse(&usage, argc, argv, &request);
	return guest_tell(request.name, verb);
}

int cli_reset(int argc, char **argv)
{
	return tell(argc, argv, "Resets a guest at once, as its reset button would.", "reset");
}

int cli_destroy(int argc, char **argv)
{
	return tell(argc, argv, "Ends a guest at once, as pulling its plug would.", "destroy");
}

int cli_pause(int argc, char **argv)
{
	return tell(argc, argv, "Stops a guest's processors until it is resumed.", "pause");
}

int cli_resume(int argc, char **argv)
{
	return tell(argc, argv, "Lets a paused guest go on.", "resume");
}
