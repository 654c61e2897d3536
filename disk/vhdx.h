/* SPDX-License-Identifier: MIT */
/*
 * What the files of the VHDX driver (disk/vhdx_*.c) share. "§" means sections of [MS-VHDX], see abi/disk/vhdx.h.
 *
 * How a change becomes durable
 * - Payload is written in place, or into space that no BAT entry names yet. Only then do BAT and sector bitmap change, in pages
 *   of a cache that are marked dirty and are written by nobody else.
 * - A commit (disk/vhdx_commit.c) flushes the store, writes the dirty pages as a log entry, flushes again, and writes the pages to
 *   their places. An entry is one transaction: after a cut either all of it is replayed or nothing. Where there are more pages than an
 *   entry takes, several such rounds make the commit, BAT pages in the last one: a bitmap is looked at only when the BAT says so.
 * - The next round's first flush makes those places durable, so each entry's sequence is itself alone, and the log never fills.
 * - Space that is given up is used again only after the commit that says so.
 *
 * Locks, in this order: image->quiesce (the core's), commit_lock (one commit at a time), lock (everything else in struct vhdx).
 * No lock but the core's is held while payload moves.
 */
#ifndef XENOLITH_DISK_VHDX_H
#define XENOLITH_DISK_VHDX_H

#include <stdatomic.h>
#include <string.h>

#include "abi/disk/vhdx.h"
#include "disk/driver.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire structs are read as they are");

#define VHDX_PAGE       4096u /* unit of caching and of logging */
#define VHDX_PAGE_WORDS (VHDX_PAGE / 8)
/*
 * Pages an entry, and BAT pages a commit: as many descriptors as fit beside the entry's header. An entry may have more sectors of
 * them (§2.3.1), but QEMU 7.2 reads all of these into one buffer, on top of each other, and then refuses the file.
 */
#define VHDX_ENTRY_PAGES VHDX_LOG_FIRST_DESCS
#define VHDX_MAX_DIRTY   1024u /* pages a commit */
#define VHDX_MAX_PAGES   8192u /* clean or dirty: 32 MiB */
/* Most pages one block's change can touch: its BAT entry, its chunk's, 64 KiB of sector bitmap at 256 MiB blocks. */
#define VHDX_MAX_STEP 20u
/* No structure is believed to lie above: 64 TiB of blocks with their bitmaps and BAT, and as much again would not. */
#define VHDX_MAX_FILE (96ull << 40)

struct vhdx_extent {
	uint64_t offset; /* bytes in the file */
	uint64_t length; /* bytes */
};

/* --- pages (disk/vhdx_cache.c); all under vhdx.lock ------------------------------------------------------------------------ */

#define VHDX_PAGE_DIRTY 0x1u /* differs from the file and from any log entry */
#define VHDX_PAGE_BUSY  0x2u /* being committed: the file is not up to date yet */
#define VHDX_PAGE_USED  0x4u /* since the eviction hand last came by */

struct vhdx_page {
	struct vhdx_page *next; /* in its bucket */
	uint64_t offset;        /* in the file */
	uint32_t flags;         /* VHDX_PAGE_* */
	union {
		uint64_t word[VHDX_PAGE_WORDS];
		uint8_t byte[VHDX_PAGE];
	};
};

struct vhdx_cache {
	struct vhdx_page **buckets;
	struct vhdx_page **pages; /* all of them; at most VHDX_MAX_PAGES */
	struct vhdx_page *last;   /* the one asked for last: most look-ups stay in a page */
	uint32_t count, room, hand;
	uint32_t dirty_count, dirty_bat; /* all, and those of the BAT among them */
	struct vhdx_page *dirty[VHDX_MAX_DIRTY];
};

/* --- space (disk/vhdx_space.c); all under vhdx.lock ------------------------------------------------------------------------ */

struct vhdx_space {
	uint64_t *used;            /* a bit for each MiB of the file */
	uint64_t bits;             /* how many there is room for */
	uint64_t end;              /* MiB: nothing is used from here on */
	uint64_t hint;             /* MiB: no block fits below */
	struct vhdx_extent *freed; /* given up, not free yet: oldest first */
	size_t freed_count, freed_room;
	size_t freed_aged; /* of them, committed before image->epoch last changed */
};

/* A block that has space and no BAT entry yet, because its first data is on the way. */
struct vhdx_pending {
	struct vhdx_pending *next;
	uint64_t block;
	uint64_t offset; /* in the file */
	uint32_t writers;
	bool anchored;  /* the space was the block's before: a failed write gives nothing back */
	bool published; /* a BAT entry names it now */
	bool given_up;  /* the block was trimmed since: whoever still writes wrote before that */
};

struct vhdx {
	struct xd_image *image;
	const struct xd_io *io; /* &image->io */
	struct xd_io file;      /* what image->io was before a view was put over it */
	struct vhdx_overlay *overlay;

	/* Set at open; changed only while the image is quiet. */
	uint64_t disk_size;
	uint64_t block_size; /* bytes */
	uint64_t blocks;
	uint32_t block_shift;
	uint32_t sector_shift;
	uint32_t chunk_shift; /* blocks a chunk, as a power of two */
	bool fixed, has_parent;
	bool damaged;  /* opened leniently, fit for a look and for repair only */
	bool replayed; /* a dirty log was replayed at open, to the file or in memory */
	struct vhdx_guid disk_id;
	struct vhdx_extent log, bat, metadata;
	struct vhdx_extent *regions; /* all regions of the table, sorted */
	size_t region_count;
	uint8_t *locator; /* the parent locator item, or NULL */
	uint32_t locator_length;

	struct vhdx_header header;            /* the current one */
	int header_slot;                      /* 0 or 1 */
	bool header_found[2], region_good[2]; /* whole, as found at open or mended since */
	bool regions_differ;

	atomic_bool began;      /* the file write GUID was renewed */
	atomic_bool data_began; /* and the data write GUID */
	atomic_bool
	    poisoned; /* a commit failed: what is durable is unknown, nothing more is written */
	_Atomic uint64_t file_end; /* bytes of the store */
	uint64_t fresh;            /* bytes: from here on the file has never held anything */

	pthread_mutex_t commit_lock;
	uint8_t *entry; /* room for log entries; grows with the largest so far */
	uint32_t entry_sectors;
	uint64_t log_sequence; /* of the next entry */
	uint32_t log_head;     /* where it goes, bytes in the log */
	bool log_open;         /* header.log_guid is set and the log holds an entry of ours */

	pthread_mutex_t lock;
	struct vhdx_cache cache;
	struct vhdx_space space;
	struct vhdx_pending *pending;
};

/* --- checksums and GUIDs (disk/vhdx_crc32c.c) ------------------------------------------------------------------------------ */

/* CRC-32C; start with 0 and hand in the last result to go on. */
uint32_t vhdx_crc32c(uint32_t crc, const void *data, size_t length);
uint32_t vhdx_crc32c_portable(uint32_t crc, const void *data,
			      size_t length); /* what the above must equal */
/* Of a structure whose 32-bit checksum field is at bytes 4–7, as all of VHDX's are. */
uint32_t vhdx_checksum(const void *data, size_t length);

static inline bool vhdx_guid_equal(const struct vhdx_guid *a, const struct vhdx_guid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Random, version 4; 0 or XD_E_IO. */
int vhdx_guid_new(struct vhdx_guid *guid);

static inline bool vhdx_guid_is_zero(const struct vhdx_guid *guid)
{
	return xd_is_zero(guid, sizeof(*guid));
}

/* --- headers (disk/vhdx_header.c) ------------------------------------------------------------------------------------------ */

int vhdx_header_load(struct vhdx *v, struct xd_error *err);
/* Writes v->header over the older of the two, with the next sequence number, and flushes before and after. */
int vhdx_header_store(struct vhdx *v, struct xd_error *err);
/* Before the first change since open: new write GUIDs. data: a guest could see the change. */
int vhdx_begin(struct vhdx *v, bool data, struct xd_error *err);

/* --- region and metadata tables (disk/vhdx_region.c, disk/vhdx_meta.c) ----------------------------------------------------- */

int vhdx_region_load(struct vhdx *v, struct xd_error *err);
/* Puts a 64 KiB region table (checksum filled in here) into dirty pages, both copies. */
int vhdx_region_stage(struct vhdx *v, uint8_t *table, struct xd_error *err);
/* Reads the good copy of the table. */
int vhdx_region_read(struct vhdx *v, uint8_t *table, struct xd_error *err);

int vhdx_meta_load(struct vhdx *v, struct xd_error *err);
/* Puts a new value of an item of the same length into dirty pages. */
int vhdx_meta_stage(struct vhdx *v, const struct vhdx_guid *item, const void *value,
		    uint32_t length, struct xd_error *err);
/* Gives an item a value of another length: into free room of the region, then the table entry into a dirty page. */
int vhdx_meta_move(struct vhdx *v, const struct vhdx_guid *item, const void *value, uint32_t length,
		   struct xd_error *err);

/* --- parent locator (disk/vhdx_locator.c) ---------------------------------------------------------------------------------- */

/* The value of a key as UTF-8. False where it is missing, malformed or too long. */
bool vhdx_locator_get(const uint8_t *item, uint32_t length, const char *key, char *out,
		      size_t size);
/* Header, entries and strings all within the item? Says what is wrong. */
int vhdx_locator_validate(const uint8_t *item, uint32_t length, struct xd_error *err);
/* Builds an item for `parent`, named `path` by a child at `child_path` (may be NULL). *out is the caller's to free. */
int vhdx_locator_build(const struct vhdx_guid *linkage, const char *child_path, const char *path,
		       uint8_t **out, uint32_t *length, struct xd_error *err);
#define VHDX_GUID_TEXT 39 /* "{" 8-4-4-4-12 "}" and NUL */
void vhdx_guid_text(const struct vhdx_guid *guid, char text[VHDX_GUID_TEXT]);
/* The data write GUID that the locator records, zero where it records none. */
void vhdx_parent_id(const struct vhdx *v, uint8_t id[16]);
int vhdx_parent_candidates(struct xd_image *image, xd_candidate_fn fn, void *ctx);
enum xd_format vhdx_parent_format(struct xd_image *image);
int vhdx_parent_matches(struct xd_image *image, struct xd_image *parent, struct xd_error *err);
int vhdx_set_parent(struct xd_image *image, struct xd_image *parent, const char *path,
		    struct xd_error *err);

/* --- log (disk/vhdx_log.c, disk/vhdx_replay.c) ----------------------------------------------------------------------------- */

struct vhdx_log_place {
	uint32_t offset; /* in the log */
	uint32_t length;
	uint32_t tail;
	uint64_t sequence;
};

/* The active sequence (§2.3.2), oldest entry first; all entries are whole and their checksums right. */
struct vhdx_log_sequence {
	struct vhdx_log_place *entries; /* free() it */
	size_t count;
};

/* *sequence is empty where the log holds none. Memory and time are linear in the log's length. */
int vhdx_log_find(const struct xd_io *io, const struct vhdx_extent *log,
		  const struct vhdx_guid *guid, struct vhdx_log_sequence *sequence,
		  struct xd_error *err);
/* Reads one entry, length bytes, into buf; unwraps the ring. */
int vhdx_log_read(const struct xd_io *io, const struct vhdx_extent *log, uint32_t offset, void *buf,
		  uint32_t length, struct xd_error *err);

/* Where header.log_guid is set: replays into the file (image writable) or puts a view over image->io (read-only). */
int vhdx_replay(struct vhdx *v, struct xd_error *err);

/* --- view of a store with a log replayed on top (disk/vhdx_overlay.c) ------------------------------------------------------- */

struct vhdx_overlay;
struct vhdx_overlay *vhdx_overlay_new(const struct xd_io *under);
int vhdx_overlay_data(struct vhdx_overlay *overlay, uint64_t offset,
		      const struct vhdx_log_desc *desc, uint64_t where);
int vhdx_overlay_zero(struct vhdx_overlay *overlay, uint64_t offset, uint64_t length);
void vhdx_overlay_extend(struct vhdx_overlay *overlay, uint64_t size);
/* All records are in. `under` stays its owner's, and open. */
struct xd_io vhdx_overlay_io(struct vhdx_overlay *overlay);
void vhdx_overlay_free(struct vhdx_overlay *overlay); /* NULL is fine */

static inline bool vhdx_in_bat(const struct vhdx *v, uint64_t offset)
{
	return offset - v->bat.offset < v->bat.length;
}

/* --- cache ----------------------------------------------------------------------------------------------------------------- */

int vhdx_cache_init(struct vhdx_cache *cache);
void vhdx_cache_free(struct vhdx_cache *cache);
/* The page at `offset` (a multiple of VHDX_PAGE). Valid until the next call of this. */
int vhdx_page_get(struct vhdx *v, uint64_t offset, struct vhdx_page **page, struct xd_error *err);
/* Forgets the pages of a range that somebody wrote past the cache, or that means something else now. None is dirty or busy. */
void vhdx_page_forget(struct vhdx *v, uint64_t offset, uint64_t length);
/* The caller has made sure of room with vhdx_reserve(). */
void vhdx_page_dirty(struct vhdx *v, struct vhdx_page *page);

/* --- commit (disk/vhdx_commit.c) ------------------------------------------------------------------------------------------- */

/* Makes everything done so far durable. Takes commit_lock and lock. */
int vhdx_commit(struct vhdx *v, struct xd_error *err);
/* With lock held: commits where fewer than `pages` more can get dirty. May drop and retake the lock: look again afterwards. */
int vhdx_reserve(struct vhdx *v, uint32_t pages, bool *dropped, struct xd_error *err);
/* Commits, brings the places up to date durably and clears log_guid. The image is quiet. */
int vhdx_log_close(struct vhdx *v, struct xd_error *err);

/* --- BAT and sector bitmaps (disk/vhdx_bat.c); under lock ------------------------------------------------------------------ */

static inline uint64_t vhdx_bat_index(const struct vhdx *v, uint64_t block)
{
	return block + (block >> v->chunk_shift);
}

static inline uint64_t vhdx_bat_bitmap_index(const struct vhdx *v, uint64_t chunk)
{
	return ((chunk + 1) << v->chunk_shift) + chunk;
}

static inline uint32_t vhdx_bat_state(uint64_t entry)
{
	return entry & VHDX_BAT_STATE_MASK;
}

static inline uint64_t vhdx_bat_offset(uint64_t entry)
{
	return entry & VHDX_BAT_OFFSET_MASK;
}

static inline bool vhdx_bat_has_data(uint64_t entry)
{
	return vhdx_bat_state(entry) >= VHDX_BLOCK_FULLY_PRESENT;
}

/* §2.5: entries that a disk of that many blocks has in its BAT. */
uint64_t vhdx_bat_entries(uint64_t blocks, uint32_t chunk_shift, bool has_parent);
int vhdx_bat_get(struct vhdx *v, uint64_t index, uint64_t *entry, struct xd_error *err);
int vhdx_bat_set(struct vhdx *v, uint64_t index, uint64_t entry, struct xd_error *err);
/*
 * Changes an entry and gives up what it named before (old, length 0: nothing), in this order: a commit in between would free what
 * is still named. Takes the lock.
 */
int vhdx_bat_replace(struct vhdx *v, uint64_t index, uint64_t entry, const struct vhdx_extent *old,
		     struct xd_error *err);
/* Refuses entries that no block may have: reserved states, a place outside the file or in the header section. */
int vhdx_bat_validate(const struct vhdx *v, uint64_t block, uint64_t entry, struct xd_error *err);
/* The length, in sectors, of the first run of equal bits, at most `count`; `sector` counts from the disk's start. */
int vhdx_bitmap_run(struct vhdx *v, uint64_t sector, uint64_t count, bool *set, uint64_t *run,
		    struct xd_error *err);
/* The chunk's sector bitmap exists. */
int vhdx_bitmap_set(struct vhdx *v, uint64_t sector, uint64_t count, bool set,
		    struct xd_error *err);
/*
 * Calls fn for every BAT entry that the disk has and that is not zero (no block, no place), in order, reading past the cache. Only
 * when nothing is dirty.
 */
typedef int (*vhdx_bat_fn)(struct vhdx *v, uint64_t index, uint64_t entry, void *ctx,
			   struct xd_error *err);
int vhdx_bat_walk(struct vhdx *v, vhdx_bat_fn fn, void *ctx, struct xd_error *err);

static inline bool vhdx_bat_is_bitmap(const struct vhdx *v, uint64_t index)
{
	return index % ((1ull << v->chunk_shift) + 1) == 1ull << v->chunk_shift;
}

/* The block of a payload entry. */
static inline uint64_t vhdx_bat_block(const struct vhdx *v, uint64_t index)
{
	return index - index / ((1ull << v->chunk_shift) + 1);
}

/* --- space ----------------------------------------------------------------------------------------------------------------- */

/* Marks all structures and blocks. Where two claim the same space: XD_E_CORRUPT, or v->damaged with XD_OPEN_LENIENT. */
int vhdx_space_load(struct vhdx *v, struct xd_error *err);
/* Marks what is not in the BAT, with room for all of the file. */
int vhdx_space_start(struct vhdx *v, struct xd_error *err);
bool vhdx_space_overlaps(const struct vhdx_space *space, uint64_t offset, uint64_t length);
void vhdx_space_free(struct vhdx_space *space);
/* Space that reads as zero, `length` a multiple of 1 MiB. */
int vhdx_space_take(struct vhdx *v, uint64_t length, uint64_t *offset, struct xd_error *err);
/* Given up; free after the next commit. */
int vhdx_space_give(struct vhdx *v, uint64_t offset, uint64_t length, struct xd_error *err);
/* Never was in a BAT entry: free at once. */
void vhdx_space_drop(struct vhdx *v, uint64_t offset, uint64_t length);
/* The first `count` of space.freed are committed: frees those that nobody can be on the way to. */
void vhdx_space_release(struct vhdx *v, size_t count);
/* Sets or clears without looking; true where some of it was set before. */
bool vhdx_space_mark(struct vhdx_space *space, uint64_t offset, uint64_t length);
/* The lowest free space of that length below `below`, taken; false where there is none. */
bool vhdx_space_take_below(struct vhdx_space *space, uint64_t length, uint64_t below,
			   uint64_t *offset);
/* Lowers space->end to what is used. */
void vhdx_space_trim(struct vhdx_space *space);

/* --- verbs ----------------------------------------------------------------------------------------------------------------- */

int vhdx_map(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_run *run,
	     struct xd_error *err);
int vhdx_writev(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		struct xd_error *err);
int vhdx_zero(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err);
int vhdx_discard(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err);
int vhdx_create(const struct xd_create *how, const struct xd_io *io, struct xd_error *err);
int vhdx_resize(struct xd_image *image, uint64_t virtual_size, struct xd_error *err);
int vhdx_compact(struct xd_image *image, const struct xd_progress *progress, struct xd_error *err);
int vhdx_check(struct xd_image *image, struct xd_checker *checker, struct xd_error *err);
/* Cuts off what lies behind the last used space. The log is closed. */
int vhdx_cut_tail(struct vhdx *v, struct xd_error *err);

int vhdx_check_sectors(const struct vhdx *v, uint64_t offset, uint64_t length,
		       struct xd_error *err);
/* The block's space is given up: no write that is still under way names it again, and later ones get new space. Under lock. */
void vhdx_give_up_pending(struct vhdx *v, uint64_t block);
/* Writes one piece of one block; slice NULL: zeros. For disk/vhdx_trim.c. */
int vhdx_write_block(struct vhdx *v, uint64_t block, uint64_t in_block, uint64_t length,
		     const struct xd_slice *slice, struct xd_error *err);

#endif
