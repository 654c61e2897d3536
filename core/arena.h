/* SPDX-License-Identifier: MIT */
/*
 * A bump allocator over memory that the caller lends: nothing is freed alone, everything at once when the
 * caller takes its memory back or rewinds `used` to an earlier value. It never reaches outside its span.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

struct arena {
	unsigned char *base; /* 16-byte aligned, owned by the caller */
	size_t size;         /* bytes */
	size_t used;         /* bytes; the caller may put back a value it saw earlier */
};

/* 16-byte aligned, not cleared; NULL where less than n bytes are left. */
void *arena_alloc(struct arena *a, size_t n);

#endif
