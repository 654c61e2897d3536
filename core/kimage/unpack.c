/* SPDX-License-Identifier: MIT */
#include "core/kimage/internal.h"

#include "core/string.h"

static enum kimage_error unpack_plain(struct unpack *u)
{
	if (u->in_size > u->out_size) {
		return KIMAGE_E_BUFFER;
	}
	memcpy(u->out, u->in, u->in_size);
	u->out_len = u->in_size;
	return KIMAGE_OK;
}

static unpacker *const unpackers[KIMAGE_FORMATS] = {
    [KIMAGE_PLAIN] = unpack_plain, [KIMAGE_GZIP] = unpack_gzip,
    [KIMAGE_XZ] = unpack_xz,       [KIMAGE_LZMA] = unpack_lzma,
    [KIMAGE_LZ4] = unpack_lz4,     [KIMAGE_LZ4_LEGACY] = unpack_lz4_legacy,
    [KIMAGE_ZSTD] = unpack_zstd,   [KIMAGE_BZIP2] = unpack_bzip2,
    [KIMAGE_LZO] = unpack_lzo,
};

static enum kimage_error fail(const struct kimage_payload *p, enum kimage_error error,
			      uint64_t have, struct kimage_fault *fault)
{
	kimage_fail(fault, error, "");
	fault->format = p->format;
	fault->want = p->unpacked;
	fault->have = have;
	return error;
}

enum kimage_error kimage_unpack(const struct kimage_payload *p, void *buf, size_t size,
				const struct bump *work, size_t *len, struct kimage_fault *fault)
{
	struct bump arena = *work;
	struct unpack u = {.in = p->data,
			   .in_size = p->size,
			   .out = buf,
			   .out_size = p->unpacked ? p->unpacked : size,
			   .arena = &arena};
	enum kimage_error error;

	if (u.out_size > size) {
		return fail(p, KIMAGE_E_BUFFER, size, fault);
	}
	if (u.out_size > KIMAGE_MAX_SIZE) {
		u.out_size = KIMAGE_MAX_SIZE;
	}
	error = unpackers[p->format](&u);
	if (error == KIMAGE_E_CORRUPT || error == KIMAGE_E_TRUNCATED) {
		fail(p, error, 0, fault);
		fault->at = u.in_pos;
		return error;
	}
	if (error != KIMAGE_OK) {
		return fail(p, error, error == KIMAGE_E_WORK_MEMORY ? work->size : u.out_size,
			    fault);
	}
	if (p->unpacked != 0 && p->unpacked != u.out_len) {
		return fail(p, KIMAGE_E_LENGTH, u.out_len, fault);
	}
	*len = u.out_len;
	return KIMAGE_OK;
}
