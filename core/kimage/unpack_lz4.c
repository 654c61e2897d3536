/* SPDX-License-Identifier: MIT */
/* LZ4 in both framings, the modern one by liblz4. Source: doc/lz4_Frame_format.md of LZ4 ("General Structure", "Legacy frame"). */
#include "core/kimage/internal.h"
#include "core/kimage/lz4_block.h"

#define LZ4F_STATIC_LINKING_ONLY /* for custom memory and error codes */
#include <lz4frame.h>

#define MAGIC_SIZE 4
#define LZ4_FIXED  (256 << 10) /* context and a linked block's history, besides two blocks */

/* A frame has no end mark: blocks go on until the data ends, or another magic follows (which Linux's never do). */
enum kimage_error unpack_lz4_legacy(struct unpack *u)
{
	u->in_pos = MAGIC_SIZE;
	while (u->in_pos < u->in_size) {
		const unsigned char *head = u->in + u->in_pos;
		size_t left = u->in_size - u->in_pos;
		struct lz4_block block = {.out = u->out + u->out_len,
					  .room = u->out_size - u->out_len};
		enum kimage_error error;

		if (left < 4 || get_le32(head) > left - 4) {
			return KIMAGE_E_TRUNCATED;
		}
		block.in = head + 4;
		block.in_size = get_le32(head);
		error = lz4_block_unpack(&block);
		if (error != KIMAGE_OK) {
			return error;
		}
		u->in_pos += 4 + block.in_size;
		u->out_len += block.out_len;
	}
	return KIMAGE_OK;
}

/* FLG, BD, then 8 bytes of content size where FLG says so. */
void declare_lz4(const unsigned char *in, size_t size, struct declared *d)
{
	static const uint32_t block_sizes[8] = {
	    [4] = 64 << 10, [5] = 256 << 10, [6] = 1 << 20, [7] = 4 << 20};

	if (size < MAGIC_SIZE + 10) {
		return;
	}
	d->fixed = LZ4_FIXED + 2 * block_sizes[in[MAGIC_SIZE + 1] >> 4 & 7];
	if ((in[MAGIC_SIZE] & 8) != 0) {
		d->unpacked = get_le64(in + MAGIC_SIZE + 2);
	}
}

static void *lz4_alloc(void *arena, size_t size)
{
	return bump_alloc(arena, size);
}

static void lz4_free(void *arena, void *p)
{
	(void)arena;
	(void)p; /* the arena goes as a whole */
}

static enum kimage_error frame_error(size_t code)
{
	switch (LZ4F_getErrorCode(code)) {
	case LZ4F_ERROR_allocation_failed: return KIMAGE_E_WORK_MEMORY;
	case LZ4F_ERROR_headerVersion_wrong:
	case LZ4F_ERROR_reservedFlag_set: return KIMAGE_E_VARIANT;
	default: return KIMAGE_E_CORRUPT;
	}
}

enum kimage_error unpack_lz4(struct unpack *u)
{
	const LZ4F_CustomMem memory = {
	    .customAlloc = lz4_alloc, .customFree = lz4_free, .opaqueState = u->arena};
	const LZ4F_decompressOptions_t options = {.stableDst = 1};
	LZ4F_dctx *context = LZ4F_createDecompressionContext_advanced(memory, LZ4F_VERSION);
	size_t in, out, result;

	if (context == NULL) {
		return KIMAGE_E_WORK_MEMORY;
	}
	do {
		in = u->in_size - u->in_pos;
		out = u->out_size - u->out_len;
		result = LZ4F_decompress(context, u->out + u->out_len, &out, u->in + u->in_pos, &in,
					 &options);
		if (LZ4F_isError(result)) {
			return frame_error(result);
		}
		u->in_pos += in;
		u->out_len += out;
	} while (result != 0 && (in != 0 || out != 0));
	if (result == 0) {
		return KIMAGE_OK;
	}
	return u->in_pos == u->in_size ? KIMAGE_E_TRUNCATED : KIMAGE_E_BUFFER;
}
