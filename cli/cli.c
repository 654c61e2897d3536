/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static void list(const struct cli_command *table, const char *doc, const char *name, FILE *to)
{
	fprintf(to, "Usage: %s COMMAND [OPTION...]\n%s\n\n", name, doc);
	for (; table->name; table++)
		fprintf(to, "  %-10s %s\n", table->name, table->summary);
	fprintf(to, "\n%s COMMAND --help tells more of each.\n", name);
}

int cli_dispatch(const struct cli_command *table, const char *doc, int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	char full[64];

	if (name && (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))) {
		list(table, doc, argv[0], stdout);
		return CLI_OK;
	}
	for (const struct cli_command *c = table; name && c->name; c++) {
		if (strcmp(c->name, name))
			continue;
		snprintf(full, sizeof(full), "%s %s", argv[0], name);
		argv[1] = full;
		return c->run(argc - 1, argv + 1);
	}
	if (name)
		cli_complain("no command \"%s\"", name);
	list(table, doc, argv[0], stderr);
	return CLI_USAGE;
}

int cli_complain(const char *fmt, ...)
{
	va_list args;

	fputs("xenolith: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return CLI_FAILED;
}

bool cli_read_size(const char *text, uint64_t *size)
{
	static const char units[] = "bkmgtp";
	size_t digits = strspn(text, "0123456789."); /* strtod knows more than a size can be */
	char *end;
	double n = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end | 0x20) : units;
	bool tail_ok = *end ? !end[1] || !strcasecmp(end + 1, "b") || !strcasecmp(end + 1, "ib")
			    : n == floor(n);

	if (!digits || end != text + digits || !unit || !tail_ok ||
	    ldexp(n, 10 * (unit - units)) >= 0x1p63)
		return false;
	/* A plain number may need more bits than a double has. */
	*size = *end ? (uint64_t)ldexp(n, 10 * (unit - units)) : strtoull(text, NULL, 10);
	return true;
}

bool cli_read_memory(const char *text, uint64_t *size)
{
	bool bare = !text[strspn(text, "0123456789")];

	if (!cli_read_size(text, size) || (bare && *size >> 43))
		return false;
	if (bare)
		*size <<= 20;
	return true;
}

uint64_t cli_size(const char *text, struct argp_state *state)
{
	uint64_t size = 0;

	if (!cli_read_size(text, &size))
		argp_error(state, "\"%s\" is no size", text);
	return size;
}

uint32_t cli_size32(const char *text, struct argp_state *state)
{
	uint64_t size = cli_size(text, state);

	if (size > UINT32_MAX)
		argp_error(state, "\"%s\" is more than it can be", text);
	return (uint32_t)size;
}

char *cli_human(uint64_t bytes, char *out)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double n = bytes;
	int u = 0;

	for (; n >= 1024 && u < 6; u++)
		n /= 1024;
	snprintf(out, 16, n == floor(n) ? "%.0f %s" : "%.2f %s", n, units[u]);
	return out;
}

void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	argp_err_exit_status = CLI_USAGE;
	argp_parse(argp, argc, argv, 0, NULL, input);
}

/* A terminal obeys control characters: C0, DEL, and C1 as UTF-8 has them. What others wrote does not get to say them. */
void cli_put_text(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			putchar('?');
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c++, putchar('?');
		else
			putchar(*c);
	}
}

error_t cli_operands(int key, char *arg, struct argp_state *state, const char **const to[])
{
	while (*to && **to)
		to++;
	if (key == ARGP_KEY_ARG && *to)
		**to = arg;
	else if (key == ARGP_KEY_ARG || (key == ARGP_KEY_END && *to))
		argp_usage(state);
	else if (key != ARGP_KEY_END)
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static atomic_bool stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = true;
}

void cli_catch_signals(void)
{
	/* One more Ctrl-C kills: a store that hangs must not hold the terminal. */
	struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND | SA_RESTART};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN); /* a write that fails is cleaned up after; a signal is not */
}

bool cli_stopped(void)
{
	return stopped;
}
