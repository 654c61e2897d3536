/* SPDX-License-Identifier: MIT */
/*
 * What a guest expects to find in its xenstore when it starts: the tree that Xen's toolstack (libxl 4.17) makes for a PV
 * domain, with its permissions, minus devices. Same lock as core/xenstore.h.
 */
#pragma once

#include "core/xenstore.h"

struct xs_guest {
	domid_t domid;
	const char *name;
	const char *uuid; /* in its usual text form */
	unsigned nr_vcpus;
	uint64_t memory_kib, memory_max_kib;
	uint64_t store_mfn, console_mfn;
	uint32_t store_port, console_port;
};

/* Makes the tree and fires @introduceDomain. 0 or a negative XEN_E*. */
int xs_guest_introduce(struct xs_store *store, const struct xs_guest *guest);
