/* SPDX-License-Identifier: MIT */
/*
 * A bump allocator over memory that the caller lends: nothing is freed alone, everything at once when the
 * caller takes its memory back or rewinds `used` to an earlier value. It never reaches outside its span.
 */
#ifndef CORE_BUMP_H
#define CORE_BUMP_H

#include <stddef.h>

struct bump {
	unsigned char *base; /* 16-byte aligned, owned by the caller */
	size_t size;         /* bytes */
	size_t used;         /* bytes; the caller may put back a value it saw earlier */
};

/* 16-byte aligned, not cleared; NULL where less than n bytes are left. */
void *bump_alloc(struct bump *b, size_t n);

#endif
