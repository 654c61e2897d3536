/* SPDX-License-Identifier: MIT */
/* The machine's console: COM1 for now. */
#ifndef XENOLITH_SEAM_CONSOLE_H
#define XENOLITH_SEAM_CONSOLE_H

#include <stddef.h>

/* Writes all of it, \n as \r\n; usable from the first instruction on, from any VP, also while panicking. */
void console_write(const char *text, size_t length);

/* Takes up to `size` bytes of input without waiting; returns how many. */
size_t console_read(char *buffer, size_t size);

/* Implemented by the Xen side; called in interrupt context on VP 0 when there may be input. */
void xen_console_input(void);

#endif
