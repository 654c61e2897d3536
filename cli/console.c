/* SPDX-License-Identifier: MIT */
/* `xenolith console`: this terminal on a running guest's console, until Ctrl-] or the guest's end. */
#include <argp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/guest.h"

#define ESCAPE 0x1d

static struct termios saved;

static void restore(void)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void make_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved) == 0) {
		atexit(restore);
		raw = saved;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
}

/* Moves what is there; false at the end, or at the escape key. */
static bool move(int from, int to, bool keyboard)
{
	char bytes[4096];
	ssize_t count = read(from, bytes, sizeof(bytes));

	if (count <= 0 || (keyboard && memchr(bytes, ESCAPE, (size_t)count))) {
		return false;
	}
	return write(to, bytes, (size_t)count) == count;
}

static void join(int fd)
{
	struct pollfd poll_both[] = {{STDIN_FILENO, POLLIN, 0}, {fd, POLLIN, 0}};

	while (!cli_stopped() && poll(poll_both, 2, -1) >= 0) {
		if ((poll_both[0].revents && !move(STDIN_FILENO, fd, true)) ||
		    (poll_both[1].revents && !move(fd, STDOUT_FILENO, false))) {
			return;
		}
	}
}

int cli_console(int argc, char **argv)
{
	static const struct guest_usage usage = {.words = "NAME",
						 .doc = "Joins a guest's console; Ctrl-] leaves."};
	struct guest_request request;
	struct json_object *answer;
	int fd;

	guest_parse(&usage, argc, argv, &request);
	fd = guest_connect(request.name);
	answer = fd < 0 ? NULL : guest_ask(fd, request.name, "console");
	if (!answer) {
		return CLI_FAILED;
	}
	json_object_put(answer);
	cli_catch_signals();
	make_raw();
	join(fd);
	close(fd);
	return CLI_OK;
}
