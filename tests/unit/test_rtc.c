/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "adapter/x86/rtc.h"

#define BCD_24H    0x02
#define BINARY_24H 0x06
#define BCD_12H    0x00
#define BINARY_12H 0x04

static uint8_t bcd(int n)
{
	return (uint8_t)(n / 10 << 4 | n % 10);
}

/* libc is the oracle, at noon of every day until 2099-12-31. */
static void every_day_of_the_century_is_libc_s(void **state)
{
	(void)state;
	for (time_t t = 946728000; t < 4102444800; t += 86400) {
		struct rtc_regs r = {.status_b = BCD_24H};
		struct tm tm;
		uint64_t seconds;

		gmtime_r(&t, &tm);
		r.second = bcd(tm.tm_sec);
		r.minute = bcd(tm.tm_min);
		r.hour = bcd(tm.tm_hour);
		r.day = bcd(tm.tm_mday);
		r.month = bcd(tm.tm_mon + 1);
		r.year = bcd(tm.tm_year - 100);
		assert_true(rtc_decode(&r, &seconds));
		assert_true(seconds == (uint64_t)t);
	}
}

static void all_four_forms_say_the_same(void **state)
{
	/* 2026-11-22 23:59:58 */
	const struct rtc_regs forms[] = {
	    {0x58, 0x59, 0x23, 0x22, 0x11, 0x26, BCD_24H},
	    {58, 59, 23, 22, 11, 26, BINARY_24H},
	    {0x58, 0x59, 0x91, 0x22, 0x11, 0x26, BCD_12H},
	    {58, 59, 11 | 0x80, 22, 11, 26, BINARY_12H},
	};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t seconds;

		assert_true(rtc_decode(&forms[i], &seconds));
		assert_true(seconds == 1795391998);
	}
}

static void twelve_is_midnight_and_noon(void **state)
{
	struct rtc_regs r = {0, 0, 0x12, 0x01, 0x01, 0x00, BCD_12H};
	uint64_t seconds;

	(void)state;
	assert_true(rtc_decode(&r, &seconds));
	assert_true(seconds == 946684800);
	r.hour = 0x92;
	assert_true(rtc_decode(&r, &seconds));
	assert_true(seconds == 946684800 + 12 * 3600);
}

static void nonsense_is_no_date(void **state)
{
	const struct rtc_regs bad[] = {
	    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* an empty port */
	    {0, 0, 0, 0, 0, 0, 0},
	    {0x60, 0, 0, 1, 1, 0, BCD_24H},
	    {0, 0x60, 0, 1, 1, 0, BCD_24H},
	    {0, 0, 0x24, 1, 1, 0, BCD_24H},
	    {0, 0, 0, 0x32, 1, 0, BCD_24H},
	    {0, 0, 0, 1, 0x13, 0, BCD_24H},
	    {0, 0, 0, 1, 0x0a, 0, BCD_24H},
	    {0, 0, 0, 1, 1, 100, BINARY_24H},
	    {0, 0, 0x13, 1, 1, 0, BCD_12H},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t seconds;

		assert_false(rtc_decode(&bad[i], &seconds));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_day_of_the_century_is_libc_s),
	    cmocka_unit_test(all_four_forms_say_the_same),
	    cmocka_unit_test(twelve_is_midnight_and_noon),
	    cmocka_unit_test(nonsense_is_no_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
