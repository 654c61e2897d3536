/* SPDX-License-Identifier: MIT */
/*
 * A VHD layer's private state. Who calls this: disk/vhd*.c.
 *
 * How a dynamic or differencing image stays whole whatever write is cut: a new block's space reads as zero on the disk before the
 * table names it; data is flushed before the bitmap bits and table entries that make it visible are written; those are
 * kept in memory until the next flush. A footer is written and flushed beyond the space that the next blocks will take
 * before the old one is overwritten, so there is always one at the end of the file.
 */
#ifndef XENOLITH_DISK_VHD_H
#define XENOLITH_DISK_VHD_H

#include <stdatomic.h>

#include "abi/disk/vhd.h"
#include "disk/driver.h"

#define VHD_MIN_BLOCK     512u
#define VHD_MAX_BLOCK     (256u << 20)
#define VHD_DEFAULT_BLOCK (2u << 20)
#define VHD_ALIGN         4096u /* data of blocks we allocate */
#define VHD_NOWHERE       UINT64_MAX

struct vhd_bitmap;

/* Bitmaps of blocks that are partly filled. A bounded number, least recently used first out; dirty ones stay. */
struct vhd_cache {
	struct vhd_bitmap **buckets;
	struct vhd_bitmap *newest, *oldest;
	uint32_t count, dirty, limit;
};

enum vhd_size_rule { VHD_SIZE_CURRENT, VHD_SIZE_CHS };

struct vhd {
	struct vhd_footer footer; /* the one that counts */
	struct vhd_header header;
	enum vhd_size_rule size_rule;
	uint64_t
	    footer_at; /* of the one at the end, VHD_NOWHERE where there is none that is good */
	bool
	    copy_only; /* nothing but what a guest may have written at the start says what the file is */
	bool head_bad;      /* dynamic: the copy at the start is missing, damaged or different */
	uint64_t file_size; /* when opened */
	bool fixed_store;   /* a block device: the footer stays where it is */

	/* Everything below: dynamic and differencing only. */
	_Atomic uint32_t *bat; /* sector numbers, host order */
	_Atomic uint8_t *full; /* a bit a block: allocated, and every bit of its bitmap is set */
	uint8_t *bat_dirty;    /* a bit a sector of the table */
	uint32_t blocks;       /* that the disk has; the table may have room for more */
	uint32_t room;         /* entries in the file's table */
	uint64_t bat_offset;
	bool header_due; /* the file's header may still name the table's old place */
	uint32_t block_size;
	uint32_t bitmap_size;
	unsigned block_shift;
	uint64_t batmap_offset;  /* of its header, 0 where there is none that could be one */
	uint32_t batmap_sectors; /* of its map */
	bool batmap_stale;       /* what it says is less than what we know, or not to be believed */
	bool batmap_damaged;     /* as found when opening */

	pthread_mutex_t lock; /* guards all below, and writing of `bat` and `full` */
	struct vhd_cache cache;
	uint64_t
	    data_end; /* where the last block or structure ends: the footer's place in a tidy file */
	bool tail_unknown; /* what lies between data_end and footer_at may be other than zero */
	atomic_bool dirty; /* table entries or bitmaps to write */
};

/* --- wire (vhd_wire.c) -------------------------------------------------------------------------------------------------- */

static inline uint32_t vhd_get32(struct be32 n)
{
	return (uint32_t)n.b[0] << 24 | n.b[1] << 16 | n.b[2] << 8 | n.b[3];
}

static inline uint64_t vhd_get64(struct be64 n)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | n.b[i];
	return v;
}

static inline uint16_t vhd_get16(struct be16 n)
{
	return n.b[0] << 8 | n.b[1];
}

static inline struct be32 vhd_put32(uint32_t n)
{
	return (struct be32){{n >> 24, n >> 16, n >> 8, n}};
}

static inline struct be16 vhd_put16(uint16_t n)
{
	return (struct be16){{n >> 8, n}};
}

struct be64 vhd_put64(uint64_t n);

/* One's complement of the byte sum of `length` bytes, the checksum field at `skip` counted as zero. */
uint32_t vhd_checksum(const void *data, size_t length, size_t skip);
bool vhd_footer_is(const struct vhd_footer *footer); /* the cookie */
bool vhd_footer_sum_ok(
    const struct vhd_footer *footer); /* with tapdisk's old habit of not counting `hidden` */
bool vhd_header_sum_ok(const struct vhd_header *header);
void vhd_footer_seal(struct vhd_footer *footer);
void vhd_header_seal(struct vhd_header *header);
void vhd_footer_set_size(struct vhd_footer *footer, uint64_t size); /* current_size and geometry */
uint64_t vhd_chs_size(const struct vhd_footer *footer);
/* Which of current_size and geometry tells the size. */
enum vhd_size_rule vhd_size_rule(const struct vhd_footer *footer);
uint64_t vhd_disk_size(const struct vhd_footer *footer);
uint32_t vhd_bitmap_bytes(uint32_t block_size);
uint64_t vhd_locator_space(const struct vhd_locator *locator);
uint32_t vhd_time(int64_t unix_seconds);

static inline struct vhd *vhd_of(struct xd_image *image)
{
	return image->state;
}

static inline uint64_t vhd_block_at(uint32_t entry)
{
	return (uint64_t)entry * VHD_SECTOR;
}

static inline uint64_t vhd_block_bytes(const struct vhd *v)
{
	return (uint64_t)v->bitmap_size + v->block_size;
}

static inline bool vhd_bit(const void *map, uint32_t n)
{
	return ((const uint8_t *)map)[n / 8] & (0x80 >> n % 8);
}

static inline void vhd_set_bit(void *map, uint32_t n)
{
	((uint8_t *)map)[n / 8] |= 0x80 >> n % 8;
}

static inline bool vhd_is_full(const struct vhd *v, uint32_t block)
{
	return atomic_load_explicit(&v->full[block / 8], memory_order_acquire) &
	       (0x80 >> block % 8);
}

static inline uint32_t vhd_entry(const struct vhd *v, uint32_t block)
{
	return atomic_load_explicit(&v->bat[block], memory_order_acquire);
}

/* --- opening (vhd_open.c, vhd_table.c) ---------------------------------------------------------------------------------- */

int vhd_probe(const struct xd_io *io, bool *yes, struct xd_error *err);
int vhd_open(struct xd_image *image, struct xd_error *err);
int vhd_close(struct xd_image *image, struct xd_error *err);
/* Reads the table and the batmap, checks that blocks lie where they may. */
int vhd_table_load(struct xd_image *image, uint64_t file_size, struct xd_error *err);
void vhd_table_free(struct vhd *v);
/* Arrays for `blocks` entries, all absent; the old arrays' content is kept up to the shorter of the two. */
int vhd_table_resize(struct vhd *v, uint32_t blocks, struct xd_error *err);
void vhd_set_entry(struct vhd *v, uint32_t block, uint32_t entry); /* lock held */
void vhd_set_full(struct vhd *v, uint32_t block, bool full);       /* lock held */
int vhd_table_write(struct xd_image *image, struct xd_error *err); /* dirty sectors */
uint64_t vhd_table_bytes(uint32_t entries);                        /* padded to sectors */
/* The end of all structures but blocks. */
uint64_t vhd_structures_end(const struct vhd *v);

/* --- batmap (vhd_batmap.c) ---------------------------------------------------------------------------------------------- */

/* Finds it, and where it can be believed marks blocks full. */
int vhd_batmap_load(struct xd_image *image, uint64_t file_size, struct xd_error *err);
int vhd_batmap_write(struct xd_image *image,
		     struct xd_error *err);    /* from `full`, where there is one and it is stale */
uint32_t vhd_batmap_sectors(uint32_t entries); /* that its map takes */
uint64_t vhd_batmap_end(const struct vhd *v);
/* Builds one for a fresh image at `offset`; `map` may be NULL for an empty one. */
int vhd_batmap_create(const struct xd_io *io, uint64_t offset, uint32_t sectors, uint64_t disk_size,
		      const void *map, size_t map_bytes, struct xd_error *err);

/* --- bitmaps (vhd_bitmap.c), lock held ---------------------------------------------------------------------------------- */

int vhd_cache_init(struct vhd *v, struct xd_error *err);
void vhd_cache_free(struct vhd *v);
void vhd_cache_drop(struct vhd *v, uint32_t block); /* unless it is dirty */
/* The bitmap of an allocated block; fresh: it is all zero, do not read. The bits may be changed with vhd_bitmap_set only. */
int vhd_bitmap_get(struct xd_image *image, uint32_t block, bool fresh, struct vhd_bitmap **out,
		   struct xd_error *err);
const uint8_t *vhd_bitmap_bits(const struct vhd_bitmap *bitmap);
void vhd_bitmap_set(struct vhd *v, struct vhd_bitmap *bitmap, uint32_t first, uint32_t count);
/* How many sectors from `first` on, at most `limit`, have the same bit; *set is the bit. */
uint32_t vhd_bitmap_run(const uint8_t *bits, uint32_t first, uint32_t limit, bool *set);
int vhd_bitmaps_write(struct xd_image *image, struct xd_error *err); /* dirty ones */

/* --- space (vhd_space.c), lock held or image quiet ---------------------------------------------------------------------- */

/* Orders writes before it against writes after it; nothing with XD_OPEN_NO_BARRIER. */
int vhd_barrier(struct xd_image *image, struct xd_error *err);
/* Sees to it that [data_end, end) can be used and reads as zero. */
int vhd_grow(struct xd_image *image, uint64_t end, struct xd_error *err);
int vhd_alloc(struct xd_image *image, uint32_t block, struct xd_error *err);
/* Where a block goes whose space starts at or after `from`. */
uint64_t vhd_place(const struct vhd *v, uint64_t from);
/* Puts the footer right behind the data and cuts the file there. */
int vhd_trim(struct xd_image *image, struct xd_error *err);
/* Writes v->footer to both its places. */
int vhd_footers_write(struct xd_image *image, struct xd_error *err);
/* Writes the header's first sector, where the table's place is, and flushes it. */
int vhd_header_write(struct xd_image *image, struct xd_error *err);
int vhd_flush_locked(struct xd_image *image, struct xd_error *err);

/* --- the rest ----------------------------------------------------------------------------------------------------------- */

int vhd_map(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_run *run,
	    struct xd_error *err);
int vhd_writev(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
	       struct xd_error *err);
int vhd_zero(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err);
int vhd_discard(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err);
/* What this layer stores of the range is zero afterwards. */
int vhd_clear(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err);
int vhd_flush(struct xd_image *image, struct xd_error *err);
int vhd_create(const struct xd_create *how, const struct xd_io *io, struct xd_error *err);
int vhd_parent_candidates(struct xd_image *image, xd_candidate_fn fn, void *ctx);
enum xd_format vhd_parent_format(struct xd_image *image);
int vhd_parent_matches(struct xd_image *image, struct xd_image *parent, struct xd_error *err);
int vhd_set_parent(struct xd_image *image, struct xd_image *parent, const char *path,
		   struct xd_error *err);
/* The parent's file's time stamp as VHD counts, 0 where there is none. */
uint32_t vhd_parent_time(struct xd_image *parent);
/*
 * Fills the header's parent fields and the locators' data, which goes to `offset` in the file. `child` is the child's path,
 * may be NULL. *data is the caller's to free.
 */
int vhd_parent_record(struct vhd_header *header, struct xd_image *parent, const char *path,
		      const char *child, uint64_t offset, uint8_t **data, size_t *length,
		      struct xd_error *err);
int vhd_resize(struct xd_image *image, uint64_t virtual_size, struct xd_error *err);
int vhd_compact(struct xd_image *image, const struct xd_progress *progress, struct xd_error *err);
int vhd_check(struct xd_image *image, struct xd_checker *checker, struct xd_error *err);
void vhd_info(struct xd_image *image, struct xd_info *info);
int vhd_describe(struct xd_image *image, xd_fact_fn fn, void *ctx, struct xd_error *err);

#endif
