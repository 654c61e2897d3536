/* SPDX-License-Identifier: MIT */
/* `xenolith console`: this terminal on a running guest's console, until Ctrl-] or the guest's end. */
#include <argp.h>
#include <errno.h>
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

enum moved { MOVED, ENDED, LOST };

static enum moved put(int to, const char *bytes, size_t count)
{
	while (count) {
		ssize_t written = write(to, bytes, count);

		if (written < 0 && errno != EINTR) {
			return LOST;
		}
		bytes += written > 0 ? written : 0;
		count -= written > 0 ? (size_t)written : 0;
	}
	return MOVED;
}

/* Moves what is there, from the keyboard what comes before the escape key. */
static enum moved move(int from, int to, bool keyboard)
{
	char bytes[4096];
	ssize_t count = read(from, bytes, sizeof(bytes));
	const char *escape = keyboard && count > 0 ? memchr(bytes, ESCAPE, (size_t)count) : NULL;
	enum moved moved;

	if (count <= 0) {
		return ENDED;
	}
	moved = put(to, bytes, escape ? (size_t)(escape - bytes) : (size_t)count);
	return moved == MOVED && escape ? ENDED : moved;
}

static int join(int fd)
{
	struct pollfd poll_both[] = {{STDIN_FILENO, POLLIN, 0}, {fd, POLLIN, 0}};

	while (!cli_stopped() && poll(poll_both, 2, -1) >= 0) {
		enum moved moved = MOVED;

		/* What the guest said last, before what it does not hear any more. */
		if (poll_both[1].revents) {
			moved = move(fd, STDOUT_FILENO, false);
		}
		if (moved == LOST) {
			return cli_complain("standard output: %s", strerror(errno));
		}
		if (moved == MOVED && poll_both[0].revents) {
			moved = move(STDIN_FILENO, fd, true);
		}
		if (moved != MOVED) {
			break;
		}
	}
	return CLI_OK;
}

int cli_console(int argc, char **argv)
{
	static const struct guest_usage usage = {.words = "NAME",
						 .doc = "Joins a guest's console; Ctrl-] leaves."};
	struct guest_request request;
	struct json_object *answer;
	int fd, status;

	guest_parse(&usage, argc, argv, &request);
	fd = guest_connect(request.name);
	answer = fd < 0 ? NULL : guest_ask(fd, request.name, "console");
	if (!answer) {
		return CLI_FAILED;
	}
	json_object_put(answer);
	cli_catch_signals();
	make_raw();
	status = join(fd);
	close(fd);
	return status;
}
