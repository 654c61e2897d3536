/* SPDX-License-Identifier: MIT */
/* Random identities, and paths as Windows writes them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "disk/driver.h"

int xd_random_id(uint8_t id[16])
{
	if (getrandom(id, 16, 0) != 16)
		return XD_E_IO;
	id[6] = (id[6] & 0x0f) | 0x40; /* RFC 4122: version 4 … */
	id[8] = (id[8] & 0x3f) | 0x80; /* … and the variant */
	return 0;
}

static bool is_drive(const char *path)
{
	return ((path[0] | 0x20) >= 'a' && (path[0] | 0x20) <= 'z') && path[1] == ':';
}

bool xd_path_from_windows(const char *windows, char *out, size_t size)
{
	size_t n;

	if (!strncmp(windows, "\\\\?\\", 4))
		windows += 4;
	if (is_drive(windows))
		windows += 2;
	n = strlen(windows);
	if (!n || n >= size)
		return false;
	for (size_t i = 0; i <= n; i++)
		out[i] = windows[i] == '\\' ? '/' : windows[i];
	return true;
}

/* Appends one code point; false where it does not fit. */
static bool put_utf8(uint32_t c, char *out, size_t size, size_t *at)
{
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (*at + n >= size)
		return false;
	for (int i = n - 1; i > 0; i--, c >>= 6)
		out[*at + i] = 0x80 | (c & 0x3f);
	out[*at] = lead[n] | c;
	*at += n;
	return true;
}

static uint32_t unit(const uint8_t *in, bool big)
{
	return big ? in[0] << 8 | in[1] : in[1] << 8 | in[0];
}

bool xd_utf16_to_utf8(const uint8_t *in, size_t bytes, bool big, char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i + 2 <= bytes; i += 2) {
		uint32_t c = unit(in + i, big), low;

		if (!c)
			break;
		if (c >= 0xdc00 && c < 0xe000)
			return false; /* the second half of a pair, alone */
		if (c >= 0xd800 && c < 0xdc00) {
			low = i + 4 <= bytes ? unit(in + i + 2, big) : 0;
			if (low < 0xdc00 || low >= 0xe000)
				return false;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		}
		if (!put_utf8(c, out, size, &at))
			return false;
	}
	if (at >= size)
		return false;
	out[at] = 0;
	return true;
}

/* One code point, and how many bytes it took; 0 where the bytes are no UTF-8. */
static int get_utf8(const uint8_t *in, uint32_t *c)
{
	int n = in[0] < 0x80       ? 1
		: in[0] >> 5 == 6  ? 2
		: in[0] >> 4 == 14 ? 3
		: in[0] >> 3 == 30 ? 4
				   : 0;

	*c = n == 1 ? in[0] : in[0] & (0x7f >> n);
	for (int i = 1; i < n; i++) {
		if (in[i] >> 6 != 2)
			return 0;
		*c = *c << 6 | (in[i] & 0x3f);
	}
	return *c > 0x10ffff ? 0 : n;
}

static void put_unit(uint8_t *out, uint32_t c, bool big)
{
	out[big ? 0 : 1] = c >> 8;
	out[big ? 1 : 0] = c;
}

ssize_t xd_utf8_to_utf16(const char *in, bool big, uint8_t *out, size_t size)
{
	size_t at = 0;

	while (*in) {
		uint32_t c;
		int n = get_utf8((const uint8_t *)in, &c);

		if (!n || at + 4 > size)
			return -1;
		in += n;
		if (c >= 0x10000) {
			put_unit(out + at, 0xd800 + ((c - 0x10000) >> 10), big);
			at += 2;
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		put_unit(out + at, c, big);
		at += 2;
	}
	return at;
}

/* realpath of the folder that `path` lies in, and the name in it. */
static bool absolute(const char *path, char *out)
{
	char copy[PATH_MAX], *slash;
	const char *folder = ".", *name = path;
	size_t n;

	if (strlen(path) >= sizeof(copy))
		return false;
	strcpy(copy, path);
	slash = strrchr(copy, '/');
	if (slash) {
		*slash = 0;
		folder = slash == copy ? "/" : copy;
		name = path + (slash + 1 - copy);
	}
	if (!realpath(folder, out))
		return false;
	n = strlen(out);
	if (n == 1)
		n = 0; /* the root */
	return (size_t)snprintf(out + n, PATH_MAX - n, "/%s", name) < PATH_MAX - n;
}

bool xd_path_relative(const char *from, const char *to, char *out, size_t size)
{
	char a[PATH_MAX], b[PATH_MAX];
	size_t common = 0, at = 0;

	if (!absolute(from, a) || !absolute(to, b))
		return false;
	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			common = i + 1;
	for (const char *p = a + common; (p = strchr(p, '/')); p++) {
		if (at + 3 >= size)
			return false;
		memcpy(out + at, "../", 3);
		at += 3;
	}
	return (size_t)snprintf(out + at, size - at, "%s", b + common) < size - at;
}
