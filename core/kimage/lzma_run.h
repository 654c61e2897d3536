/* SPDX-License-Identifier: MIT */
/* What the two users of liblzma share: allocation from the arena, one run, and what its results mean. */
#ifndef CORE_KIMAGE_LZMA_RUN_H
#define CORE_KIMAGE_LZMA_RUN_H

#include <lzma.h>

#include "core/kimage/internal.h"

static inline void *lzma_run_alloc(void *arena, size_t items, size_t size)
{
	return bump_alloc(arena, items * size); /* items is always 1 (lzma/base.h) */
}

static inline void lzma_run_free(void *arena, void *p)
{
	(void)arena;
	(void)p; /* the arena goes as a whole */
}

static inline lzma_allocator lzma_run_allocator(struct bump *arena)
{
	return (lzma_allocator){lzma_run_alloc, lzma_run_free, arena};
}

/* Decodes from u's positions on until the decoder in strm ends, and advances them. */
static inline lzma_ret lzma_run(lzma_stream *strm, struct unpack *u)
{
	lzma_ret ret;

	strm->next_in = u->in + u->in_pos;
	strm->avail_in = u->in_size - u->in_pos;
	strm->next_out = u->out + u->out_len;
	strm->avail_out = u->out_size - u->out_len;
	do {
		ret = lzma_code(strm, LZMA_FINISH);
	} while (ret == LZMA_OK);
	u->in_pos = u->in_size - strm->avail_in;
	u->out_len = u->out_size - strm->avail_out;
	return ret;
}

static inline enum kimage_error lzma_run_result(const struct unpack *u, lzma_ret ret)
{
	switch (ret) {
	case LZMA_OK:
	case LZMA_STREAM_END: return KIMAGE_OK;
	case LZMA_MEM_ERROR: return KIMAGE_E_WORK_MEMORY;
	case LZMA_OPTIONS_ERROR: return KIMAGE_E_VARIANT;
	case LZMA_BUF_ERROR: return u->in_pos == u->in_size ? KIMAGE_E_TRUNCATED : KIMAGE_E_BUFFER;
	default: return KIMAGE_E_CORRUPT;
	}
}

#endif
