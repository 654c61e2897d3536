/* SPDX-License-Identifier: MIT */
/* Numbers in text that has an end of its own. */
#ifndef CORE_NUMBER_H
#define CORE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a hexadecimal digit; 16: none. */
static inline unsigned number_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

/* All of the text is a decimal number, or a hexadecimal one after 0x. False: it is not, or too large. */
static inline bool number_parse(const char *s, size_t len, uint64_t *value)
{
	unsigned base = 10;

	if (len > 2 && s[0] == '0' && (s[1] | 0x20) == 'x') {
		base = 16;
		s += 2;
		len -= 2;
	}
	*value = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = number_digit(s[i]);

		if (digit >= base || *value > (UINT64_MAX - digit) / base)
			return false;
		*value = *value * base + digit;
	}
	return len > 0;
}

#endif
