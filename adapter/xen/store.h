/* SPDX-License-Identifier: MIT */
/* The guest's xenstore: core/xenstore on the ring that start_info names. */
#ifndef XENOLITH_XEN_STORE_H
#define XENOLITH_XEN_STORE_H

#include "core/xen_abi.h"

struct xenstore_domain_interface;

/* Makes the store and connects the ring; returns its event channel. */
unsigned store_init(struct xenstore_domain_interface *ring);

/* Fills it with what a guest expects to find, once start_info has the rings. */
void store_introduce(const struct start_info *si);

#endif
