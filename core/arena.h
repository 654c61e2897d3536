/* SPDX-License-Identifier: MIT */
/*
 * A small allocator on one fixed region: first fit, free blocks in address order and merged with their neighbours. For
 * structures of control paths (xenstore); not thread-safe. Blocks are 16-byte aligned; each costs 16 bytes more.
 */
#pragma once

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *free;
	size_t used; /* bytes given out, headers included */
};

/* The region must be 16-byte aligned; it belongs to the arena from here on. */
void arena_init(struct arena *arena, void *region, size_t size);
/* NULL when no free block is large enough. */
void *arena_alloc(struct arena *arena, size_t size);
/* `p` comes from arena_alloc() of the same arena, or is NULL. */
void arena_free(struct arena *arena, void *p);
