/* SPDX-License-Identifier: MIT */
/*
 * VHD: the wire truth. Source: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0 (October 2006), section names as
 * given. Numbers are big-endian, offsets and sizes in bytes unless said otherwise; a VHD sector is 512 bytes.
 */
#ifndef XENOLITH_ABI_DISK_VHD_H
#define XENOLITH_ABI_DISK_VHD_H

#include <stddef.h>
#include <stdint.h>

/* Big-endian numbers: no alignment, and not to be mistaken for integers. */
struct be16 {
	uint8_t b[2];
};
struct be32 {
	uint8_t b[4];
};
struct be64 {
	uint8_t b[8];
};

#define VHD_SECTOR      512u
#define VHD_EPOCH       946684800 /* 2000-01-01 00:00:00 UTC in Unix seconds; time stamps count from it */
#define VHD_MAX_SIZE    (2040ull << 30) /* "Hard Disk Footer Format", what Hyper-V accepts */
#define VHD_VERSION_1_0 0x00010000u /* File Format Version and Header Version: major 1, minor 0 */
#define VHD_NO_NEXT \
	0xffffffffffffffffull    /* Data Offset of a fixed disk, and of the dynamic header */
#define VHD_NO_BLOCK 0xffffffffu /* "Block Allocation Table": block not in the file */

/* Features */
#define VHD_FEATURE_TEMPORARY 1u
#define VHD_FEATURE_RESERVED  2u /* always set */

/* Disk Type */
#define VHD_TYPE_FIXED   2u
#define VHD_TYPE_DYNAMIC 3u
#define VHD_TYPE_DIFF    4u

/* Platform Code of a parent locator: what its data is */
#define VHD_PLATFORM_NONE 0u
#define VHD_PLATFORM_WI2R 0x57693272u /* "Wi2r": Windows path, relative, 8-bit; deprecated */
#define VHD_PLATFORM_WI2K 0x5769326bu /* "Wi2k": Windows path, absolute, 8-bit; deprecated */
#define VHD_PLATFORM_W2RU 0x57327275u /* "W2ru": Windows path, relative, UTF-16 little-endian */
#define VHD_PLATFORM_W2KU 0x57326b75u /* "W2ku": Windows path, absolute, UTF-16 little-endian */
#define VHD_PLATFORM_MAC  0x4d616320u /* "Mac ": alias blob */
#define VHD_PLATFORM_MACX 0x4d616358u /* "MacX": file URL, UTF-8 */

/* The largest geometry ("CHS Calculation"). An image that has it says "the geometry does not tell the size". */
#define VHD_MAX_CYLINDERS 65535u
#define VHD_MAX_HEADS     16u
#define VHD_MAX_SPT       255u

/* "Hard Disk Footer Format". Last sector of the file; dynamic and differencing disks have a copy at offset 0. */
struct vhd_footer {
	char cookie[8];          /* "conectix" */
	struct be32 features;    /* VHD_FEATURE_* */
	struct be32 version;     /* VHD_VERSION_1_0 */
	struct be64 data_offset; /* of the dynamic header, VHD_NO_NEXT for fixed disks */
	struct be32 timestamp;   /* of creation, seconds since VHD_EPOCH */
	char creator_app
	    [4]; /* "win ", "vpc ", "qemu", "qem2", "tap\0", "d2v ", "vbox", "wa\0\0" … */
	struct be32 creator_version; /* major << 16 | minor */
	char creator_os[4];          /* "Wi2k", "Mac " */
	struct be64 original_size;   /* when created */
	struct be64 current_size;    /* now */
	struct be16 cylinders;
	uint8_t heads;
	uint8_t sectors_per_track;
	struct be32 type;     /* VHD_TYPE_* */
	struct be32 checksum; /* one's complement of the sum of the other bytes of this struct */
	uint8_t id[16];
	uint8_t saved_state;
	uint8_t
	    hidden; /* not in the specification: XenServer marks disks that are not shown to users */
	uint8_t reserved[426];
};

_Static_assert(sizeof(struct vhd_footer) == 512, "footer");
_Static_assert(offsetof(struct vhd_footer, data_offset) == 16, "footer");
_Static_assert(offsetof(struct vhd_footer, creator_app) == 28, "footer");
_Static_assert(offsetof(struct vhd_footer, current_size) == 48, "footer");
_Static_assert(offsetof(struct vhd_footer, type) == 60, "footer");
_Static_assert(offsetof(struct vhd_footer, checksum) == 64, "footer");
_Static_assert(offsetof(struct vhd_footer, saved_state) == 84, "footer");

/* "Parent Locator Entries" */
struct vhd_locator {
	struct be32 platform; /* VHD_PLATFORM_* */
	struct be32
	    data_space; /* the specification counts sectors; Microsoft and XenServer write bytes */
	struct be32 data_length; /* of the locator itself */
	struct be32 reserved;
	struct be64 data_offset; /* in the file */
};

_Static_assert(sizeof(struct vhd_locator) == 24, "locator");
_Static_assert(offsetof(struct vhd_locator, data_offset) == 16, "locator");

#define VHD_LOCATORS 8

/* "Dynamic Disk Header Format" */
struct vhd_header {
	char cookie[8];          /* "cxsparse" */
	struct be64 data_offset; /* VHD_NO_NEXT */
	struct be64
	    table_offset;    /* of the block allocation table: an array of be32 sector numbers */
	struct be32 version; /* VHD_VERSION_1_0 */
	struct be32 max_table_entries;
	struct be32 block_size;       /* of the data alone, a power of two, usually 2 MiB */
	struct be32 checksum;         /* as in the footer */
	uint8_t parent_id[16];        /* the parent's footer.id */
	struct be32 parent_timestamp; /* the parent file's modification, seconds since VHD_EPOCH */
	struct be32 reserved;
	uint8_t parent_name[512]; /* UTF-16 big-endian, ends at a NUL or with the field */
	struct vhd_locator locator[VHD_LOCATORS];
	uint8_t reserved2[256];
};

_Static_assert(sizeof(struct vhd_header) == 1024, "header");
_Static_assert(offsetof(struct vhd_header, table_offset) == 16, "header");
_Static_assert(offsetof(struct vhd_header, checksum) == 36, "header");
_Static_assert(offsetof(struct vhd_header, parent_name) == 64, "header");
_Static_assert(offsetof(struct vhd_header, locator) == 576, "header");

/*
 * "Data Block": a bitmap, one bit a sector, most significant bit first, padded to a whole sector, then the data. A set bit: the
 * sector is in the block; a clear one: it is the parent's (differencing) or zero (dynamic).
 */

/*
 * The batmap that XenServer's tapdisk keeps, right after the table, at the next sector. Not in the specification; from what
 * blktap writes. One bit a block, most significant first: set when every bit of the block's bitmap is.
 */
struct vhd_batmap_header {
	char cookie[8];         /* "tdbatmap" */
	struct be64 map_offset; /* in the file */
	struct be32 map_sectors;
	struct be32 version;  /* 1.1 sums the map's bytes as signed, 1.2 as unsigned */
	struct be32 checksum; /* one's complement of the sum of the map's bytes */
	uint8_t rest[484];
};

_Static_assert(sizeof(struct vhd_batmap_header) == 512, "batmap");
_Static_assert(offsetof(struct vhd_batmap_header, checksum) == 24, "batmap");

#define VHD_BATMAP_1_1 0x00010001u
#define VHD_BATMAP_1_2 0x00010002u

#endif
