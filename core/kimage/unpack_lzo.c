/* SPDX-License-Identifier: MIT */
/*
 * LZO1X blocks by liblzo2, in lzop's framing, whose numbers are all big-endian. The framing has no written
 * specification; the facts here are those of lzop 1.03's files, and tests/unit/test_kimage.c builds such files.
 */
#include "core/kimage/internal.h"

#include "core/string.h"

#include <lzo/lzo1x.h>
#include <zlib.h>

#define MAGIC_SIZE 9
#define FLAGS_AT      \
	(MAGIC_SIZE + \
	 8) /* after version, library version, version needed (2 each), method, level (1 each) */
#define NAME_AT (FLAGS_AT + 16) /* after flags, mode, mtime low and high; more where FLAG_FILTER */

#define VERSION_WITH_LEVEL \
	0x0940 /* older files lack "version needed" and level; no kernel has them */

enum {
	FLAG_ADLER32_D = 0x1, /* checksum of the contents */
	FLAG_ADLER32_C = 0x2, /* of the compressed data */
	FLAG_EXTRA = 0x40,
	FLAG_CRC32_D = 0x100,
	FLAG_CRC32_C = 0x200,
	FLAG_FILTER = 0x800,
	FLAG_HEADER_CRC32 = 0x1000,
};

/* One block's header: contents' length (0 ends the file), data's length, up to four checksums. */
struct block {
	uint32_t contents, data;
	uint32_t adler_d, crc_d, adler_c, crc_c;
	size_t header; /* bytes */
};

static uint32_t adler(const unsigned char *p, size_t n)
{
	return adler32(adler32(0, NULL, 0), p, n);
}

static uint32_t crc(const unsigned char *p, size_t n)
{
	return crc32(crc32(0, NULL, 0), p, n);
}

/* The offset of the first block, or an error with *pos where it is. */
static enum kimage_error parse_header(const unsigned char *in, size_t size, size_t *pos,
				      uint32_t *flags)
{
	size_t end;

	*pos = size;
	if (size <= NAME_AT + 1) {
		return KIMAGE_E_TRUNCATED;
	}
	*pos = MAGIC_SIZE;
	*flags = get_be32(in + FLAGS_AT);
	if ((in[MAGIC_SIZE] << 8 | in[MAGIC_SIZE + 1]) < VERSION_WITH_LEVEL ||
	    (*flags & (FLAG_FILTER | FLAG_EXTRA)) != 0) {
		return KIMAGE_E_VARIANT;
	}
	end = NAME_AT + 1 + in[NAME_AT];
	if (size < end + 4) {
		*pos = size;
		return KIMAGE_E_TRUNCATED;
	}
	*pos = end + 4;
	if (get_be32(in + end) !=
	    (*flags & FLAG_HEADER_CRC32 ? crc : adler)(in + MAGIC_SIZE, end - MAGIC_SIZE)) {
		return KIMAGE_E_CORRUPT;
	}
	return KIMAGE_OK;
}

static bool take(const unsigned char *in, size_t size, struct block *b, uint32_t *value)
{
	if (size - b->header < 4) {
		return false;
	}
	*value = get_be32(in + b->header);
	b->header += 4;
	return true;
}

/* False: the data ends inside the header or the block. */
static bool parse_block(const unsigned char *in, size_t size, uint32_t flags, struct block *b)
{
	*b = (struct block){0};
	if (!take(in, size, b, &b->contents) || b->contents == 0) {
		return b->header != 0;
	}
	if (!take(in, size, b, &b->data) ||
	    ((flags & FLAG_ADLER32_D) != 0 && !take(in, size, b, &b->adler_d)) ||
	    ((flags & FLAG_CRC32_D) != 0 && !take(in, size, b, &b->crc_d))) {
		return false;
	}
	if (b->data < b->contents && /* a stored block's data is its contents */
	    (((flags & FLAG_ADLER32_C) != 0 && !take(in, size, b, &b->adler_c)) ||
	     ((flags & FLAG_CRC32_C) != 0 && !take(in, size, b, &b->crc_c)))) {
		return false;
	}
	return b->data <= size - b->header;
}

void declare_lzo(const unsigned char *in, size_t size, struct declared *d)
{
	struct block b;
	uint32_t flags;
	size_t pos;

	if (parse_header(in, size, &pos, &flags) != KIMAGE_OK) {
		return;
	}
	while (parse_block(in + pos, size - pos, flags, &b)) {
		if (b.contents == 0) {
			return;
		}
		d->unpacked += b.contents;
		pos += b.header + b.data;
	}
	d->unpacked = 0; /* ends early; unpacking says where */
}

static enum kimage_error unpack_contents(const unsigned char *data, const struct block *b,
					 uint32_t flags, unsigned char *out)
{
	lzo_uint len = b->contents;

	if (b->data > b->contents) {
		return KIMAGE_E_CORRUPT;
	}
	if (b->data == b->contents) {
		memcpy(out, data, len);
	} else if (((flags & FLAG_ADLER32_C) != 0 && adler(data, b->data) != b->adler_c) ||
		   ((flags & FLAG_CRC32_C) != 0 && crc(data, b->data) != b->crc_c) ||
		   lzo1x_decompress_safe(data, b->data, out, &len, NULL) != LZO_E_OK) {
		return KIMAGE_E_CORRUPT;
	}
	if (len != b->contents ||
	    ((flags & FLAG_ADLER32_D) != 0 && adler(out, len) != b->adler_d) ||
	    ((flags & FLAG_CRC32_D) != 0 && crc(out, len) != b->crc_d)) {
		return KIMAGE_E_CORRUPT;
	}
	return KIMAGE_OK;
}

enum kimage_error unpack_lzo(struct unpack *u)
{
	uint32_t flags;
	enum kimage_error error = parse_header(u->in, u->in_size, &u->in_pos, &flags);

	while (error == KIMAGE_OK) {
		struct block b;

		if (!parse_block(u->in + u->in_pos, u->in_size - u->in_pos, flags, &b)) {
			return KIMAGE_E_TRUNCATED;
		}
		if (b.contents == 0) {
			return KIMAGE_OK;
		}
		if (b.contents > u->out_size - u->out_len) {
			return KIMAGE_E_BUFFER;
		}
		error =
		    unpack_contents(u->in + u->in_pos + b.header, &b, flags, u->out + u->out_len);
		u->in_pos += b.header + b.data;
		u->out_len += b.contents;
	}
	return error;
}
