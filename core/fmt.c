/* SPDX-License-Identifier: MIT */
#include "core/fmt.h"

#include <stdbool.h>
#include <stdint.h>

#include "core/string.h"

struct out {
	char *buf;
	size_t size; /* of buf */
	size_t len;  /* of the text so far, also of what did not fit */
};

/* One conversion specification, parsed. */
struct spec {
	bool left, zero, alt;
	size_t width;
	int precision;      /* -1: not given */
	unsigned int bytes; /* size of the integer argument */
	char conversion;
};

/* A va_list that helpers can advance: passing a bare va_list down leaves the caller's undefined. */
struct args {
	va_list ap;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size) {
		o->buf[o->len] = c;
	}
	o->len++;
}

static void put_many(struct out *o, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put(o, s[i]);
	}
}

static void put_repeated(struct out *o, char c, size_t n)
{
	while (n-- > 0) {
		put(o, c);
	}
}

static const char *parse_number(const char *f, int *value)
{
	*value = 0;
	for (; *f >= '0' && *f <= '9'; f++) {
		if (*value < 100000) {
			*value = *value * 10 + (*f - '0');
		}
	}
	return f;
}

static const char *parse_count(const char *f, struct args *args, int *value)
{
	if (*f == '*') {
		*value = va_arg(args->ap, int);
		return f + 1;
	}
	return parse_number(f, value);
}

static const char *parse_length(const char *f, unsigned int *bytes)
{
	*bytes = sizeof(int);
	switch (*f) {
	case 'h': *bytes = f[1] == 'h' ? 1 : sizeof(short); return f + (f[1] == 'h' ? 2 : 1);
	case 'l': *bytes = sizeof(long); return f + (f[1] == 'l' ? 2 : 1);
	case 'z':
	case 'j':
	case 't': *bytes = sizeof(long); return f + 1;
	default: return f;
	}
}
_Static_assert(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8 &&
		   sizeof(intmax_t) == 8 && sizeof(ptrdiff_t) == 8,
	       "parse_length takes every long type for 8 bytes");

/* f is just past '%'; returns what follows the specification. */
static const char *parse_spec(const char *f, struct args *args, struct spec *s)
{
	int width;

	*s = (struct spec){.precision = -1};
	for (;; f++) {
		if (*f == '-') {
			s->left = true;
		} else if (*f == '0') {
			s->zero = true;
		} else if (*f == '#') {
			s->alt = true;
		} else {
			break;
		}
	}
	f = parse_count(f, args, &width);
	if (width < 0) { /* only from '*': C says a '-' flag and the magnitude */
		s->left = true;
		width = width == INT32_MIN ? INT32_MAX : -width;
	}
	s->width = width;
	if (*f == '.') {
		f = parse_count(f + 1, args, &s->precision);
	}
	f = parse_length(f, &s->bytes);
	s->conversion = *f;
	return *f == '\0' ? f : f + 1;
}

static void put_padded(struct out *o, const struct spec *s, const char *text, size_t n)
{
	size_t pad = s->width > n ? s->width - n : 0;

	if (!s->left) {
		put_repeated(o, ' ', pad);
	}
	put_many(o, text, n);
	if (s->left) {
		put_repeated(o, ' ', pad);
	}
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	if (text == NULL) {
		put_padded(o, s, "(null)", 6);
	} else {
		put_padded(o, s, text,
			   s->precision < 0 ? strlen(text) : strnlen(text, s->precision));
	}
}

static void put_number(struct out *o, const struct spec *s, uint64_t value, const char *prefix)
{
	const char *digit = s->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned int base = s->conversion == 'd' || s->conversion == 'u' ? 10 : 16;
	char digits[20]; /* of UINT64_MAX in base 10 */
	size_t n = 0, prefix_len = strlen(prefix), zeros, used;

	for (; value != 0; value /= base) {
		digits[sizeof(digits) - ++n] = digit[value % base];
	}
	zeros = s->precision < 0 ? n == 0 : (size_t)s->precision > n ? s->precision - n : 0;
	used = prefix_len + zeros + n;
	if (s->zero && !s->left && s->precision < 0 && s->width > used) {
		zeros += s->width - used;
		used = s->width;
	}
	if (!s->left && s->width > used) {
		put_repeated(o, ' ', s->width - used);
	}
	put_many(o, prefix, prefix_len);
	put_repeated(o, '0', zeros);
	put_many(o, digits + sizeof(digits) - n, n);
	if (s->left && s->width > used) {
		put_repeated(o, ' ', s->width - used);
	}
}

static void put_signed(struct out *o, const struct spec *s, struct args *args)
{
	int64_t value = s->bytes == 8 ? va_arg(args->ap, long) : va_arg(args->ap, int);

	if (s->bytes == 1) {
		value = (signed char)value;
	} else if (s->bytes == 2) {
		value = (short)value;
	}
	if (value < 0) {
		put_number(o, s, -(uint64_t)value, "-");
	} else {
		put_number(o, s, value, "");
	}
}

static void put_unsigned(struct out *o, const struct spec *s, struct args *args)
{
	uint64_t value =
	    s->bytes == 8 ? va_arg(args->ap, unsigned long) : va_arg(args->ap, unsigned int);
	const char *prefix = "";

	if (s->bytes < 4) {
		value &= (1u << (8 * s->bytes)) - 1;
	}
	if (s->alt && value != 0 && s->conversion != 'u') {
		prefix = s->conversion == 'x' ? "0x" : "0X";
	}
	put_number(o, s, value, prefix);
}

/* False: an unknown conversion, nothing was printed. */
static bool put_conversion(struct out *o, struct spec *s, struct args *args)
{
	char c;

	switch (s->conversion) {
	case 'i': s->conversion = 'd'; /* fallthrough */
	case 'd': put_signed(o, s, args); return true;
	case 'u':
	case 'x':
	case 'X': put_unsigned(o, s, args); return true;
	case 'p': put_number(o, s, (uintptr_t)va_arg(args->ap, void *), "0x"); return true;
	case 's': put_string(o, s, va_arg(args->ap, const char *)); return true;
	case 'c':
		c = (char)va_arg(args->ap, int);
		put_padded(o, s, &c, 1);
		return true;
	case '%': put(o, '%'); return true;
	default: return false;
	}
}

size_t vfmt(char *buf, size_t size, const char *format, va_list ap)
{
	struct out o = {.buf = buf, .size = size};
	struct args args;

	va_copy(args.ap, ap);
	while (*format != '\0') {
		const char *start = format;
		struct spec s;

		if (*format++ != '%') {
			put(&o, *start);
			continue;
		}
		format = parse_spec(format, &args, &s);
		if (!put_conversion(&o, &s, &args)) {
			put_many(&o, start, strlen(start));
			break;
		}
	}
	va_end(args.ap);
	if (size > 0) {
		buf[o.len < size ? o.len : size - 1] = '\0';
	}
	return o.len;
}

size_t fmt(char *buf, size_t size, const char *format, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = vfmt(buf, size, format, ap);
	va_end(ap);
	return n;
}
