/* SPDX-License-Identifier: MIT */
/* Text between UTF-8 and UTF-16LE, which Viridian's key-value pairs carry. No allocation; any input. */
#ifndef CORE_UTF16_H
#define CORE_UTF16_H

#include <stddef.h>
#include <stdint.h>

/*
 * UTF-16 of `bytes` bytes, up to its zero if it has one, to UTF-8: as many whole characters as fit in `size` (≥ 1) with a final zero. Halves of
 * surrogate pairs and control characters become '?'. Returns the length without the zero.
 */
size_t utf16_to_utf8(char *to, size_t size, const uint8_t *from, size_t bytes);

/*
 * The other way: as many whole characters as fit in `size` bytes (≥ 2) with a final zero of two. What is not UTF-8 becomes '?'. Returns the
 * bytes written, the zero included.
 */
size_t utf8_to_utf16(uint8_t *to, size_t size, const char *from);

#endif
