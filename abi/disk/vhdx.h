/* SPDX-License-Identifier: MIT */
/*
 * Virtual Hard Disk v2 (VHDX), file format version 1.
 *
 * Source: [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format", revision 2018-09-12; "§" below means
 * its sections. Every integer is little endian. A GUID is sixteen bytes in Windows' order (the first
 * three fields little endian), and compares as bytes.
 *
 * Checksums are CRC-32C (Castagnoli) with the checksum field itself taken as zero.
 */
#ifndef ABI_DISK_VHDX_H
#define ABI_DISK_VHDX_H

#include <stddef.h>
#include <stdint.h>

struct vhdx_guid {
	uint8_t b[16];
};
_Static_assert(sizeof(struct vhdx_guid) == 16, "vhdx_guid");

/* The usual notation, {a-b-c-d0 d1-d2..d7}, as the bytes in the file. */
#define VHDX_GUID(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                                        \
	{                                                                                         \
		{                                                                                 \
			(a) & 0xff, ((a) >> 8) & 0xff, ((a) >> 16) & 0xff, ((a) >> 24) & 0xff,    \
			    (b)&0xff, ((b) >> 8) & 0xff, (c)&0xff, ((c) >> 8) & 0xff, d0, d1, d2, \
			    d3, d4, d5, d6, d7                                                    \
		}                                                                                 \
	}

/* §2.1: everything but the header section sits on a 1 MiB boundary and is whole MiB long. */
#define VHDX_MIB            (1u << 20)
#define VHDX_HEADER_SECTION VHDX_MIB

/* §2.2: places in the header section, in bytes. */
#define VHDX_FILE_ID_OFFSET       0x00000u
#define VHDX_HEADER_OFFSET_1      0x10000u
#define VHDX_HEADER_OFFSET_2      0x20000u
#define VHDX_REGION_TABLE_1       0x30000u
#define VHDX_REGION_TABLE_2       0x40000u
#define VHDX_REGION_TABLE_SIZE    0x10000u
#define VHDX_HEADER_SIZE          0x1000u               /* what the checksum covers */
#define VHDX_FILE_ID_SIGNATURE    0x656c696678646876ull /* "vhdxfile" */
#define VHDX_HEADER_SIGNATURE     0x64616568u           /* "head" */
#define VHDX_REGION_SIGNATURE     0x69676572u           /* "regi" */
#define VHDX_VERSION              1
#define VHDX_LOG_VERSION          0
#define VHDX_REGION_MAX_ENTRIES   2047u
#define VHDX_REGION_FLAG_REQUIRED 0x1u

/* §2.2.1: written once, at creation. */
struct vhdx_file_id {
	uint64_t signature;
	uint16_t creator[256]; /* UTF-16, for diagnosis only, not always terminated */
};
_Static_assert(sizeof(struct vhdx_file_id) == 520, "vhdx_file_id");
_Static_assert(offsetof(struct vhdx_file_id, creator) == 8, "vhdx_file_id.creator");

/* §2.2.2: of the two, the valid one with the higher sequence number is current. */
struct vhdx_header {
	uint32_t signature;
	uint32_t checksum; /* over VHDX_HEADER_SIZE bytes */
	uint64_t sequence;
	struct vhdx_guid
	    file_write_guid; /* new before the first change to the file after an open */
	struct vhdx_guid data_write_guid; /* new before the first change a guest could see */
	struct vhdx_guid log_guid;        /* zero: the log holds nothing to replay */
	uint16_t log_version;
	uint16_t version;
	uint32_t log_length; /* bytes, a multiple of 1 MiB */
	uint64_t log_offset; /* bytes, a multiple of 1 MiB */
	uint8_t reserved[4016];
};
_Static_assert(sizeof(struct vhdx_header) == VHDX_HEADER_SIZE, "vhdx_header");
_Static_assert(offsetof(struct vhdx_header, sequence) == 8, "vhdx_header.sequence");
_Static_assert(offsetof(struct vhdx_header, file_write_guid) == 16, "vhdx_header.file_write_guid");
_Static_assert(offsetof(struct vhdx_header, log_guid) == 48, "vhdx_header.log_guid");
_Static_assert(offsetof(struct vhdx_header, log_version) == 64, "vhdx_header.log_version");
_Static_assert(offsetof(struct vhdx_header, log_offset) == 72, "vhdx_header.log_offset");

/* §2.2.3.1 */
struct vhdx_region_header {
	uint32_t signature;
	uint32_t checksum; /* over VHDX_REGION_TABLE_SIZE bytes */
	uint32_t entry_count;
	uint32_t reserved;
};
_Static_assert(sizeof(struct vhdx_region_header) == 16, "vhdx_region_header");

/* §2.2.3.2 */
struct vhdx_region_entry {
	struct vhdx_guid guid;
	uint64_t file_offset; /* bytes, a multiple of 1 MiB, at least 1 MiB */
	uint32_t length;      /* bytes, a multiple of 1 MiB */
	uint32_t flags;       /* VHDX_REGION_FLAG_* */
};
_Static_assert(sizeof(struct vhdx_region_entry) == 32, "vhdx_region_entry");
_Static_assert(offsetof(struct vhdx_region_entry, flags) == 28, "vhdx_region_entry.flags");

/* §2.2.3.2, table 1 */
#define VHDX_REGION_BAT \
	VHDX_GUID(0x2dc27766u, 0xf623, 0x4200, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08)
#define VHDX_REGION_METADATA \
	VHDX_GUID(0x8b7ca206u, 0x4790, 0x4b9a, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e)

/* §2.3: the log is a ring of 4 KiB sectors; an entry is whole sectors and may wrap. */
#define VHDX_LOG_SECTOR        4096u
#define VHDX_LOG_ENTRY_SIGN    0x65676f6cu /* "loge" */
#define VHDX_LOG_ZERO_SIGN     0x6f72657au /* "zero" */
#define VHDX_LOG_DESC_SIGN     0x63736564u /* "desc" */
#define VHDX_LOG_DATA_SIGN     0x61746164u /* "data" */
#define VHDX_LOG_FIRST_DESCS   126u        /* descriptors that fit beside the entry header */
#define VHDX_LOG_DESCS         128u        /* in each further descriptor sector */
#define VHDX_LOG_LOWEST_OFFSET VHDX_REGION_TABLE_1 /* an entry describes nothing below */

/* §2.3.1.1 */
struct vhdx_log_entry {
	uint32_t signature;
	uint32_t checksum;     /* over entry_length bytes */
	uint32_t entry_length; /* bytes, a multiple of VHDX_LOG_SECTOR */
	uint32_t tail;         /* where, in the log, the sequence that this entry ends begins */
	uint64_t sequence;     /* one more than that of the entry before; never zero */
	uint32_t descriptor_count;
	uint32_t reserved;
	struct vhdx_guid log_guid;    /* the header's, or the entry is stale */
	uint64_t flushed_file_offset; /* a file smaller than this has lost data */
	uint64_t last_file_offset;    /* a file smaller than this is extended to it */
};
_Static_assert(sizeof(struct vhdx_log_entry) == 64, "vhdx_log_entry");
_Static_assert(offsetof(struct vhdx_log_entry, sequence) == 16, "vhdx_log_entry.sequence");
_Static_assert(offsetof(struct vhdx_log_entry, log_guid) == 32, "vhdx_log_entry.log_guid");
_Static_assert(offsetof(struct vhdx_log_entry, flushed_file_offset) == 48,
	       "vhdx_log_entry.flushed");

/* §2.3.1.2 (zero) and §2.3.1.3 (data) share a size and their last two fields. */
struct vhdx_log_desc {
	uint32_t signature;
	uint32_t trailing;    /* data: the sector's last 4 bytes; zero: reserved */
	uint64_t leading;     /* data: the sector's first 8 bytes; zero: the length in bytes */
	uint64_t file_offset; /* bytes, a multiple of VHDX_LOG_SECTOR */
	uint64_t sequence;    /* the entry's */
};
_Static_assert(sizeof(struct vhdx_log_desc) == 32, "vhdx_log_desc");
_Static_assert(offsetof(struct vhdx_log_desc, file_offset) == 16, "vhdx_log_desc.file_offset");

/* §2.3.1.4: the middle of a sector; its ends are in the descriptor. */
struct vhdx_log_data {
	uint32_t signature;
	uint32_t sequence_high;
	uint8_t data[4084];
	uint32_t sequence_low;
};
_Static_assert(sizeof(struct vhdx_log_data) == VHDX_LOG_SECTOR, "vhdx_log_data");
_Static_assert(offsetof(struct vhdx_log_data, sequence_low) == 4092, "vhdx_log_data.sequence_low");

/* §2.5.1: state in bits 0–2, 17 bits reserved, file offset in MiB in the upper 44. */
#define VHDX_BAT_STATE_MASK    0x7ull
#define VHDX_BAT_RESERVED_MASK 0xffff8ull
#define VHDX_BAT_OFFSET_MASK   0xfffffffffff00000ull

/* §2.5.1.1, payload blocks */
#define VHDX_BLOCK_NOT_PRESENT       0u
#define VHDX_BLOCK_UNDEFINED         1u
#define VHDX_BLOCK_ZERO              2u
#define VHDX_BLOCK_UNMAPPED          3u
#define VHDX_BLOCK_UNMAPPED_OLD      5u /* the value before version 1.00; QEMU still reads it */
#define VHDX_BLOCK_FULLY_PRESENT     6u
#define VHDX_BLOCK_PARTIALLY_PRESENT 7u /* differencing only: ask the sector bitmap */

/* §2.5.1.2, sector bitmap blocks (1 MiB, one bit a sector, 2^23 sectors make a chunk) */
#define VHDX_SB_NOT_PRESENT    0u
#define VHDX_SB_PRESENT        6u
#define VHDX_SECTORS_PER_CHUNK (1ull << 23)

/* §2.6.1.1: the table is the region's first 64 KiB, items lie behind it. */
#define VHDX_METADATA_SIGNATURE   0x617461646174656dull /* "metadata" */
#define VHDX_METADATA_TABLE_SIZE  0x10000u
#define VHDX_METADATA_MAX_ENTRIES 2047u
#define VHDX_METADATA_MAX_ITEM    VHDX_MIB

struct vhdx_metadata_header {
	uint64_t signature;
	uint16_t reserved;
	uint16_t entry_count;
	uint8_t reserved2[20];
};
_Static_assert(sizeof(struct vhdx_metadata_header) == 32, "vhdx_metadata_header");
_Static_assert(offsetof(struct vhdx_metadata_header, entry_count) == 10, "vhdx_metadata_header");

/* §2.6.1.2 */
#define VHDX_META_IS_USER         0x1u
#define VHDX_META_IS_VIRTUAL_DISK 0x2u /* describes the disk, else the file */
#define VHDX_META_IS_REQUIRED     0x4u

struct vhdx_metadata_entry {
	struct vhdx_guid item;
	uint32_t
	    offset; /* bytes from the region's start, at least 64 KiB; 0 where the length is 0 */
	uint32_t length; /* bytes, at most 1 MiB */
	uint32_t flags;  /* VHDX_META_IS_* */
	uint32_t reserved;
};
_Static_assert(sizeof(struct vhdx_metadata_entry) == 32, "vhdx_metadata_entry");
_Static_assert(offsetof(struct vhdx_metadata_entry, flags) == 24, "vhdx_metadata_entry.flags");

/* §2.6.2, table 3 */
#define VHDX_META_FILE_PARAMETERS \
	VHDX_GUID(0xcaa16737u, 0xfa36, 0x4d43, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b)
#define VHDX_META_DISK_SIZE \
	VHDX_GUID(0x2fa54224u, 0xcd1b, 0x4876, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8)
#define VHDX_META_DISK_ID \
	VHDX_GUID(0xbeca12abu, 0xb2e6, 0x4523, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46)
#define VHDX_META_LOGICAL_SECTOR \
	VHDX_GUID(0x8141bf1du, 0xa96f, 0x4709, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f)
#define VHDX_META_PHYSICAL_SECTOR \
	VHDX_GUID(0xcda348c7u, 0x445d, 0x4471, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56)
#define VHDX_META_PARENT_LOCATOR \
	VHDX_GUID(0xa8d35f2du, 0xb30b, 0x454d, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c)

/* §2.6.2.1 */
#define VHDX_FILE_LEAVE_BLOCKS_ALLOCATED 0x1u /* a fixed disk */
#define VHDX_FILE_HAS_PARENT             0x2u
#define VHDX_MIN_BLOCK                   VHDX_MIB
#define VHDX_MAX_BLOCK                   (256u << 20)
#define VHDX_MAX_DISK                    (64ull << 40) /* §2.6.2.2 */

struct vhdx_file_parameters {
	uint32_t block_size; /* bytes, a power of two */
	uint32_t flags;
};
_Static_assert(sizeof(struct vhdx_file_parameters) == 8, "vhdx_file_parameters");

/* §2.6.2.6.1 */
struct vhdx_locator_header {
	struct vhdx_guid type;
	uint16_t reserved;
	uint16_t key_value_count;
};
_Static_assert(sizeof(struct vhdx_locator_header) == 20, "vhdx_locator_header");

/* §2.6.2.6.2: offsets from the item's start; UTF-16 without a terminator; lengths in bytes. */
struct vhdx_locator_entry {
	uint32_t key_offset;
	uint32_t value_offset;
	uint16_t key_length;
	uint16_t value_length;
};
_Static_assert(sizeof(struct vhdx_locator_entry) == 12, "vhdx_locator_entry");

/* §2.6.2.6.3; keys parent_linkage, parent_linkage2, relative_path, volume_path, absolute_win32_path */
#define VHDX_LOCATOR_VHDX \
	VHDX_GUID(0xb04aefb7u, 0xd19e, 0x4a81, 0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13)

#endif
