/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/image.h"

#define WIDTH 40

static const char *label;
static atomic_int shown; /* percent, -1 before the first */

/* Several workers may come by at once: whoever moves the percentage draws. */
static int draw(void *ctx, uint64_t done, uint64_t total)
{
	static const char bar[] = "########################################";
	int percent = total ? (int)(done * 100.0 / total) : 100, old = shown;

	(void)ctx;
	if (percent > old && isatty(STDERR_FILENO) &&
	    atomic_compare_exchange_strong(&shown, &old, percent))
		fprintf(stderr, "\r%s [%-*.*s] %3d%%", label, WIDTH, percent * WIDTH / 100, bar,
			percent);
	return cli_stopped();
}

struct xd_progress img_progress(const char *what)
{
	label = what;
	shown = -1;
	return (struct xd_progress){draw, NULL};
}

void img_progress_end(void)
{
	if (shown >= 0 && isatty(STDERR_FILENO))
		fputc('\n', stderr);
	shown = -1;
}
