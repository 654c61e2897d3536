/* SPDX-License-Identifier: MIT */
/*
 * The client of StorVSP: synthetic SCSI controllers and their disks, handed to the Xen side by adapter/seam/block.h.
 */
#ifndef XENOLITH_HV_STORVSC_H
#define XENOLITH_HV_STORVSC_H

#include <stdbool.h>

/* Boot: registers the drivers, of SCSI controllers and of a generation 1 machine's IDE disks. */
void storvsc_init(void);

/*
 * Before storvsc_begin(). `disks`: places (storvsc_order.h) of those that get the guest's first names. `show_boot_image`: the guest sees the disk or CD-ROM
 * that holds the adapter's own boot image too. NULL, or why not, in one line.
 */
const char *storvsc_configure(const char *disks, bool show_boot_image);

/* The guest is about to start: it gets the disks that have been found, in order, and from now on each as it is found. On VP 0. */
void storvsc_begin(void);

#endif
