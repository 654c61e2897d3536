/* SPDX-License-Identifier: MIT */
/* How sizes are read on the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cli/cli.h"

static void sizes_of_memory_count_mebibytes_unless_they_say_else(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {{"512", 512ull << 20}, {"512M", 512ull << 20}, {"1.5G", 1536ull << 20},
		    {"1GiB", 1ull << 30},  {"64g", 64ull << 30},   {"0", 0},
		    {"1024b", 1024}};
	static const char *const bad[] = {"",
					  "M",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "1.5",
					  "0x10",
					  "8796093022208",
					  "99999999999999999999",
					  "1Q"};
	uint64_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(cli_read_memory(good[i].text, &size));
		assert_true(size == good[i].size);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(cli_read_memory(bad[i], &size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes_of_memory_count_mebibytes_unless_they_say_else),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
