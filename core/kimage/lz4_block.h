/* SPDX-License-Identifier: MIT */
/*
 * One LZ4 block. liblz4 has this function too, but in one piece with its compressors: 57 KiB of the 512 that the
 * adapter may have, for which there is no other use. The tests compare the two.
 */
#ifndef CORE_KIMAGE_LZ4_BLOCK_H
#define CORE_KIMAGE_LZ4_BLOCK_H

#include "core/kimage.h"

struct lz4_block {
	const unsigned char *in;
	size_t in_size;
	unsigned char *out;
	size_t room; /* bytes at out */
	const unsigned char *
	    dict; /* what came before out, as far as matches may refer to it: it may lie just before out */
	size_t dict_size;
	size_t out_len; /* result: bytes written to out */
};

/*
 * KIMAGE_OK, KIMAGE_E_CORRUPT, or KIMAGE_E_BUFFER where the block unpacks to more than room bytes. Reads and writes only
 * the given spans.
 */
enum kimage_error lz4_block_unpack(struct lz4_block *b);

#endif
