/* SPDX-License-Identifier: MIT */
/* The freestanding core/string.c agrees with libc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* The subject under names of its own, so that libc's stay beside it. */
#define memcpy  x_memcpy
#define memmove x_memmove
#define memset  x_memset
#define memcmp  x_memcmp
#define memchr  x_memchr
#define strlen  x_strlen
#define strnlen x_strnlen
#define strcmp  x_strcmp
#define strncmp x_strncmp
#define strchr  x_strchr
#undef XENOLITH_HOSTED
#include "core/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

#define LEN 40

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void fill(unsigned char *buf)
{
	for (int i = 0; i < 2 * LEN; i++) {
		buf[i] = i * 7 + 1;
	}
}

static void memmove_handles_every_overlap(void **state)
{
	unsigned char want[2 * LEN], got[2 * LEN];

	(void)state;
	for (int from = 0; from < LEN; from++) {
		for (int to = 0; to < LEN; to++) {
			for (int n = 0; n <= LEN; n += 1 + n / 8) {
				fill(want);
				fill(got);
				memmove(want + to, want + from, n);
				assert_ptr_equal(x_memmove(got + to, got + from, n), got + to);
				assert_memory_equal(got, want, sizeof(got));
			}
		}
	}
}

static void memcpy_and_memset_touch_only_their_bytes(void **state)
{
	unsigned char want[2 * LEN], got[2 * LEN], src[2 * LEN];

	(void)state;
	fill(src);
	for (int n = 0; n <= LEN; n++) {
		memset(want, 0xee, sizeof(want));
		memset(got, 0xee, sizeof(got));
		memcpy(want + 3, src + 5, n);
		assert_ptr_equal(x_memcpy(got + 3, src + 5, n), got + 3);
		assert_memory_equal(got, want, sizeof(got));
		memset(want + 9, 0x1ff, n);
		assert_ptr_equal(x_memset(got + 9, 0x1ff, n), got + 9);
		assert_memory_equal(got, want, sizeof(got));
	}
}

static void comparisons_have_the_sign_of_libc(void **state)
{
	static const char *const words[] = {"", "a", "ab", "abc", "abd", "b", "a\xff", "\x80"};
	const size_t count = sizeof(words) / sizeof(words[0]);

	(void)state;
	for (size_t i = 0; i < count * count; i++) {
		const char *a = words[i / count], *b = words[i % count];

		assert_int_equal(sign(x_strcmp(a, b)), sign(strcmp(a, b)));
		for (size_t n = 0; n < 5; n++) {
			assert_int_equal(sign(x_strncmp(a, b, n)), sign(strncmp(a, b, n)));
		}
		assert_int_equal(sign(x_memcmp(a, b, 1)), sign(memcmp(a, b, 1)));
	}
	assert_int_equal(x_memcmp("x", "y", 0), 0);
}

static void searches_find_what_libc_finds(void **state)
{
	const char *s = "console=com1 vcpus=4";

	(void)state;
	assert_int_equal(x_strlen(""), 0);
	assert_int_equal(x_strlen(s), strlen(s));
	for (size_t n = 0; n < 30; n++) {
		assert_int_equal(x_strnlen(s, n), strnlen(s, n));
	}
	for (int c = 0; c < 256; c++) {
		assert_ptr_equal(x_strchr(s, c), strchr(s, c));
		assert_ptr_equal(x_memchr(s, c, 10), memchr(s, c, 10));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memmove_handles_every_overlap),
	    cmocka_unit_test(memcpy_and_memset_touch_only_their_bytes),
	    cmocka_unit_test(comparisons_have_the_sign_of_libc),
	    cmocka_unit_test(searches_find_what_libc_finds),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
