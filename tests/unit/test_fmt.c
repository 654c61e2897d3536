/* SPDX-License-Identifier: MIT */
/* core/fmt prints what C's snprintf prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/fmt.h"

/* The short buffers and the absurd flags are the point here. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wformat"
#else
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#endif

/* Prints both ways into every buffer size from 0 to the whole text and beyond. */
#define SAME(...)                                                                      \
	do {                                                                           \
		int want_len = snprintf(NULL, 0, __VA_ARGS__);                         \
		for (int size = 0; size < want_len + 3; size++) {                      \
			char want[256], got[256];                                      \
			memset(want, 0x55, sizeof(want));                              \
			memset(got, 0x55, sizeof(got));                                \
			assert_int_equal(snprintf(want, size, __VA_ARGS__), want_len); \
			assert_int_equal(fmt(got, size, __VA_ARGS__), want_len);       \
			assert_memory_equal(got, want, sizeof(got));                   \
		}                                                                      \
	} while (0)

static void integers_print_as_libc_prints_them(void **state)
{
	static const long values[] = {
	    0,     1,         -1,        9,          10,        255,       -256,      65535,
	    65536, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, 123456789, -42};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		long v = values[i];

		SAME("%d %i %u %x %X", (int)v, (int)v, (unsigned)v, (unsigned)v, (unsigned)v);
		SAME("%hhd %hd %hhu %hx", (signed char)v, (short)v, (unsigned char)v,
		     (unsigned short)v);
		SAME("%ld %lu %lx %llx %zu %zx %jd %td", v, v, v, (long long)v, (size_t)v,
		     (size_t)v, (intmax_t)v, (ptrdiff_t)v);
		SAME("[%5d|%-5d|%05d|%1d]", (int)v, (int)v, (int)v, (int)v);
		SAME("[%#x|%#10lx|%#018lx|%-#12x|%#X]", (unsigned)v, v, v, (unsigned)v,
		     (unsigned)v);
		SAME("[%.0d|%.1u|%.5d|%8.3d|%-8.3x|%08.3d]", (int)v, (unsigned)v, (int)v, (int)v,
		     (unsigned)v, (int)v);
		SAME("[%*d|%*d|%-*x]", 12, (int)v, -12, (int)v, 12, (unsigned)v);
	}
}

static void strings_print_as_libc_prints_them(void **state)
{
	const char unterminated[3] = {'a', 'b', 'c'};

	(void)state;
	SAME("plain");
	SAME("%s", "");
	SAME("[%s] [%10s] [%-10s] [%2s]", "abc", "abc", "abc", "abc");
	SAME("[%.*s] [%.2s] [%.0s] [%5.1s]", 3, unterminated, "abc", "abc", "abc");
	SAME("[%.*s]", -1, "negative precision is none");
	SAME("[%c%c] [%3c] [%-3c]", 'x', '\0', 'y', 'z');
	SAME("100%% %d%%", 7);
}

static void pointers_are_hex_and_null_is_named(void **state)
{
	char got[64];

	(void)state;
	SAME("%p %20p", (void *)0xffff800000001000, (void *)0x1000);
	fmt(got, sizeof(got), "%p %s %.2s", NULL, (char *)NULL, (char *)NULL);
	assert_string_equal(got, "0x0 (null) (null)");
}

static void unknown_conversions_end_the_text(void **state)
{
	char got[64];
	const char *volatile odd = "a %d %y %d", *volatile cut = "a %l";

	(void)state;
	assert_int_equal(fmt(got, sizeof(got), odd, 1, 2), 9);
	assert_string_equal(got, "a 1 %y %d");
	fmt(got, sizeof(got), cut, 1);
	assert_string_equal(got, "a %l");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(integers_print_as_libc_prints_them),
	    cmocka_unit_test(strings_print_as_libc_prints_them),
	    cmocka_unit_test(pointers_are_hex_and_null_is_named),
	    cmocka_unit_test(unknown_conversions_end_the_text),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
