/* SPDX-License-Identifier: MIT */
/* The smallest program: exits with the number it is given, or 0 at once. */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	_exit(argc > 1 ? atoi(argv[1]) : 0);
}
