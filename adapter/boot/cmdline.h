/* SPDX-License-Identifier: MIT */
/* What the adapter adds to the guest kernel's command line. Pure: runs hosted too. */
#ifndef XENOLITH_BOOT_CMDLINE_H
#define XENOLITH_BOOT_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * `line` with "NAME=VALUE" before it, in `to`, unless the line has a word NAME=… already or it would not fit `size` bytes: then false, and `to` is
 * untouched. Before it, because what follows "--" is the first process's.
 */
bool cmdline_default(char *to, size_t size, const char *line, const char *name, const char *value);

#endif
