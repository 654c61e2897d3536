/* SPDX-License-Identifier: MIT */
/*
 * Guest kernel images: from the file a distribution ships to segments and Xen notes, in the steps
 *
 *   kimage_probe    what is in this file, and how much memory does unpacking it take?
 *   kimage_unpack   the ELF file inside, into the caller's buffer
 *   kimage_parse    its segments and its Xen notes
 *   kimage_check    can this adapter run it?
 *   kimage_place    the segments where the guest will find them
 *
 * A kernel is a Linux bzImage (boot protocol 2.08 or later) with a payload in any format below, an ELF file,
 * or an ELF file compressed whole. The file is untrusted: nothing is read or written outside the given spans,
 * and every step either succeeds or says in one line why not.
 *
 * Who calls this: the adapter before it builds its guest, on one VP. No step keeps state outside its arguments.
 */
#ifndef CORE_KIMAGE_H
#define CORE_KIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bump.h"

#define KIMAGE_MAX_SEGMENTS 16
#define KIMAGE_MAX_PROBE    16 /* bytes that format detection looks at */
/* Neither a file nor what it unpacks to may be larger: libraries count in 32 bits. */
#define KIMAGE_MAX_SIZE 0x40000000u

enum kimage_format {
	KIMAGE_PLAIN, /* not compressed */
	KIMAGE_GZIP,
	KIMAGE_XZ,
	KIMAGE_LZMA,
	KIMAGE_LZ4_LEGACY, /* as `lz4 -l` and Linux */
	KIMAGE_LZ4,
	KIMAGE_ZSTD,
	KIMAGE_BZIP2,
	KIMAGE_LZO, /* as lzop */
	KIMAGE_FORMATS
};

enum kimage_error {
	KIMAGE_OK,
	KIMAGE_E_UNKNOWN,     /* neither bzImage nor ELF, nor either compressed */
	KIMAGE_E_TOO_BIG,     /* file or contents over KIMAGE_MAX_SIZE */
	KIMAGE_E_BZIMAGE,     /* damaged header; text says what */
	KIMAGE_E_PROTOCOL,    /* bzImage's protocol version is older than 2.08; have: the version */
	KIMAGE_E_PAYLOAD,     /* bzImage's payload is in no known format; have: its first 4 bytes */
	KIMAGE_E_CORRUPT,     /* compressed data is wrong; at: byte of the compressed data */
	KIMAGE_E_TRUNCATED,   /* compressed data ends early; at: where */
	KIMAGE_E_VARIANT,     /* the format's option is not supported by the library */
	KIMAGE_E_BUFFER,      /* contents do not fit the buffer; have: its size */
	KIMAGE_E_WORK_MEMORY, /* arena too small; have: its size */
	KIMAGE_E_LENGTH,      /* contents are not as long as declared; want, have */
	KIMAGE_E_NOT_ELF,     /* the payload is not an ELF file */
	KIMAGE_E_32BIT,       /* a 32-bit x86 kernel */
	KIMAGE_E_MACHINE,     /* an ELF file for another machine; have: e_machine */
	KIMAGE_E_ELF,    /* damaged or unusable ELF; text says what, have: index of the header */
	KIMAGE_E_NO_XEN, /* neither Xen notes nor __xen_guest */
	KIMAGE_E_NOTE,   /* damaged or contradictory Xen note; text says which */
	KIMAGE_E_XEN_VERSION, /* built for another interface than xen-3.0; text: which */
	KIMAGE_E_LOADER,      /* for another loader than generic and not Linux; text: which */
	KIMAGE_E_FEATURE,     /* requires a feature that the adapter lacks; text: its name */
	KIMAGE_E_ADDRESS, /* entry, hypercall page or P2M in an impossible place; text says which, at: address */
	KIMAGE_E_PLACE,   /* does not fit the memory; want: bytes it needs, have: bytes there are */
	KIMAGE_E_OVERLAP, /* image and its destination overlap so that copying would destroy it */
	KIMAGE_ERRORS
};

#define KIMAGE_NOWHERE UINT64_MAX

/* Why a step failed. Self-contained: refers to neither file nor image. */
struct kimage_fault {
	enum kimage_error error;
	enum kimage_format format; /* of the data that E_CORRUPT … E_LENGTH speak of */
	uint64_t at;               /* KIMAGE_NOWHERE: unknown */
	uint64_t want, have;
	char text[48];
};

/* One line without newline, as fmt() counts. */
size_t kimage_explain(const struct kimage_fault *fault, char *buf, size_t size);

const char *kimage_format_name(enum kimage_format format);

/* What kimage_probe found. */
struct kimage_payload {
	enum kimage_format format;
	bool bzimage;
	const unsigned char *data; /* the compressed span, inside the caller's file */
	size_t size;               /* of the span, bytes */
	size_t unpacked;           /* bytes as declared by bzImage or the format; 0: not declared */
	size_t
	    work_size; /* bytes of arena that unpacking needs; up to the unpacked size plus 256 KiB */
};

/* Every step: KIMAGE_OK, or the error that it also described in *fault. */
enum kimage_error kimage_probe(const void *file, size_t size, struct kimage_payload *p,
			       struct kimage_fault *fault);

/*
 * Writes the ELF file to buf and its length to *len. Overlaps of file, buf and arena are the caller's mistake.
 * Where nothing was declared give as large a buffer as there is. The arena's memory is free again afterwards.
 * KIMAGE_PLAIN copies: a caller may as well parse such a payload in place.
 * Freestanding callers: see core/libc/shim.h for what the libraries need of the environment.
 */
enum kimage_error kimage_unpack(const struct kimage_payload *p, void *buf, size_t size,
				const struct bump *work, size_t *len, struct kimage_fault *fault);

/* One PT_LOAD. 0 < memsz, filesz <= memsz, the file span lies inside the image; pa + memsz does not wrap. */
struct kimage_segment {
	uint64_t pa;    /* guest pseudo-physical: p_paddr - PADDR_OFFSET */
	uint64_t paddr; /* p_paddr as it stands */
	uint64_t
	    vaddr; /* p_vaddr: Linux's per-CPU segment has 0 here, so compute pa + virt_offset instead */
	uint64_t offset; /* into the image */
	uint64_t filesz, memsz;
	uint32_t flags; /* PF_* */
};

/* Bits of kimage.present: which of the optional items the kernel gave. */
enum kimage_item {
	KIMAGE_HAS_ENTRY = 1 << 0,
	KIMAGE_HAS_HYPERCALL_PAGE = 1 << 1,
	KIMAGE_HAS_VIRT_BASE = 1 << 2,
	KIMAGE_HAS_PADDR_OFFSET = 1 << 3,
	KIMAGE_HAS_HV_START_LOW = 1 << 4,
	KIMAGE_HAS_INIT_P2M = 1 << 5,
	KIMAGE_HAS_L1_MFN_VALID = 1 << 6,
	KIMAGE_HAS_PHYS32_ENTRY = 1 << 7,
	KIMAGE_HAS_FEATURES = 1 << 8,
};

/*
 * A parsed kernel. Everything is copied: the image may move or go away (kimage_place alone needs its bytes).
 * Addresses are guest virtual unless they say otherwise; each has its default filled in (xen/elfnote.h),
 * as Xen's domain builder defines them.
 */
struct kimage {
	unsigned int segments;
	struct kimage_segment segment[KIMAGE_MAX_SEGMENTS]; /* by ascending pa, none overlapping */
	uint64_t pa_start, pa_end; /* span of all segments, guest pseudo-physical */
	uint64_t elf_entry;        /* e_entry */

	bool legacy;      /* described by __xen_guest, not by notes */
	uint32_t present; /* enum kimage_item */
	uint64_t entry;   /* where the first VCPU starts */
	uint64_t virt_base;
	uint64_t paddr_offset;
	uint64_t virt_offset;    /* virtual = pa + virt_offset (= virt_base) */
	uint64_t hypercall_page; /* page aligned; valid only where present */
	uint64_t hv_start_low;
	uint64_t init_p2m; /* page aligned; valid only where present */
	uint64_t l1_mfn_valid_mask, l1_mfn_valid_value;
	uint32_t phys32_entry; /* guest physical, of PVH */
	bool mod_start_pfn;    /* takes an initrd outside the initial mapping */
	bool suspend_cancel;
	bool bsd_symtab;             /* asks for its symbol table behind the kernel */
	uint32_t features_supported; /* bits XENFEAT_*, submap 0 */
	uint32_t features_required;  /* likewise, a subset of the former */
	char features[128];          /* the string as it stands, cut where longer */
	char guest_os[32], guest_version[32], xen_version[32], loader[32], pae_mode[32];
};

/* image is the unpacked ELF file. */
enum kimage_error kimage_parse(const void *image, size_t size, struct kimage *k,
			       struct kimage_fault *fault);

/*
 * features: bits XENFEAT_* of the requirements that the adapter can meet. That is not what get_features
 * answers: Linux requires writable_page_tables, which Xen meets for PV guests by emulation and never reports.
 */
enum kimage_error kimage_check(const struct kimage *k, uint32_t features,
			       struct kimage_fault *fault);

/*
 * Copies each segment to guest + pa and clears the rest of its memsz; guest_size is the guest memory there.
 * image may lie inside that span, so that a small guest need not hold the kernel twice: a copy never moves
 * upwards there, which holds for any image at guest + kimage_bias or above. Linux 5.10 to 6.12: 0xe00000.
 */
enum kimage_error kimage_place(const struct kimage *k, const void *image, void *guest,
			       size_t guest_size, struct kimage_fault *fault);
uint64_t kimage_bias(const struct kimage *k);

/* The name of a XENFEAT_* bit, "feature 21" where Xen has none for it; buf is for the latter. */
const char *kimage_feature_name(unsigned int bit, char *buf, size_t size);

#endif
