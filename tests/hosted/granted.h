/* SPDX-License-Identifier: MIT */
/* A guest's memory and the grant table over it, for tests and fuzzers of the back ends: reference n grants page n. */
#pragma once

#include <string.h>

#include "core/gnttab.h"

#define GRANTED_PAGES 64

struct granted {
	struct gnttab grants;
	struct gnttab_pin pins[GNTTAB_REFS_PER_FRAME];
	_Alignas(4096) char table[4096];
	_Alignas(4096) char page[GRANTED_PAGES][4096];
};

static inline void *granted_table(void *ctx, uint64_t *mfn)
{
	*mfn = 0;
	return ((struct granted *)ctx)->table;
}

static inline void *granted_page(void *ctx, uint64_t mfn)
{
	return mfn < GRANTED_PAGES ? ((struct granted *)ctx)->page[mfn] : NULL;
}

static inline void granted_set(struct granted *g, grant_ref_t ref, uint32_t mfn, uint16_t flags)
{
	((struct grant_entry_v1 *)g->table)[ref] = (struct grant_entry_v1){flags, 0, mfn};
}

/* The first `pages` references are good; the pages keep what they hold. Returns what gnttab_init does. */
static inline int granted_start(struct granted *g, unsigned pages)
{
	static const struct gnttab_env env = {granted_table, granted_page};
	struct gnttab_config config = {&env, g, 1, 1, g->pins};

	memset(g->table, 0, sizeof(g->table));
	for (unsigned i = 0; i < pages; i++)
		granted_set(g, i, i, GTF_permit_access);
	return gnttab_init(&g->grants, &config);
}

/* Whether a back end still holds any page. */
static inline bool granted_in_use(const struct granted *g)
{
	for (unsigned i = 0; i < GNTTAB_REFS_PER_FRAME; i++)
		if (g->pins[i].users)
			return true;
	return false;
}
