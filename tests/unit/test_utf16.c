/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <uchar.h>
#include <cmocka.h>

#include "core/utf16.h"

static void assert_there_and_back(const char *text)
{
	uint8_t wide[64];
	char back[64];
	size_t bytes = utf8_to_utf16(wide, sizeof(wide), text);

	assert_int_equal(utf16_to_utf8(back, sizeof(back), wide, bytes), strlen(text));
	assert_string_equal(back, text);
}

static void text_comes_back_as_it_was(void **state)
{
	(void)state;
	assert_there_and_back("");
	assert_there_and_back("plain");
	assert_there_and_back("gr\xc3\xbcn \xe2\x82\xac \xf0\x9f\x90\xa7");
}

/* Against the compiler's own conversion. */
static void units_are_those_of_the_compiler(void **state)
{
	static const char16_t expected[] = u"\u00fc\u20ac\U0001F427";
	uint8_t wide[sizeof(expected)];

	(void)state;
	assert_int_equal(utf8_to_utf16(wide, sizeof(wide), u8"\u00fc\u20ac\U0001F427"),
			 sizeof(expected));
	assert_memory_equal(wide, expected, sizeof(expected));
}

static void what_does_not_fit_is_cut_at_a_character(void **state)
{
	uint8_t wide[6];
	char text[4];
	static const char16_t euro[] = u"a\u20ac";

	(void)state;
	assert_int_equal(utf8_to_utf16(wide, 6, "a\xf0\x9f\x90\xa7"), 4);
	assert_int_equal(utf8_to_utf16(wide, 2, "a"), 2);
	assert_int_equal(wide[0] | wide[1], 0);
	assert_int_equal(utf16_to_utf8(text, 4, (const uint8_t *)euro, sizeof(euro)), 1);
	assert_string_equal(text, "a");
	assert_int_equal(utf16_to_utf8(text, 1, (const uint8_t *)euro, sizeof(euro)), 0);
}

static void what_is_no_text_becomes_question_marks(void **state)
{
	static const uint8_t halves[] = {0x00, 0xdc, 'a',  0, 0x00, 0xd8,
					 'b',  0,    0x07, 0, 0x00, 0xd8};
	uint8_t wide[32];
	char text[32];
	size_t bytes;

	(void)state;
	utf16_to_utf8(text, sizeof(text), halves, sizeof(halves));
	assert_string_equal(text, "?a?b??");
	/* A stray continuation, an overlong slash, a surrogate, beyond the last character, an end too early. */
	bytes = utf8_to_utf16(wide, sizeof(wide), "\x80|\xc0\xaf|\xed\xa0\x80|\xf5\x80|\xe2\x82");
	utf16_to_utf8(text, sizeof(text), wide, bytes);
	assert_string_equal(text, "?|??|???|??|??");
}

static void an_odd_byte_is_no_unit(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(utf16_to_utf8(text, sizeof(text), (const uint8_t *)"a\0b", 3), 1);
	assert_int_equal(utf16_to_utf8(text, sizeof(text), (const uint8_t *)"a", 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_comes_back_as_it_was),
	    cmocka_unit_test(units_are_those_of_the_compiler),
	    cmocka_unit_test(what_does_not_fit_is_cut_at_a_character),
	    cmocka_unit_test(what_is_no_text_becomes_question_marks),
	    cmocka_unit_test(an_odd_byte_is_no_unit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
