/* SPDX-License-Identifier: MIT */
/* bzip2 by libbz2. Its format says nowhere how much it unpacks to. */
#include "core/kimage/internal.h"

#define BZ_NO_STDIO
#include <bzlib.h>

#define BZIP2_FIXED     (128 << 10) /* bzip2 manual, "Memory management": 100k */
#define BZIP2_PER_LEVEL 400000      /* likewise: 4 bytes for each of a block's level * 100,000 */

void declare_bzip2(const unsigned char *in, size_t size, struct declared *d)
{
	int level = size > 3 && in[3] >= '1' && in[3] <= '9' ? in[3] - '0' : 9;

	d->fixed = BZIP2_FIXED + level * BZIP2_PER_LEVEL;
}

static void *bzip2_alloc(void *arena, int items, int size)
{
	return bump_alloc(arena, (size_t)items * (size_t)size);
}

static void bzip2_free(void *arena, void *p)
{
	(void)arena;
	(void)p; /* the arena goes as a whole */
}

/* All input is read and the buffer is full: has the library more to write, or was there no end to read? */
static enum kimage_error full_or_truncated(bz_stream *bz)
{
	char more;

	bz->next_out = &more;
	bz->avail_out = 1;
	BZ2_bzDecompress(bz);
	return bz->avail_out == 0 ? KIMAGE_E_BUFFER : KIMAGE_E_TRUNCATED;
}

enum kimage_error unpack_bzip2(struct unpack *u)
{
	bz_stream bz = {.next_in = (char *)u->in, /* not written through */
			.avail_in = u->in_size,
			.next_out = (char *)u->out,
			.avail_out = u->out_size,
			.bzalloc = bzip2_alloc,
			.bzfree = bzip2_free,
			.opaque = u->arena};
	int result = BZ2_bzDecompressInit(&bz, 0, 0);

	if (result == BZ_OK) {
		result = BZ2_bzDecompress(&bz);
	}
	u->in_pos = u->in_size - bz.avail_in;
	u->out_len = u->out_size - bz.avail_out;
	switch (result) {
	case BZ_STREAM_END: return KIMAGE_OK;
	case BZ_MEM_ERROR: return KIMAGE_E_WORK_MEMORY;
	case BZ_OK: return bz.avail_in == 0 ? full_or_truncated(&bz) : KIMAGE_E_BUFFER;
	default: return KIMAGE_E_CORRUPT;
	}
}
