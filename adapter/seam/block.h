/* SPDX-License-Identifier: MIT */
/*
 * Disks come from the Viridian side and become the guest's. The disks themselves speak core/block.h.
 */
#ifndef XENOLITH_SEAM_BLOCK_H
#define XENOLITH_SEAM_BLOCK_H

#include "core/block.h"

/* Implemented by the Xen side; called on VP 0. The disk stays valid until block_forgotten(). Disks are numbered in the order in which they come. */
void xen_block_add(struct block_disk *disk);
/* nr_sectors has changed. */
void xen_block_resized(struct block_disk *disk);
/* The disk is gone: requests that it still gets, it must answer with an error, until block_forgotten(). */
void xen_block_remove(struct block_disk *disk);

/* Implemented by the Viridian side: nobody knows the disk any more. On any VP. */
void block_forgotten(struct block_disk *disk);

#endif
