/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/options_adapter.h"

struct fields {
	bool flag;
	uint64_t number, any, size;
	unsigned int choice;
	char text[8];
	char guard;
};

static const struct option table[] = {
    {"flag", OPTION_IS_BOOL(struct fields, flag), .help = "a bool"},
    {"number", OPTION_IS_UINT(struct fields, number, 3, 64), .help = "a number"},
    {"any", OPTION_IS_UINT(struct fields, any, 0, UINT64_MAX), .help = "any number"},
    {"size", OPTION_IS_SIZE(struct fields, size, 4096, 1ull << 40), .help = "a size"},
    {"choice", OPTION_IS_ENUM(struct fields, choice, "one", "two", "three"), .help = "a choice"},
    {"text", OPTION_IS_TEXT(struct fields, text), .help = "a text"},
};

static struct fields got;
static char error[200];

/* The line in a heap block of its own size, so that the sanitizer sees a byte too far. */
static bool parse(const char *line)
{
	char *copy = strdup(line);
	bool good;

	got = (struct fields){.choice = 77, .guard = 'g'};
	good = options_parse(table, sizeof(table) / sizeof(table[0]), copy, &got, error,
			     sizeof(error));
	free(copy);
	assert_int_equal(got.guard, 'g');
	return good;
}

static void assert_error(const char *line, const char *want)
{
	assert_false(parse(line));
	assert_string_equal(error, want);
}

static void every_kind_of_option_is_read(void **state)
{
	(void)state;
	assert_true(
	    parse("  flag number=64\tany=0xffffffffffffffff size=128M choice=two text=a=b,c=d \n"));
	assert_true(got.flag);
	assert_int_equal(got.number, 64);
	assert_int_equal(got.any, UINT64_MAX);
	assert_int_equal(got.size, 128 << 20);
	assert_int_equal(got.choice, 1);
	assert_string_equal(got.text, "a=b,c=d");
}

static void an_empty_line_changes_nothing(void **state)
{
	(void)state;
	assert_true(parse(""));
	assert_true(parse(" \t "));
	assert_int_equal(got.choice, 77);
}

static void the_later_of_two_words_holds(void **state)
{
	(void)state;
	assert_true(parse("number=4 flag=on number=5 flag=off"));
	assert_int_equal(got.number, 5);
	assert_false(got.flag);
}

static void bools_have_many_words(void **state)
{
	static const char *const on[] = {"flag", "flag=on", "flag=yes", "flag=1"};
	static const char *const off[] = {"flag=off", "flag=no", "flag=0"};

	(void)state;
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		assert_true(parse(on[i]) && got.flag);
	}
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		assert_true(parse(off[i]) && !got.flag);
	}
	assert_error("flag=maybe", "option 'flag=maybe': expected on or off");
	assert_error("flag=", "option 'flag=': expected on or off");
}

static void sizes_have_suffixes(void **state)
{
	(void)state;
	assert_true(parse("size=4096") && got.size == 4096);
	assert_true(parse("size=0x1000") && got.size == 4096);
	assert_true(parse("size=4K") && got.size == 4096);
	assert_true(parse("size=3M") && got.size == 3 << 20);
	assert_true(parse("size=2G") && got.size == 2ull << 30);
	assert_true(parse("size=1T") && got.size == 1ull << 40);
	assert_error("size=2T", "option 'size=2T': expected a size of 4K..1T");
	assert_error("size=16777217T",
		     "option 'size=16777217T': expected a size of 4K..1T"); /* 2^64 + 1T */
	assert_error("size=M", "option 'size=M': expected a size of 4K..1T");
	assert_error("size=1MB", "option 'size=1MB': expected a size of 4K..1T");
	assert_error("size=1m", "option 'size=1m': expected a size of 4K..1T");
}

static void unknown_options_are_named(void **state)
{
	(void)state;
	assert_error("foo", "unknown option 'foo'");
	assert_error("flag foo=bar number=3", "unknown option 'foo=bar'");
	assert_error("numbe=3", "unknown option 'numbe=3'");
	assert_error("numberr=3", "unknown option 'numberr=3'");
	assert_error("=3", "unknown option '=3'");
	assert_error("Flag", "unknown option 'Flag'");
}

static void values_out_of_range_name_the_range(void **state)
{
	(void)state;
	assert_error("number=99", "option 'number=99': expected 3..64");
	assert_error("number=2", "option 'number=2': expected 3..64");
	assert_error("number=-4", "option 'number=-4': expected 3..64");
	assert_error("number=4x", "option 'number=4x': expected 3..64");
	assert_error("number=0x", "option 'number=0x': expected 3..64");
	assert_error("number=a", "option 'number=a': expected 3..64");
	assert_error("number=18446744073709551620",
		     "option 'number=18446744073709551620': expected 3..64");
	assert_error("number", "option 'number': expected 3..64");
	assert_error("number=", "option 'number=': expected 3..64");
	assert_error("choice=four", "option 'choice=four': expected one, two or three");
	assert_error("choice=on", "option 'choice=on': expected one, two or three");
	assert_error("choice", "option 'choice': expected one, two or three");
	assert_int_equal(got.choice, 77);
	assert_error("text=12345678", "option 'text=12345678': expected 1..7 bytes of text");
	assert_error("text=", "option 'text=': expected 1..7 bytes of text");
	assert_error("text", "option 'text': expected 1..7 bytes of text");
}

static void errors_show_no_control_bytes_and_stay_short(void **state)
{
	char line[300];

	(void)state;
	assert_error("a\033[2Jb\377", "unknown option 'a?[2Jb?'");
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	assert_error(
	    line, "unknown option 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'");
	assert_false(options_parse(table, 1, "whatever", &got, error, 10));
	assert_string_equal(error, "unknown o");
}

static void an_overlong_line_is_refused(void **state)
{
	char line[OPTIONS_LINE_MAX + 2];

	(void)state;
	memset(line, ' ', sizeof(line));
	line[OPTIONS_LINE_MAX] = '\0';
	assert_true(parse(line));
	line[OPTIONS_LINE_MAX] = ' ';
	line[OPTIONS_LINE_MAX + 1] = '\0';
	assert_error(line, "the command line is longer than 1023 bytes");
}

static void the_adapter_has_defaults(void **state)
{
	struct adapter_options o;

	(void)state;
	memset(&o, 0xff, sizeof(o));
	assert_true(adapter_options_parse("", &o, error, sizeof(error)));
	assert_int_equal(o.loglevel, OPT_LOG_INFO);
	assert_int_equal(o.console, OPT_CONSOLE_COM1);
	assert_int_equal(o.vcpus, 0);
	assert_int_equal(o.ring, 1);
	assert_int_equal(o.xpti, OPT_XPTI_AUTO);
	assert_int_equal(o.crash, OPT_CRASH_RESET);
	assert_int_equal(o.mem, 0);
	assert_string_equal(o.no_hv, "");
}

static void the_adapters_options_are_read(void **state)
{
	struct adapter_options o;

	(void)state;
	assert_true(adapter_options_parse(
	    "loglevel=debug console=none vcpus=64 ring=1 xpti=off crash=halt mem=512M "
	    "no-hv=stimer-direct,ipi",
	    &o, error, sizeof(error)));
	assert_int_equal(o.loglevel, OPT_LOG_DEBUG);
	assert_int_equal(o.console, OPT_CONSOLE_NONE);
	assert_int_equal(o.vcpus, 64);
	assert_int_equal(o.xpti, OPT_XPTI_OFF);
	assert_int_equal(o.crash, OPT_CRASH_HALT);
	assert_int_equal(o.mem, 512 << 20);
	assert_string_equal(o.no_hv, "stimer-direct,ipi");
	assert_false(adapter_options_parse("vcpus=99", &o, error, sizeof(error)));
	assert_string_equal(error, "option 'vcpus=99': expected 1..64");
	assert_false(adapter_options_parse("ring=0", &o, error, sizeof(error)));
	assert_string_equal(error, "option 'ring=0': expected 1");
	assert_false(adapter_options_parse("mem=1M", &o, error, sizeof(error)));
	assert_string_equal(error, "option 'mem=1M': expected a size of 32M..1T");
	assert_false(adapter_options_parse("dom0_mem=1G", &o, error, sizeof(error)));
	assert_string_equal(error, "unknown option 'dom0_mem=1G'");
}

static void docs_list_the_adapters_options(void **state)
{
	static char docs[65536];
	FILE *f = fopen("docs/options.md", "r");
	char allowed[120], row[400];

	(void)state;
	assert_non_null(f);
	docs[fread(docs, 1, sizeof(docs) - 1, f)] = '\0';
	fclose(f);
	for (size_t i = 0; i < adapter_option_count; i++) {
		const struct option *o = &adapter_option_table[i];

		assert_in_range(options_allowed(o, allowed, sizeof(allowed)), 1,
				sizeof(allowed) - 1);
		snprintf(row, sizeof(row), "| `%s` | %s | %s |\n", o->name, allowed, o->help);
		if (strstr(docs, row) == NULL) {
			fail_msg("docs/options.md lacks: %s", row);
		}
	}
}

static void a_leading_file_name_is_dropped(void **state)
{
	static const char *const lines[][2] = {
	    {"/boot/vmlinuz-6.1 root=/dev/xvda1 ro", "root=/dev/xvda1 ro"},
	    {"(hd0,msdos1)/vmlinuz ro quiet", "ro quiet"},
	    {"placeholder root=/dev/xvda1", "root=/dev/xvda1"},
	    {"  placeholder   root=/dev/xvda1", "root=/dev/xvda1"},
	    {"placeholders", "placeholders"},
	    {"/vmlinuz", ""},
	    {"", ""},
	    {" ", ""},
	    {"root=/dev/xvda1 ro", "root=/dev/xvda1 ro"},
	    {"ro root=LABEL=/", "ro root=LABEL=/"},
	    {"console=hvc0 -- /sbin/init", "console=hvc0 -- /sbin/init"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_string_equal(options_after_name(lines[i][0]), lines[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_of_option_is_read),
	    cmocka_unit_test(an_empty_line_changes_nothing),
	    cmocka_unit_test(the_later_of_two_words_holds),
	    cmocka_unit_test(bools_have_many_words),
	    cmocka_unit_test(sizes_have_suffixes),
	    cmocka_unit_test(unknown_options_are_named),
	    cmocka_unit_test(values_out_of_range_name_the_range),
	    cmocka_unit_test(errors_show_no_control_bytes_and_stay_short),
	    cmocka_unit_test(an_overlong_line_is_refused),
	    cmocka_unit_test(the_adapter_has_defaults),
	    cmocka_unit_test(the_adapters_options_are_read),
	    cmocka_unit_test(docs_list_the_adapters_options),
	    cmocka_unit_test(a_leading_file_name_is_dropped),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
