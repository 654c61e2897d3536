/* SPDX-License-Identifier: MIT */
/* gzip by zlib. Source: RFC 1952. */
#include "core/kimage/internal.h"

#define ZLIB_CONST
#include <zlib.h>

#define GZIP_ONLY  (16 + MAX_WBITS) /* zlib.h, inflateInit2: expect gzip's header and trailer */
#define GZIP_FIXED (64 << 10)       /* measured 39 KiB: state and 32 KiB window */

void declare_gzip(const unsigned char *in, size_t size, struct declared *d)
{
	d->fixed = GZIP_FIXED;
	if (size >= 18) { /* header and trailer; ISIZE ends it (RFC 1952, 2.3.1) */
		d->unpacked = get_le32(in + size - 4);
	}
}

static void *gzip_alloc(void *arena, unsigned int items, unsigned int size)
{
	return bump_alloc(arena, (size_t)items * size);
}

static void gzip_free(void *arena, void *p)
{
	(void)arena;
	(void)p; /* the arena goes as a whole */
}

enum kimage_error unpack_gzip(struct unpack *u)
{
	z_stream z = {.next_in = u->in,
		      .avail_in = u->in_size,
		      .next_out = u->out,
		      .avail_out = u->out_size,
		      .zalloc = gzip_alloc,
		      .zfree = gzip_free,
		      .opaque = u->arena};
	int result = inflateInit2(&z, GZIP_ONLY);

	if (result == Z_OK) {
		result = inflate(&z, Z_FINISH);
	}
	u->in_pos = z.total_in;
	u->out_len = z.total_out;
	switch (result) {
	case Z_STREAM_END: return KIMAGE_OK;
	case Z_MEM_ERROR: return KIMAGE_E_WORK_MEMORY;
	case Z_OK:
	case Z_BUF_ERROR: return z.avail_in == 0 ? KIMAGE_E_TRUNCATED : KIMAGE_E_BUFFER;
	default: return KIMAGE_E_CORRUPT;
	}
}
