/* SPDX-License-Identifier: MIT */
/* Inside the grant table. */
#pragma once

#include "core/gnttab.h"
#include "core/string.h"

#define GNTTAB_PAGE ((unsigned)GNTTAB_PAGE_SIZE)

static inline struct lock *gnttab_lock_of(struct gnttab *table, grant_ref_t ref)
{
	return &table->locks[ref % GNTTAB_LOCKS];
}

/* Nobody resolves a reference meanwhile. */
void gnttab_lock_all(struct gnttab *table);
void gnttab_unlock_all(struct gnttab *table);

static inline unsigned gnttab_nr_refs(const struct gnttab *table)
{
	return table->nr_frames * GNTTAB_REFS_PER_FRAME >> (table->version - 1);
}

static inline struct grant_entry_v1 *gnttab_entry_v1(const struct gnttab *table, grant_ref_t ref)
{
	return (struct grant_entry_v1 *)table->frame[ref / 512] + ref % 512;
}

static inline union grant_entry_v2 *gnttab_entry_v2(const struct gnttab *table, grant_ref_t ref)
{
	return (union grant_entry_v2 *)table->frame[ref / 256] + ref % 256;
}

static inline grant_status_t *gnttab_status_of(const struct gnttab *table, grant_ref_t ref)
{
	return (grant_status_t *)table->status[ref / 2048] + ref % 2048;
}

int gnttab_run_copy(struct gnttab *table, void *op, struct gnttab_list *list);
