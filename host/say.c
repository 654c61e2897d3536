/* SPDX-License-Identifier: MIT */
#include "host/say.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static atomic_int verbose;

/* One write() a line, so that lines of several threads never mix; a carriage return because the terminal may be raw. */
static void say(const char *kind, const char *format, va_list args)
{
	char text[1024];
	char line[1100];
	int length;

	vsnprintf(text, sizeof(text), format, args);
	length = snprintf(line, sizeof(line), "xenolith: %s%s%s\n", kind, text,
			  isatty(STDERR_FILENO) ? "\r" : "");
	if (length > 0) {
		fwrite(line, 1, (size_t)length, stderr);
	}
}

int say_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", format, args);
	va_end(args);
	return -1;
}

void say_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("warning: ", format, args);
	va_end(args);
}

void say_detail(const char *format, ...)
{
	va_list args;

	if (!atomic_load_explicit(&verbose, memory_order_relaxed)) {
		return;
	}
	va_start(args, format);
	say("", format, args);
	va_end(args);
}

void say_set_verbose(int on)
{
	atomic_store_explicit(&verbose, on, memory_order_relaxed);
}
