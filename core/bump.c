/* SPDX-License-Identifier: MIT */
#include "core/bump.h"

#define ALIGNMENT 16

void *bump_alloc(struct bump *b, size_t n)
{
	size_t left = b->size - b->used, pad = -b->used & (ALIGNMENT - 1);
	void *p;

	if (pad > left || n > left - pad) {
		return NULL;
	}
	p = b->base + b->used + pad;
	b->used += pad + n;
	return p;
}
