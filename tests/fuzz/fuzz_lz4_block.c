/* SPDX-License-Identifier: MIT */
/*
 * What liblz4 accepts, our block decoder unpacks to the same bytes, offset 0 apart, which the format forbids and liblz4
 * 1.9.4 lets pass. What liblz4 refuses, ours may accept (liblz4 also wants the last five bytes to be literals), but
 * never outside its spans. Byte 0: dictionary size; bytes 1 and 2: room.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <lz4.h>

#include "core/kimage/lz4_block.h"

static size_t skip_length(const uint8_t *in, size_t size, size_t *pos, size_t len)
{
	if (len == 15) {
		do {
			len += *pos < size ? in[*pos] : 0;
		} while (*pos < size && in[(*pos)++] == 255);
	}
	return len;
}

static int has_offset_0(const uint8_t *in, size_t size)
{
	for (size_t pos = 0; pos < size;) {
		unsigned int token = in[pos++];
		size_t literals = skip_length(in, size, &pos, token >> 4);

		if (literals > size || pos + literals + 2 > size) {
			return 0;
		}
		pos += literals;
		if (in[pos] == 0 && in[pos + 1] == 0) {
			return 1;
		}
		pos += 2;
		skip_length(in, size, &pos, token & 15);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *ours, *theirs, *dict, *in;
	struct lz4_block b = {0};
	int room, len;

	if (size < 3) {
		return 0;
	}
	b.dict_size = data[0];
	b.room = room = data[1] | data[2] << 8;
	b.in_size = size - 3;
	dict = malloc(b.dict_size);
	memset(dict, 'd', b.dict_size);
	in = malloc(b.in_size);
	memcpy(in, data + 3, b.in_size);
	ours = malloc(room);
	theirs = malloc(room);
	b.dict = dict;
	b.in = in;
	b.out = ours;
	len = LZ4_decompress_safe_usingDict((char *)in, (char *)theirs, b.in_size, room,
					    (char *)dict, b.dict_size);
	if (lz4_block_unpack(&b) == KIMAGE_OK) {
		assert(b.out_len <= b.room);
		assert(len < 0 || ((size_t)len == b.out_len && memcmp(ours, theirs, len) == 0));
	} else {
		assert(len < 0 || has_offset_0(b.in, b.in_size));
	}
	free(dict);
	free(in);
	free(ours);
	free(theirs);
	return 0;
}
