/* SPDX-License-Identifier: MIT */
#include "core/arena.h"

#define ALIGNMENT 16

void *arena_alloc(struct arena *a, size_t n)
{
	size_t left = a->size - a->used, pad = -a->used & (ALIGNMENT - 1);
	void *p;

	if (pad > left || n > left - pad) {
		return NULL;
	}
	p = a->base + a->used + pad;
	a->used += pad + n;
	return p;
}
