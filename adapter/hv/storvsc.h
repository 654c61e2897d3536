/* SPDX-License-Identifier: MIT */
/*
 * The client of StorVSP: synthetic SCSI controllers and their disks, handed to the Xen side by adapter/seam/block.h.
 */
#ifndef XENOLITH_HV_STORVSC_H
#define XENOLITH_HV_STORVSC_H

/* Boot: registers the drivers, of SCSI controllers and of a generation 1 machine's IDE disks. */
void storvsc_init(void);

#endif
