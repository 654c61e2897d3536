/* SPDX-License-Identifier: MIT */
/*
 * The grant table of one guest, versions 1 and 2: set-up and queries as an unprivileged domain may make them, and the
 * resolver by which the adapter's back ends (domain 0) use what the guest has granted.
 *
 * Pure logic; the caller copies hypercall arguments and owns all memory. Every function may be called from several processors
 * at once. There is no other domain whose frames this guest could map: mapping fails as it does for a reference that is not there.
 *
 * Source: <xen/grant_table.h> and how Xen 4.17 behaves (which status for which mistake).
 */
#pragma once

#include <stdbool.h>

#include "core/lock.h"
#include "core/xen_abi.h"
#include <xen/grant_table.h>

#define GNTTAB_MAX_FRAMES        64  /* Xen's default limit: 32768 references in version 1 */
#define GNTTAB_MAX_STATUS_FRAMES 8   /* 16-bit status words of 64 frames of version 2 entries */
#define GNTTAB_REFS_PER_FRAME    512 /* in version 1; half of that in version 2 */
#define GNTTAB_LOCKS             16

struct gnttab_env {
	/* A zeroed page for the table, which the guest can map: its address and frame number. NULL when there is none. It
	 * stays with the table for good. */
	void *(*alloc)(void *ctx, uint64_t *mfn);
	/* Where the guest's page `mfn` is, NULL when it is not the guest's RAM. */
	void *(*page)(void *ctx, uint64_t mfn);
};

/* How often a reference is in use. */
struct gnttab_pin {
	uint16_t users, writers;
};

struct gnttab_config {
	const struct gnttab_env *env;
	void *ctx;
	domid_t domid;
	unsigned max_frames;     /* 1 to GNTTAB_MAX_FRAMES */
	struct gnttab_pin *pins; /* max_frames * GNTTAB_REFS_PER_FRAME of them */
};

struct gnttab {
	struct gnttab_config c;
	struct lock locks
	    [GNTTAB_LOCKS]; /* of references, by their low bits; all of them for the table's shape */
	unsigned version;
	unsigned nr_frames, nr_status_frames;
	void *frame[GNTTAB_MAX_FRAMES];
	uint64_t mfn[GNTTAB_MAX_FRAMES];
	void *status[GNTTAB_MAX_STATUS_FRAMES];
	uint64_t status_mfn[GNTTAB_MAX_STATUS_FRAMES];
};

/* An empty table of version 1 with one frame. 0, -XEN_EINVAL or -XEN_ENOMEM. */
int gnttab_init(struct gnttab *table, const struct gnttab_config *c);

/*
 * The hypercall's operations, as a table indexed by GNTTABOP_*. `op` is a copy of the guest's structure, written in place.
 * run returns 0 with the GNTST_* in op->status, or a negative XEN_E* for the whole hypercall. Two operations return a list of
 * frame numbers too, for the caller to copy to op->frame_list (status GNTST_bad_virt_addr when that fails).
 */
struct gnttab_list {
	const uint64_t *mfn;
	unsigned nr;
};

struct gnttab_op_row {
	const char *name;
	uint16_t arg_size; /* bytes of each element, copied in and back out */
	bool single;       /* more than one element is -XEN_EINVAL */
	int (*run)(struct gnttab *table, void *op, struct gnttab_list *list);
};
/* NULL for a number that is no operation here: -XEN_ENOSYS. */
const struct gnttab_op_row *gnttab_op_row(unsigned cmd);
#define GNTTAB_OP_COUNT   13
#define GNTTAB_OP_ARG_MAX 48 /* bytes */

#define GNTTAB_PAGE_SIZE 4096

/* What a back end gets: part of one page. */
struct gnttab_page {
	uint64_t mfn;
	void *va; /* of the page's start */
	uint16_t offset, len;
};

/*
 * Resolves a reference for domain `by`, and marks it as in use, so that the guest cannot end the access, until the matching
 * release. Returns GNTST_okay, _bad_gntref (no such reference), _general_error (not granted, not to this domain, read-only,
 * transitive) or _bad_page (not the guest's RAM). Each acquire needs a release with the same `write`.
 */
int gnttab_acquire(struct gnttab *table, domid_t by, grant_ref_t ref, bool write,
		   struct gnttab_page *page);
void gnttab_release(struct gnttab *table, grant_ref_t ref, bool write);
/* The same for several references; stops at the first that cannot be had, and returns how many came before it. */
unsigned gnttab_acquire_all(struct gnttab *table, domid_t by, const grant_ref_t *ref, unsigned nr,
			    bool write, struct gnttab_page *page);
void gnttab_release_all(struct gnttab *table, const grant_ref_t *ref, unsigned nr, bool write);
