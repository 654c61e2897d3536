/* SPDX-License-Identifier: MIT */
/* Between the files of core/kimage/ only. */
#ifndef CORE_KIMAGE_INTERNAL_H
#define CORE_KIMAGE_INTERNAL_H

#include "core/kimage.h"

/* One run of an unpacker. */
struct unpack {
	const unsigned char *in;
	size_t in_size;
	size_t
	    in_pos; /* out: how far it came, the place of a fault; SIZE_MAX: the library does not say */
	unsigned char *out;
	size_t out_size;
	size_t out_len; /* out: bytes written */
	struct bump *arena;
};

/*
 * Each unpacks one whole stream and ignores what follows it. Results: OK, E_CORRUPT, E_TRUNCATED, E_VARIANT,
 * E_BUFFER, E_WORK_MEMORY. They write only inside out and arena and read only inside in.
 */
typedef enum kimage_error unpacker(struct unpack *u);
unpacker unpack_gzip, unpack_xz, unpack_lzma, unpack_lz4_legacy, unpack_lz4, unpack_zstd,
    unpack_bzip2, unpack_lzo;

/*
 * What the first bytes of a stream say of it. Unpackers keep no more window than there are contents, so
 * unpacking takes min(window, contents) + fixed bytes of arena.
 */
struct declared {
	uint64_t unpacked; /* contents' size in bytes; 0: the stream does not say */
	uint64_t window, fixed;
};
typedef void declarer(const unsigned char *in, size_t size, struct declared *d);
declarer declare_gzip, declare_xz, declare_lzma, declare_lz4, declare_zstd, declare_bzip2,
    declare_lzo;

/* Sets every field that it is not given to "nothing"; returns error. */
enum kimage_error kimage_fail(struct kimage_fault *fault, enum kimage_error error,
			      const char *text);

static inline uint16_t get_le16(const unsigned char *p)
{
	return p[0] | p[1] << 8;
}

static inline uint32_t get_le32(const unsigned char *p)
{
	return get_le16(p) | (uint32_t)get_le16(p + 2) << 16;
}

static inline uint64_t get_le64(const unsigned char *p)
{
	return get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}

static inline uint32_t get_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Whether [offset, offset + n) lies inside size bytes. */
static inline bool inside(uint64_t offset, uint64_t n, uint64_t size)
{
	return offset <= size && n <= size - offset;
}

/* Numeric and text items of notes and of __xen_guest, by the note's number (XEN_ELFNOTE_*). */
enum kimage_error kimage_set_number(struct kimage *k, uint32_t note, uint64_t value,
				    struct kimage_fault *fault);
enum kimage_error kimage_set_text(struct kimage *k, uint32_t note, const char *text, size_t len,
				  struct kimage_fault *fault);

/* One NT_* area of the image; *found counts the Xen notes in it. */
enum kimage_error kimage_parse_notes(struct kimage *k, const unsigned char *notes, size_t size,
				     unsigned int *found, struct kimage_fault *fault);

/* The text of a __xen_guest section. */
enum kimage_error kimage_parse_guest_section(struct kimage *k, const char *text, size_t size,
					     struct kimage_fault *fault);

/* Adds a FEATURES string to k's two sets. */
enum kimage_error kimage_parse_features(struct kimage *k, const char *text, size_t len,
					struct kimage_fault *fault);

#endif
