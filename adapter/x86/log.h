/* SPDX-License-Identifier: MIT */
/* The adapter's own words: to the console, and to a ring that survives for a debugger. */
#ifndef XENOLITH_X86_LOG_H
#define XENOLITH_X86_LOG_H

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

extern enum log_level log_threshold; /* what reaches the console; the ring gets everything */

/* One line, without the newline; at most 255 bytes of it are kept. */
__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

/* The adapter cannot carry this guest: one line "xenolith: refused: …", then power off. For people's mistakes. */
_Noreturn __attribute__((format(printf, 1, 2))) void refuse(const char *format, ...);

/* The adapter itself is wrong: shows the line, sets the crash MSRs. For our mistakes. */
_Noreturn __attribute__((format(printf, 1, 2))) void panic(const char *format, ...);

#endif
