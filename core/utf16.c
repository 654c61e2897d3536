/* SPDX-License-Identifier: MIT */
#include "core/utf16.h"

#include <stdbool.h>

#define HIGH_FIRST 0xd800u /* surrogates: a pair is one character from 0x10000 on */
#define LOW_FIRST  0xdc00u
#define LOW_LAST   0xdfffu
#define BEYOND_BMP 0x10000u
#define CODE_MAX   0x10ffffu

static uint32_t unit(const uint8_t *from, size_t i)
{
	return from[i] | (uint32_t)from[i + 1] << 8;
}

/* The character at *i, which goes past it. */
static uint32_t take16(const uint8_t *from, size_t bytes, size_t *i)
{
	uint32_t c = unit(from, *i), low;

	*i += 2;
	if (c < HIGH_FIRST || c > LOW_LAST)
		return c;
	if (c >= LOW_FIRST || *i + 1 >= bytes)
		return '?';
	low = unit(from, *i);
	if (low < LOW_FIRST || low > LOW_LAST)
		return '?';
	*i += 2;
	return BEYOND_BMP + ((c - HIGH_FIRST) << 10) + (low - LOW_FIRST);
}

static unsigned length8(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < BEYOND_BMP ? 3 : 4;
}

static void put8(char *to, uint32_t c, unsigned length)
{
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (unsigned i = length - 1; i; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(lead[length] | c);
}

size_t utf16_to_utf8(char *to, size_t size, const uint8_t *from, size_t bytes)
{
	size_t used = 0, i = 0;

	while (i + 1 < bytes) {
		uint32_t c = take16(from, bytes, &i);
		unsigned length = length8(c);

		if (!c || used + length >= size)
			break;
		put8(to + used, c < ' ' || c == 0x7f ? '?' : c, length);
		used += length;
	}
	to[used] = '\0';
	return used;
}

/* The character at *from, which goes past it; '?' for a byte that begins none. */
static uint32_t take8(const uint8_t **from)
{
	static const uint32_t least[] = {0, 0x80, 0x800, BEYOND_BMP};
	const uint8_t *s = *from;
	uint32_t c = *s;
	unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

	(*from)++;
	if (!more)
		return c;
	if (c < 0xc0 || c > 0xf7)
		return '?';
	c &= 0x3fu >> more;
	for (unsigned i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return '?';
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[more] || c > CODE_MAX || (c >= HIGH_FIRST && c <= LOW_LAST))
		return '?';
	*from += more;
	return c;
}

static void put_unit(uint8_t *to, uint32_t c)
{
	to[0] = (uint8_t)c;
	to[1] = (uint8_t)(c >> 8);
}

size_t utf8_to_utf16(uint8_t *to, size_t size, const char *text)
{
	const uint8_t *from = (const uint8_t *)text;
	size_t used = 0;

	while (*from) {
		uint32_t c = take8(&from);
		size_t length = c < BEYOND_BMP ? 2 : 4;

		if (used + length + 2 > size)
			break;
		if (length == 2) {
			put_unit(to + used, c);
		} else {
			put_unit(to + used, HIGH_FIRST + ((c - BEYOND_BMP) >> 10));
			put_unit(to + used + 2, LOW_FIRST + ((c - BEYOND_BMP) & 0x3ff));
		}
		used += length;
	}
	put_unit(to + used, 0);
	return used + 2;
}
