/* SPDX-License-Identifier: MIT */
/*
 * .xz by liblzma. Source: The .xz File Format 1.1.0 (section numbers below).
 *
 * The library's stream decoder would do all of this, but allocates the whole dictionary that the file names:
 * 32 MiB for today's kernels, 128 MiB for some. Going block by block lets us limit it to the contents' size,
 * beyond which no match can reach.
 */
#include "core/kimage/lzma_run.h"

#include "core/string.h"

#define XZ_FIXED \
	(256     \
	 << 10) /* measured 37 KiB: decoder, x86 filter and index hash, besides the dictionary */

/* 5.3.1: the size of the dictionary that this byte encodes, for probing only; the decoder checks it. */
static uint64_t dictionary_size(unsigned int bits)
{
	return bits >= 40 ? UINT32_MAX : (uint64_t)(2 | (bits & 1)) << (bits / 2 + 11);
}

/* The first block's header follows the stream's 12 bytes: size, flags, filters, of which LZMA2 is the last (3.1). */
static uint64_t first_dictionary(const unsigned char *in, size_t size)
{
	size_t end, pos = LZMA_STREAM_HEADER_SIZE + 2;
	lzma_vli id, len, unused;

	if (size <= pos) {
		return 0;
	}
	end = LZMA_STREAM_HEADER_SIZE + lzma_block_header_size_decode(in[LZMA_STREAM_HEADER_SIZE]);
	if (end > size) {
		return 0;
	}
	for (unsigned int flag = 0x40; flag <= 0x80;
	     flag <<= 1) { /* compressed and uncompressed size, optional */
		if ((in[LZMA_STREAM_HEADER_SIZE + 1] & flag) != 0 &&
		    lzma_vli_decode(&unused, NULL, in, &pos, end) != LZMA_OK) {
			return 0;
		}
	}
	while (lzma_vli_decode(&id, NULL, in, &pos, end) == LZMA_OK &&
	       lzma_vli_decode(&len, NULL, in, &pos, end) == LZMA_OK && len < end - pos) {
		if (id == LZMA_FILTER_LZMA2) {
			return dictionary_size(in[pos]);
		}
		pos += len;
	}
	return 0;
}

/* Sums up the index (4), which lies before the footer (2.1.2). 0 where either is not as it should be. */
static uint64_t contents_size(const unsigned char *in, size_t size)
{
	lzma_stream_flags footer;
	lzma_vli records, unpadded, contents, sum = 0;
	size_t end, pos;

	if (size < 2 * LZMA_STREAM_HEADER_SIZE) {
		return 0;
	}
	end = size - LZMA_STREAM_HEADER_SIZE;
	if (lzma_stream_footer_decode(&footer, in + end) != LZMA_OK || footer.backward_size > end) {
		return 0;
	}
	pos = end - footer.backward_size + 1; /* past the index indicator */
	if (lzma_vli_decode(&records, NULL, in, &pos, end) != LZMA_OK) {
		return 0;
	}
	for (; records > 0; records--) {
		if (lzma_vli_decode(&unpadded, NULL, in, &pos, end) != LZMA_OK ||
		    lzma_vli_decode(&contents, NULL, in, &pos, end) != LZMA_OK) {
			return 0;
		}
		sum = contents > KIMAGE_MAX_SIZE ? UINT32_MAX : sum + contents;
		if (sum > KIMAGE_MAX_SIZE) {
			return sum;
		}
	}
	return sum;
}

void declare_xz(const unsigned char *in, size_t size, struct declared *d)
{
	d->fixed = XZ_FIXED;
	d->window = first_dictionary(in, size);
	d->unpacked = contents_size(in, size);
}

static void limit_dictionary(lzma_filter *filters, size_t contents)
{
	for (; filters->id != LZMA_VLI_UNKNOWN; filters++) {
		if (filters->id == LZMA_FILTER_LZMA2) {
			lzma_options_lzma *lzma = filters->options;

			if (lzma->dict_size > contents) {
				lzma->dict_size =
				    contents > LZMA_DICT_SIZE_MIN ? contents : LZMA_DICT_SIZE_MIN;
			}
		}
	}
}

/* u->in_pos is at a block's header; moves past the block. */
static lzma_ret unpack_block(struct unpack *u, lzma_check check, const lzma_allocator *allocator,
			     lzma_index_hash *index)
{
	lzma_filter filters[LZMA_FILTERS_MAX + 1];
	lzma_block block = {.version = 1, .check = check, .filters = filters};
	lzma_stream strm = LZMA_STREAM_INIT;
	lzma_ret ret;

	block.header_size = lzma_block_header_size_decode(u->in[u->in_pos]);
	if (block.header_size > u->in_size - u->in_pos) {
		u->in_pos = u->in_size;
		return LZMA_BUF_ERROR;
	}
	ret = lzma_block_header_decode(&block, allocator, u->in + u->in_pos);
	if (ret != LZMA_OK) {
		return ret;
	}
	u->in_pos += block.header_size;
	limit_dictionary(filters, u->out_size);
	strm.allocator = allocator;
	ret = lzma_block_decoder(&strm, &block);
	if (ret == LZMA_OK) {
		ret = lzma_run(&strm, u);
	}
	return ret != LZMA_STREAM_END
		   ? ret
		   : lzma_index_hash_append(index, lzma_block_unpadded_size(&block),
					    block.uncompressed_size);
}

static lzma_ret unpack_blocks(struct unpack *u, lzma_check check, const lzma_allocator *allocator,
			      lzma_index_hash *index)
{
	size_t used = u->arena->used;
	lzma_ret ret = LZMA_OK;

	/* 4.1: the index starts with a byte 0, which no block header does. */
	while (ret == LZMA_OK && u->in_pos < u->in_size && u->in[u->in_pos] != 0) {
		u->arena->used = used;
		ret = unpack_block(u, check, allocator, index);
	}
	return ret;
}

/* The index must list just these blocks, and the footer repeat the header. */
static lzma_ret check_end(struct unpack *u, const lzma_stream_flags *header, lzma_index_hash *index)
{
	lzma_stream_flags footer;
	lzma_ret ret;

	if (u->in_pos == u->in_size) {
		return LZMA_BUF_ERROR;
	}
	ret = lzma_index_hash_decode(index, u->in, &u->in_pos, u->in_size);
	if (ret != LZMA_STREAM_END) {
		return ret == LZMA_OK ? LZMA_BUF_ERROR : ret;
	}
	if (u->in_size - u->in_pos < LZMA_STREAM_HEADER_SIZE) {
		u->in_pos = u->in_size;
		return LZMA_BUF_ERROR;
	}
	ret = lzma_stream_footer_decode(&footer, u->in + u->in_pos);
	if (ret == LZMA_OK && footer.backward_size != lzma_index_hash_size(index)) {
		ret = LZMA_DATA_ERROR;
	}
	if (ret == LZMA_OK) {
		ret = lzma_stream_flags_compare(header, &footer);
	}
	if (ret == LZMA_OK) {
		u->in_pos += LZMA_STREAM_HEADER_SIZE;
	}
	return ret;
}

enum kimage_error unpack_xz(struct unpack *u)
{
	lzma_allocator allocator = lzma_run_allocator(u->arena);
	lzma_stream_flags header;
	lzma_index_hash *index;
	lzma_ret ret;

	if (u->in_size < LZMA_STREAM_HEADER_SIZE) {
		u->in_pos = u->in_size;
		return KIMAGE_E_TRUNCATED;
	}
	ret = lzma_stream_header_decode(&header, u->in);
	if (ret != LZMA_OK) {
		return lzma_run_result(u, ret);
	}
	u->in_pos = LZMA_STREAM_HEADER_SIZE;
	index = lzma_index_hash_init(NULL, &allocator);
	if (index == NULL) {
		return KIMAGE_E_WORK_MEMORY;
	}
	ret = unpack_blocks(u, header.check, &allocator, index);
	if (ret == LZMA_OK) {
		ret = check_end(u, &header, index);
	}
	return lzma_run_result(u, ret);
}
