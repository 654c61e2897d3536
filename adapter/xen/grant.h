/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_XEN_GRANT_H
#define XENOLITH_XEN_GRANT_H

#include "core/gnttab.h"

/* The guest's grant table, for the back ends to resolve references with. */
extern struct gnttab grant_table;

void grant_init(void);

#endif
