/* SPDX-License-Identifier: MIT */
/*
 * Command lines of words NAME=VALUE, read by a table into a struct. Who writes such a line by hand gets an error that
 * names the word and says what is allowed.
 */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_LINE_MAX 1023 /* bytes of a command line, without NUL */

enum option_kind {
	OPTION_BOOL, /* bool: NAME alone, or NAME=on, =yes, =1, =off, =no, =0 */
	OPTION_UINT, /* uint64_t in [min, max], decimal or hexadecimal after 0x */
	OPTION_SIZE, /* likewise in bytes, with an optional suffix K, M, G or T (powers of 1024) */
	OPTION_ENUM, /* 32 bits: the index of one of choices */
	OPTION_TEXT, /* char[max + 1]: at most max bytes, not empty */
};

struct option {
	const char *name;
	enum option_kind kind;
	size_t offset; /* of the field in the caller's struct */
	uint64_t min, max;
	const char *const *choices; /* ends with NULL */
	const char *help;           /* one line, for the documentation */
};

/* offset of a field that has the size which its kind wants. */
#define OPTION_FIELD(type, field, size) \
	(offsetof(type, field) + 0 * sizeof(char[sizeof(((type *)0)->field) == (size) ? 1 : -1]))
#define OPTION_IS_BOOL(type, field) \
	.kind = OPTION_BOOL, .offset = OPTION_FIELD(type, field, sizeof(bool))
#define OPTION_IS_UINT(type, field, lowest, highest)                                  \
	.kind = OPTION_UINT, .offset = OPTION_FIELD(type, field, 8), .min = (lowest), \
	.max = (highest)
#define OPTION_IS_SIZE(type, field, lowest, highest)                                  \
	.kind = OPTION_SIZE, .offset = OPTION_FIELD(type, field, 8), .min = (lowest), \
	.max = (highest)
#define OPTION_IS_ENUM(type, field, ...)                             \
	.kind = OPTION_ENUM, .offset = OPTION_FIELD(type, field, 4), \
	.choices = (const char *const[])                             \
	{                                                            \
		__VA_ARGS__, NULL                                    \
	}
#define OPTION_IS_TEXT(type, field) \
	.kind = OPTION_TEXT, .offset = offsetof(type, field), .max = sizeof(((type *)0)->field) - 1

/*
 * Sets the fields that the line names, in its order: of two words for one option the later holds. The caller has put
 * the defaults there before. False: one line without newline is in error (cut to size), and fields named before the bad
 * word are set.
 */
bool options_parse(const struct option *table, size_t count, const char *line, void *fields,
		   char *error, size_t size);

/* What the option's value may be, as its error says it: "1..64", "auto, on or off"; counts as fmt() does. */
size_t options_allowed(const struct option *option, char *buf, size_t size);

/*
 * The arguments in a module's or image's command line, where the boot loader did not say whether it begins with a file's
 * name: a first word that starts with '/' or '(' is one, and so is "placeholder", which GRUB's own scripts for Xen
 * (grub.d/20_linux_xen) write because Xen drops the first word. No kernel argument looks like either.
 */
const char *options_after_name(const char *line);

#endif
