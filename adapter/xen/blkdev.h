/* SPDX-License-Identifier: MIT */
/* The guest's disks: what adapter/seam/block.h brings, as virtual block devices of core/vbd. */
#ifndef XENOLITH_XEN_BLKDEV_H
#define XENOLITH_XEN_BLKDEV_H

#define BLKDEVS_MAX 64

/* Boot, after store_init(). */
void blkdev_init(void);

#endif
