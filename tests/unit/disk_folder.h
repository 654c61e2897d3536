/* SPDX-License-Identifier: MIT */
/* A folder for a group of tests: made before it, removed with all that is in it after it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

static char folder[] = "/tmp/xenolith-disk-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char line[256];

	(void)state;
	snprintf(line, sizeof(line), "rm -rf %s", folder);
	return system(line);
}
