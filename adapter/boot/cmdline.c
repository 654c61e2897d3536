/* SPDX-License-Identifier: MIT */
#include "adapter/boot/cmdline.h"

#include "core/fmt.h"
#include "core/string.h"

static char plain(char c)
{
	return c == '-' ? '_' : c;
}

/* Whether the word is NAME=…; '-' and '_' are the same to Linux. */
static bool is(const char *word, const char *name)
{
	for (; *name && plain(*word) == plain(*name); word++)
		name++;
	return !*name && *word == '=';
}

/* Whether one of the words, which quotes may hold together as Linux has it, is NAME=… */
static bool names(const char *line, const char *name)
{
	bool quoted = false, start = true;

	for (; *line; line++) {
		const char *word = line + (*line == '"');

		if (start && is(word, name))
			return true;
		if (*line == '"')
			quoted = !quoted;
		start = !quoted && (*line == ' ' || *line == '\t');
	}
	return false;
}

bool cmdline_default(char *to, size_t size, const char *line, const char *name, const char *value)
{
	if (names(line, name) || strlen(name) + strlen(value) + strlen(line) + 3 > size)
		return false;
	fmt(to, size, "%s=%s%s%s", name, value, *line ? " " : "", line);
	return true;
}
