/* SPDX-License-Identifier: MIT */
/* Zstandard by libzstd. Source: RFC 8878. One frame, decoded in one go: the output is its window. */
#include "core/kimage/internal.h"

#define ZSTD_STATIC_LINKING_ONLY /* for the context in memory of ours */
#include <zstd.h>
#include <zstd_errors.h>

void declare_zstd(const unsigned char *in, size_t size, struct declared *d)
{
	unsigned long long contents = ZSTD_getFrameContentSize(in, size);

	d->fixed = ZSTD_estimateDCtxSize() + 64;
	if (contents != ZSTD_CONTENTSIZE_UNKNOWN && contents != ZSTD_CONTENTSIZE_ERROR) {
		d->unpacked = contents;
	}
}

static enum kimage_error result_of(size_t code)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_no_error: return KIMAGE_OK;
	case ZSTD_error_srcSize_wrong: return KIMAGE_E_TRUNCATED;
	case ZSTD_error_dstSize_tooSmall: return KIMAGE_E_BUFFER;
	case ZSTD_error_memory_allocation: return KIMAGE_E_WORK_MEMORY;
	case ZSTD_error_dictionary_wrong:
	case ZSTD_error_frameParameter_unsupported:
	case ZSTD_error_frameParameter_windowTooLarge: return KIMAGE_E_VARIANT;
	default: return KIMAGE_E_CORRUPT;
	}
}

enum kimage_error unpack_zstd(struct unpack *u)
{
	size_t need = ZSTD_estimateDCtxSize(), frame, len;
	void *memory = bump_alloc(u->arena, need);
	ZSTD_DCtx *context = memory == NULL ? NULL : ZSTD_initStaticDCtx(memory, need);

	if (context == NULL) {
		return KIMAGE_E_WORK_MEMORY;
	}
	u->in_pos = KIMAGE_NOWHERE;
	frame = ZSTD_findFrameCompressedSize(u->in, u->in_size);
	if (ZSTD_isError(frame)) {
		return result_of(frame);
	}
	len = ZSTD_decompressDCtx(context, u->out, u->out_size, u->in, frame);
	if (ZSTD_isError(len)) {
		return result_of(len);
	}
	u->in_pos = frame;
	u->out_len = len;
	return KIMAGE_OK;
}
