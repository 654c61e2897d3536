/* SPDX-License-Identifier: MIT */
#include "cli/run.h"
#include "host/say.h"

#include <string.h>

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "run") != 0) {
		say_error("what to do? See xenolith run --help");
		return 2;
	}
	return cli_run(argc - 1, argv + 1);
}
