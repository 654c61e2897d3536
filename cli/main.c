/* SPDX-License-Identifier: MIT */
/* xenolith: the command. A new verb is a line in the table, and a file. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/image.h"
#ifdef XENOLITH_WITH_RUN
#include "cli/guest.h"
#include "cli/run.h"
#endif

static int image(int argc, char **argv)
{
	static const struct cli_command verbs[] = {
	    {"info", "tell what an image is", image_info},
	    {"create", "make a new image", image_create},
	    {"convert", "copy an image into another format", image_convert},
	    {"check", "look for damage", image_check},
	    {"repair", "look for damage and mend what has one right answer", image_repair},
	    {"resize", "change the size of the disk", image_resize},
	    {"compact", "give back space that holds nothing", image_compact},
	    {"map", "list where the disk's bytes are", image_map},
	    {"diff", "make a child that holds the differences to a parent", image_diff},
	    {"merge", "write a child's data into its parent", image_merge},
	    {"rebase", "give a child another parent and keep what the disk holds", image_rebase},
	    {"relink", "record where a child's parent is now", image_relink},
	    {0},
	};

	return cli_dispatch(
	    verbs, "Disk images: raw, VHD and VHDX; qcow2 and VMDK to convert from and to.", argc,
	    argv);
}

static int version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("xenolith " XD_VERSION);
	return CLI_OK;
}

/*
 * A file takes the lowest free number: where one of the three is closed, a disk would be standard error, and a message written into it. What
 * is put there instead fails what is not to be done with it, as a closed one does.
 */
static bool keep_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

/* Also of what argp prints, which ends the program by itself. */
static void check_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		_exit(cli_complain("standard output: %s", strerror(errno)));
}

int main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
#ifdef XENOLITH_WITH_RUN
	    {"run", "start a guest in a Viridian partition", cli_run},
	    {"list", "list the guests that are running", cli_list},
	    {"console", "join a guest's console", cli_console},
	    {"shutdown", "ask a guest to shut down or restart", cli_shutdown},
	    {"reset", "reset a guest", cli_reset},
	    {"destroy", "end a guest at once", cli_destroy},
	    {"pause", "stop a guest's processors", cli_pause},
	    {"resume", "let a paused guest go on", cli_resume},
	    {"attach", "give a guest a disk", cli_attach},
	    {"detach", "take a disk from a guest", cli_detach},
	    {"grow", "make a guest's disk larger", cli_grow},
	    {"attach-net", "give a guest a network adapter", cli_attach_net},
	    {"detach-net", "take a network adapter from a guest", cli_detach_net},
	    {"link", "plug a guest's network cable in or out", cli_link},
	    {"memory", "take memory from a guest, or add some", cli_memory},
	    {"info", "tell about a guest", cli_guest_info},
#endif
	    {"image", "disk images", image},
	    {"--version", "tell the version", version},
	    {0},
	};
	static char name[] = "xenolith";

	if (argc)
		argv[0] = name;
	if (!keep_standard_files())
		return CLI_FAILED;
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like a full disk */
	atexit(check_output);
	return cli_dispatch(commands, "Xen PV guests in Viridian partitions, and their disks.",
			    argc, argv);
}
