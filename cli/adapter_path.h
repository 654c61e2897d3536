/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_ADAPTER_PATH_H
#define XENOLITH_ADAPTER_PATH_H

#include <limits.h>

/* Where the adapter is that came with this `program`, an absolute path; where it would be installed, if there is none. */
void adapter_path(const char *program, char path[PATH_MAX]);

#endif
