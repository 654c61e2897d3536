/* SPDX-License-Identifier: MIT */
#include "cli/disk_argument.h"

#include <string.h>

#include "host/say.h"

/* By the name, never by the content: a guest can write into a raw disk what looks like a VHD and names any parent. */
static enum xd_format format_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (dot && strcasecmp(dot, ".vhdx") == 0) {
		return XD_FORMAT_VHDX;
	}
	return dot && strcasecmp(dot, ".vhd") == 0 ? XD_FORMAT_VHD : XD_FORMAT_RAW;
}

static int take_option(struct machine_disk *disk, const char *option)
{
	if (strcmp(option, "ro") == 0) {
		disk->read_only = true;
		return 0;
	}
	if (strcmp(option, "ide") == 0) {
		disk->ide = true;
		return 0;
	}
	if (strcmp(option, "cdrom") == 0) {
		disk->cdrom = disk->read_only = true;
		return 0;
	}
	if (strncmp(option, "format=", 7) == 0) {
		disk->format = xd_format_by_name(option + 7);
		if (disk->format != XD_FORMAT_ANY) {
			return 0;
		}
	}
	return say_error("%s: %s is none of ro, ide, cdrom and format=raw, vhd or vhdx", disk->path,
			 option);
}

int disk_argument(struct machine_disk *disk, char *value)
{
	char *option;

	*disk = (struct machine_disk){.path = strsep(&value, ","), .format = XD_FORMAT_ANY};
	while ((option = strsep(&value, ","))) {
		if (take_option(disk, option) < 0) {
			return -1;
		}
	}
	if (disk->format == XD_FORMAT_ANY) {
		disk->format = disk->cdrom ? XD_FORMAT_RAW : format_of(disk->path);
	}
	return disk->ide && disk->cdrom
		   ? say_error("%s: a DVD is no IDE disk; leave out ide", disk->path)
		   : 0;
}
