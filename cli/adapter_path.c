/* SPDX-License-Identifier: MIT */
#include "cli/adapter_path.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where it was built, and where `make install` puts it; %.*s is the program's folder. */
static const char *const places[] = {"%.*s/adapter/xenolith.elf",
				     "%.*s/../lib/xenolith/xenolith.elf"};

void adapter_path(const char *program, char path[PATH_MAX])
{
	const char *slash = strrchr(program, '/');
	int folder = slash ? (int)(slash - program) : 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, PATH_MAX, places[i], folder, program);
		if (access(path, F_OK) == 0) {
			return;
		}
	}
}
