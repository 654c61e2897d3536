/* SPDX-License-Identifier: MIT */
/*
 * What the host tells people: one line on stderr, prefixed with the program's name. Used by every file of host/.
 * say_error() returns -1 so that `return say_error(…)` reads well; nothing here ends the process.
 */
#ifndef HOST_SAY_H
#define HOST_SAY_H

int say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Only under --verbose; for those who ask why. */
void say_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

void say_set_verbose(int on);

#endif
