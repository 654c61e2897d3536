/* SPDX-License-Identifier: MIT */
#include "adapter/boot/cmdline.h"

#include "core/fmt.h"
#include "core/string.h"

/* Whether one of the words, which quotes may hold together as Linux has it, is NAME=… */
static bool names(const char *line, const char *name)
{
	size_t n = strlen(name);
	bool quoted = false, start = true;

	for (; *line; line++) {
		const char *word = line + (*line == '"');

		if (start && !strncmp(word, name, n) && word[n] == '=')
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
