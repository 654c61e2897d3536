/* SPDX-License-Identifier: MIT */
/* The .lzma format ("LZMA_Alone") by liblzma. Source: XZ Utils, doc/lzma-file-format.txt, 1.1. */
#include "core/kimage/lzma_run.h"

#include "core/string.h"

#define HEADER     13         /* properties, dictionary size (4), uncompressed size (8) */
#define LZMA_FIXED (64 << 10) /* measured 29 KiB: state, besides the dictionary */

void declare_lzma(const unsigned char *in, size_t size, struct declared *d)
{
	if (size < HEADER) {
		return;
	}
	d->fixed = LZMA_FIXED;
	d->window = get_le32(in + 1);
	if (get_le64(in + 5) !=
	    UINT64_MAX) { /* all ones: unknown, an end marker follows the data */
		d->unpacked = get_le64(in + 5);
	}
}

/*
 * The header as the stream has it, but for a dictionary that is no larger than the contents can be:
 * kernels come with 64 MiB, which a small guest does not have to spare, and the decoder takes it all.
 */
static void limit_dictionary(unsigned char header[HEADER], size_t contents)
{
	if (get_le32(header + 1) > contents) {
		uint32_t dict = contents > LZMA_DICT_SIZE_MIN ? contents : LZMA_DICT_SIZE_MIN;

		for (int i = 0; i < 4; i++) {
			header[1 + i] = dict >> (8 * i);
		}
	}
}

enum kimage_error unpack_lzma(struct unpack *u)
{
	lzma_allocator allocator = lzma_run_allocator(u->arena);
	lzma_stream strm = LZMA_STREAM_INIT;
	unsigned char header[HEADER];
	lzma_ret ret;

	if (u->in_size < HEADER) {
		u->in_pos = u->in_size;
		return KIMAGE_E_TRUNCATED;
	}
	memcpy(header, u->in, HEADER);
	limit_dictionary(header, u->out_size);
	strm.allocator = &allocator;
	ret = lzma_alone_decoder(&strm, UINT64_MAX);
	if (ret == LZMA_OK) {
		strm.next_in = header;
		strm.avail_in = HEADER;
		strm.next_out =
		    u->out; /* nothing comes out of a header, but without room the decoder does not even start */
		strm.avail_out = u->out_size;
		ret = lzma_code(&strm, LZMA_RUN);
		u->in_pos = HEADER - strm.avail_in;
	}
	if (ret == LZMA_OK) {
		ret = lzma_run(&strm, u);
	}
	return lzma_run_result(u, ret);
}
