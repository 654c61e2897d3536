/* SPDX-License-Identifier: MIT */
#include "core/arena.h"

struct arena_block {
	size_t size;              /* with this header; a multiple of 16 */
	struct arena_block *next; /* while free */
};

#define ALIGN 16

_Static_assert(sizeof(struct arena_block) <= ALIGN, "a header keeps the alignment");

void arena_init(struct arena *arena, void *region, size_t size)
{
	arena->free = NULL;
	arena->used = 0;
	size -= size % ALIGN;
	if (size < 2 * ALIGN)
		return;
	arena->free = region;
	arena->free->size = size;
	arena->free->next = NULL;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block **link = &arena->free, *block, *rest;

	if (size > (size_t)-1 / 2)
		return NULL;
	size = ALIGN + (size + ALIGN - 1) / ALIGN * ALIGN;
	while (*link && (*link)->size < size)
		link = &(*link)->next;
	block = *link;
	if (!block)
		return NULL;
	if (block->size - size >= 2 * ALIGN) {
		rest = (struct arena_block *)((char *)block + size);
		rest->size = block->size - size;
		rest->next = block->next;
		block->size = size;
		*link = rest;
	} else {
		*link = block->next;
	}
	arena->used += block->size;
	return (char *)block + ALIGN;
}

static void merge(struct arena_block *block)
{
	struct arena_block *next = block->next;

	if (next && (char *)block + block->size == (char *)next) {
		block->size += next->size;
		block->next = next->next;
	}
}

void arena_free(struct arena *arena, void *p)
{
	struct arena_block *block, *before = NULL, *after = arena->free;

	if (!p)
		return;
	block = (struct arena_block *)((char *)p - ALIGN);
	arena->used -= block->size;
	for (; after && after < block; after = after->next)
		before = after;
	block->next = after;
	if (before)
		before->next = block;
	else
		arena->free = block;
	merge(block);
	if (before)
		merge(before);
}
