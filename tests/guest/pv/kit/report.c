/* SPDX-License-Identifier: MIT */
/* Lines that the runner (tests/boot/pvtests) reads begin with "pv: ". */
#include "tests/guest/pv/kit/pv.h"

#include <stdarg.h>
#include <xen/sched.h>

#include "core/fmt.h"

static unsigned failures;

_Noreturn void finish(void);

static void line(const char *head, const char *format, va_list ap)
{
	char text[256];
	size_t n = fmt(text, sizeof(text) - 1, "pv: %s", head);

	n += vfmt(text + n, sizeof(text) - 1 - n, format, ap);
	if (n > sizeof(text) - 2)
		n = sizeof(text) - 2;
	text[n++] = '\n';
	console_print(text, n);
}

#define LINE(head)                      \
	do {                            \
		va_list ap;             \
		va_start(ap, format);   \
		line(head, format, ap); \
		va_end(ap);             \
	} while (0)

void say(const char *format, ...)
{
	LINE("# ");
}

void fact(const char *format, ...)
{
	LINE("fact: ");
}

void failure(const char *format, ...)
{
	failures++;
	LINE("failure: ");
}

_Noreturn void error(const char *format, ...)
{
	LINE("error: ");
	shutdown(SHUTDOWN_poweroff);
}

_Noreturn void skip(const char *format, ...)
{
	LINE("skip: ");
	shutdown(SHUTDOWN_poweroff);
}

static void outcome(const char *format, ...)
{
	LINE("");
}

/* The one line of the result. */
_Noreturn void finish(void)
{
	if (failures)
		outcome("failures: %u", failures);
	else
		outcome("success");
	shutdown(SHUTDOWN_poweroff);
}

void check_equal_at(uint64_t a, uint64_t b, const char *what, const char *file, int at)
{
	if (a != b)
		failure("%s:%d: %s is %#lx, not %#lx", file, at, what, a, b);
}

static const char *error_name(long n)
{
	static const struct {
		long n;
		const char *name;
	} names[] = {
#define XEN_ERRNO(name, value) {value, #name},
#include <xen/errno.h>
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].n == n)
			return names[i].name;
	}
	return NULL;
}

void fact_result(const char *name, long result)
{
	const char *e = result < 0 ? error_name(-result) : NULL;

	if (e)
		fact("%s: -%s", name, e);
	else
		fact("%s: %ld", name, result);
}
