/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/boot/cmdline.h"

static char to[64];

static bool add(const char *line)
{
	strcpy(to, "untouched");
	return cmdline_default(to, sizeof(to), line, "clocksource", "tsc");
}

static void added(const char *line, const char *wanted)
{
	assert_true(add(line));
	assert_string_equal(to, wanted);
}

static void left(const char *line)
{
	assert_false(add(line));
	assert_string_equal(to, "untouched");
}

static void a_line_that_names_none_gets_it_in_front(void **state)
{
	(void)state;
	added("", "clocksource=tsc");
	added("root=/dev/xvda ro", "clocksource=tsc root=/dev/xvda ro");
	added("quiet -- clock", "clocksource=tsc quiet -- clock");
}

static void a_line_that_names_one_stays(void **state)
{
	(void)state;
	left("clocksource=xen");
	left("quiet clocksource=");
	left("a\tclocksource=xen b");
	left("\"clocksource=xen\"");
	left("x=\"a b\" clocksource=xen");
}

static void dashes_and_underscores_are_the_same(void **state)
{
	(void)state;
	assert_false(
	    cmdline_default(to, sizeof(to), "xen-blkfront.max=1", "xen_blkfront.max", "2"));
	assert_true(cmdline_default(to, sizeof(to), "xen+blkfront.max=1", "xen_blkfront.max", "2"));
	assert_string_equal(to, "xen_blkfront.max=2 xen+blkfront.max=1");
}

static void what_only_looks_like_it_does_not_count(void **state)
{
	(void)state;
	added("xclocksource=1", "clocksource=tsc xclocksource=1");
	added("clocksource", "clocksource=tsc clocksource");
	added("x=\"a clocksource=b\"", "clocksource=tsc x=\"a clocksource=b\"");
}

static void a_line_that_would_not_fit_stays(void **state)
{
	char line[64];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[63 - 16] = '\0';
	assert_true(add(line));
	assert_int_equal(strlen(to), 63);
	line[63 - 16] = 'x';
	line[64 - 16] = '\0';
	left(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_that_names_none_gets_it_in_front),
	    cmocka_unit_test(a_line_that_names_one_stays),
	    cmocka_unit_test(dashes_and_underscores_are_the_same),
	    cmocka_unit_test(what_only_looks_like_it_does_not_count),
	    cmocka_unit_test(a_line_that_would_not_fit_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
