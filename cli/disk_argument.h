/* SPDX-License-Identifier: MIT */
/* FILE[,ro][,ide][,format=raw|vhd|vhdx]: how `xenolith run --disk` and, but for an IDE disk, `xenolith attach` name a disk. */
#ifndef CLI_DISK_ARGUMENT_H
#define CLI_DISK_ARGUMENT_H

#include "host/machine.h"

/* Cuts `value` at its commas; the disk points into it. 0, or -1 with a message. */
int disk_argument(struct machine_disk *disk, char *value);

#endif
