/* SPDX-License-Identifier: MIT */
/* Finds the ELF file in a kernel file. Source: Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
#include "core/kimage/internal.h"

#include "core/string.h"

/* Offsets in a bzImage's header. */
enum {
	SETUP_SECTS = 0x1f1,
	BOOT_FLAG = 0x1fe,
	MAGIC = 0x202,
	VERSION = 0x206,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	HEADER_END = 0x250,
};
#define SECTOR              512
#define PROTOCOL_2_08       0x0208 /* the first with PAYLOAD_* */
#define DEFAULT_SETUP_SECTS 4      /* what 0 means */
#define TRAILER             4

static const struct {
	char magic[7];
	unsigned char len;
	enum kimage_format format;
	declarer *declare;
} formats[] = {
    {"\177ELF", 4, KIMAGE_PLAIN, NULL},
    {"\x1f\x8b\x08", 3, KIMAGE_GZIP, declare_gzip},
    {"\xfd"
     "7zXZ",
     6, KIMAGE_XZ, declare_xz},
    {"\x5d\0\0", 3, KIMAGE_LZMA, declare_lzma},
    {"\x02\x21\x4c\x18", 4, KIMAGE_LZ4_LEGACY, NULL},
    {"\x04\x22\x4d\x18", 4, KIMAGE_LZ4, declare_lz4},
    {"\x28\xb5\x2f\xfd", 4, KIMAGE_ZSTD, declare_zstd},
    {"BZh", 3, KIMAGE_BZIP2, declare_bzip2},
    {"\x89LZO", 4, KIMAGE_LZO, declare_lzo},
};

static size_t min_size(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Linux ends every payload with its unpacked size; gzip's own last 4 bytes are just that, the others have it
 * appended (size_append in Linux's Makefiles).
 */
static enum kimage_error take_trailer(struct kimage_payload *p, uint64_t *unpacked,
				      struct kimage_fault *fault)
{
	if (p->size < TRAILER) {
		return kimage_fail(fault, KIMAGE_E_BZIMAGE, "its payload is too short");
	}
	*unpacked = get_le32(p->data + p->size - TRAILER);
	if (p->format != KIMAGE_GZIP) {
		p->size -= TRAILER;
	}
	return KIMAGE_OK;
}

/* p's data, size, bzimage and format are set; fills in the rest. */
static enum kimage_error describe(struct kimage_payload *p, declarer *declare,
				  struct kimage_fault *fault)
{
	struct declared d = {0};
	uint64_t unpacked = 0;

	if (p->format == KIMAGE_PLAIN) {
		unpacked = p->size;
	} else if (p->bzimage && take_trailer(p, &unpacked, fault) != KIMAGE_OK) {
		return fault->error;
	}
	if (declare != NULL) {
		declare(p->data, p->size, &d);
	}
	if (unpacked == 0) {
		unpacked = d.unpacked;
	}
	if (unpacked > KIMAGE_MAX_SIZE) {
		return kimage_fail(fault, KIMAGE_E_TOO_BIG, "");
	}
	p->unpacked = unpacked;
	p->work_size = d.fixed + min_size(d.window, unpacked ? unpacked : KIMAGE_MAX_SIZE);
	return KIMAGE_OK;
}

static enum kimage_error identify(struct kimage_payload *p, struct kimage_fault *fault)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (p->size >= formats[i].len &&
		    memcmp(p->data, formats[i].magic, formats[i].len) == 0) {
			p->format = formats[i].format;
			return describe(p, formats[i].declare, fault);
		}
	}
	kimage_fail(fault, p->bzimage ? KIMAGE_E_PAYLOAD : KIMAGE_E_UNKNOWN, "");
	if (p->bzimage && p->size >= 4) {
		fault->have = get_be32(p->data);
	}
	return fault->error;
}

static bool is_bzimage(const unsigned char *file, size_t size)
{
	return size >= HEADER_END && get_le16(file + BOOT_FLAG) == 0xaa55 &&
	       memcmp(file + MAGIC, "HdrS", 4) == 0;
}

static enum kimage_error find_payload(const unsigned char *file, size_t size,
				      struct kimage_payload *p, struct kimage_fault *fault)
{
	unsigned int version = get_le16(file + VERSION);
	unsigned int sects = file[SETUP_SECTS] ? file[SETUP_SECTS] : DEFAULT_SETUP_SECTS;
	uint64_t offset = (sects + 1) * SECTOR + (uint64_t)get_le32(file + PAYLOAD_OFFSET);
	uint64_t length = get_le32(file + PAYLOAD_LENGTH);

	if (version < PROTOCOL_2_08) {
		kimage_fail(fault, KIMAGE_E_PROTOCOL, "");
		fault->have = version;
		return fault->error;
	}
	if (length == 0 || !inside(offset, length, size)) {
		return kimage_fail(fault, KIMAGE_E_BZIMAGE, "its payload lies outside the file");
	}
	p->bzimage = true;
	p->data = file + offset;
	p->size = length;
	return KIMAGE_OK;
}

enum kimage_error kimage_probe(const void *file, size_t size, struct kimage_payload *p,
			       struct kimage_fault *fault)
{
	enum kimage_error error = KIMAGE_OK;

	*p = (struct kimage_payload){.data = file, .size = size};
	if (size > KIMAGE_MAX_SIZE) {
		return kimage_fail(fault, KIMAGE_E_TOO_BIG, "");
	}
	if (is_bzimage(file, size)) {
		error = find_payload(file, size, p, fault);
	}
	return error == KIMAGE_OK ? identify(p, fault) : error;
}
