/* SPDX-License-Identifier: MIT */
/* The table of formats, for the core alone. */
#ifndef XENOLITH_DISK_FORMAT_H
#define XENOLITH_DISK_FORMAT_H

#include "disk/driver.h"

/* NULL for XD_FORMAT_ANY and where there is none. */
const struct xd_driver *xd_driver_for(enum xd_format format);
/* By content; raw where nothing fits, XD_E_FORMAT where more than one format does. */
int xd_driver_probe(const struct xd_io *io, const struct xd_driver **driver, struct xd_error *err);

#endif
