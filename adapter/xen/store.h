/* SPDX-License-Identifier: MIT */
/* The guest's xenstore: core/xenstore on the ring that start_info names. */
#ifndef XENOLITH_XEN_STORE_H
#define XENOLITH_XEN_STORE_H

struct xenstore_domain_interface;

/* Makes the store and connects the ring; returns its event channel. */
unsigned store_init(struct xenstore_domain_interface *ring);

#endif
