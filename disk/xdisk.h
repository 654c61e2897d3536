/* SPDX-License-Identifier: MIT */
/*
 * libxenolith-disk: raw, VHD and VHDX disk images.
 *
 * Who calls this: the `xenolith image` command, `xenolith run`, the nbdkit plugin, and anybody else.
 *
 * Promises
 * - Handles, no global state. One handle may be used from many threads: xd_readv, xd_writev, xd_zero, xd_discard, xd_flush,
 *   xd_map and the xd_get_* calls run side by side; xd_resize, xd_compact, xd_check with repair, and xd_set_parent wait for
 *   all of them and run alone. xd_close needs that nobody else is using the handle.
 * - Data that xd_flush returned for is there after a power cut, and the image then checks clean. Data that was written and not
 *   flushed is, sector by sector, either the old or the new. A sector is 512 bytes.
 * - Whatever a file claims, memory stays bounded (XD_MAX_TABLE_BYTES a layer and XD_MAX_DEPTH layers) and no file other than
 *   the image and the parents it names is opened.
 * - Offsets and lengths are bytes. A request starts at a multiple of 512 and its length is one too, unless it ends where the
 *   disk ends.
 * - Every call that can fail returns 0 or a negative XD_E_* code, and fills *err where err is not NULL: code, errno, the offset
 *   in the file where there is one, and a sentence. Strings and memory given to a call stay the caller's.
 */
#ifndef XENOLITH_XDISK_H
#define XENOLITH_XDISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XD_VERSION "0.1"

#define XD_MAX_DEPTH       256          /* layers in a chain */
#define XD_MAX_TABLE_BYTES (256u << 20) /* memory one layer's tables may take */
#define XD_PATH_MAX        4096
#define XD_NO_OFFSET       UINT64_MAX

/* --- errors ------------------------------------------------------------------------------------------------------------- */

enum xd_code {
	XD_OK = 0,
	XD_E_IO = -1,          /* the store failed; xd_error.sys has its errno */
	XD_E_NOMEM = -2,       /* out of memory */
	XD_E_INVAL = -3,       /* the caller asked for something that cannot be */
	XD_E_FORMAT = -4,      /* not an image of that format */
	XD_E_CORRUPT = -5,     /* the image contradicts itself */
	XD_E_UNSUPPORTED = -6, /* a valid image or request this library does not handle */
	XD_E_READONLY = -7,    /* opened read-only */
	XD_E_BUSY = -8,        /* locked by another opener */
	XD_E_PARENT = -9,      /* the parent was not found or cannot be opened */
	XD_E_PARENT_CHANGED =
	    -10,          /* a file is there, but it is not the parent this child was made from */
	XD_E_LOOP = -11,  /* the chain comes back to itself, or is deeper than XD_MAX_DEPTH */
	XD_E_RANGE = -12, /* a request past the end of the disk, or not aligned */
	XD_E_LIMIT = -13, /* more than the format can hold */
	XD_E_EXIST = -14, /* would overwrite */
	XD_E_CANCELLED = -15, /* the progress callback said stop */
};

struct xd_error {
	int code;        /* enum xd_code */
	int sys;         /* errno, or 0 */
	uint64_t offset; /* in the file, or XD_NO_OFFSET */
	char message[512];
};

/* A short name ("corrupt image"), never NULL. */
const char *xd_code_name(int code);
/* The errno nearest to a code, for callers that speak errno: EIO, EROFS, EINVAL… */
int xd_code_errno(int code);

/* --- the store under an image ------------------------------------------------------------------------------------------- */

/*
 * Where an image's bytes live. Callbacks return 0 or -errno and may be called from several threads at once.
 * pread:    fills all of buf; bytes past the end of the store read as zero.
 * pwrite:   writes all of buf; writing past the end grows the store, the gap reads as zero.
 * preadv,
 * pwritev:  the same for several buffers. NULL: the library uses pread and pwrite.
 * flush:    everything written before is on stable storage when this returns. Once it has failed it fails for good: what was lost
 *           is not known, and a later success would promise it. (Files do so; open the image again.)
 * size:     the store's length in bytes, or -errno.
 * truncate: sets the length; growth reads as zero.
 * punch:    the range reads as zero afterwards, its space may be given back. NULL or -EOPNOTSUPP: the library writes zeros.
 * extent:   looks at [offset, offset + *length): cuts *length down to the first stretch of one kind and sets *hole when that
 *           stretch is known to read as zero. NULL: all data.
 * fd:       a file descriptor that shows the same bytes at the same offsets, or -1. NULL: -1.
 * close:    frees ctx.
 */
struct xd_io_ops {
	int (*pread)(void *ctx, void *buf, size_t length, uint64_t offset);
	int (*pwrite)(void *ctx, const void *buf, size_t length, uint64_t offset);
	int (*preadv)(void *ctx, const struct iovec *iov, int iovcnt, uint64_t offset);
	int (*pwritev)(void *ctx, const struct iovec *iov, int iovcnt, uint64_t offset);
	int (*flush)(void *ctx);
	int64_t (*size)(void *ctx);
	int (*truncate)(void *ctx, uint64_t size);
	int (*punch)(void *ctx, uint64_t offset, uint64_t length);
	int (*extent)(void *ctx, uint64_t offset, uint64_t *length, bool *hole);
	int (*fd)(void *ctx);
	void (*close)(void *ctx);
};

struct xd_io {
	const struct xd_io_ops *ops;
	void *ctx;
};

#define XD_IO_WRITE  (1u << 0) /* for writing: takes the exclusive lock; else the shared one */
#define XD_IO_CREATE (1u << 1) /* make the file; fails where it exists */
/* take no lock: only for looking at a file that somebody else is using */
#define XD_IO_NO_LOCK  (1u << 2)
#define XD_IO_TRUNCATE (1u << 3) /* with XD_IO_CREATE: an existing file is emptied instead */
/* large writes go past the page cache where the file system can: for data that will not be read soon */
#define XD_IO_DIRECT (1u << 4)

/*
 * A store on a file or a block device. It takes open file description locks: a writer has the file to itself, readers share it, so no
 * file is opened twice for writing, in one process or in two. QEMU's locks are respected, and ours by it. Release with
 * io->ops->close(io->ctx).
 */
int xd_io_open_file(const char *path, uint32_t flags, struct xd_io *io, struct xd_error *err);
/*
 * The same on a file that somebody else has opened, with the access that `flags` asks for; `path` names it in messages. The store
 * owns `fd` from success on. Locks belong to the open file, so duplicates of one descriptor do not exclude each other.
 */
int xd_io_open_fd(int fd, const char *path, uint32_t flags, struct xd_io *io, struct xd_error *err);
/* A store in memory, empty and growing. For tests and for building small images. */
int xd_io_open_memory(struct xd_io *io, struct xd_error *err);

/* --- opening ------------------------------------------------------------------------------------------------------------ */

enum xd_format {
	XD_FORMAT_ANY = 0, /* by content; neither VHD nor VHDX: raw, both: XD_E_FORMAT */
	XD_FORMAT_RAW,
	XD_FORMAT_VHD,
	XD_FORMAT_VHDX,
};

enum xd_type {
	XD_TYPE_FIXED = 0, /* all space set aside; raw images are this too */
	XD_TYPE_DYNAMIC,
	XD_TYPE_DIFF, /* a child: what it does not hold is its parent's */
};

const char *xd_format_name(enum xd_format format); /* "raw", "vhd", "vhdx" */
const char *xd_type_name(enum xd_type type);       /* "fixed", "dynamic", "differencing" */
enum xd_format xd_format_by_name(
    const char *name); /* "vpc" is VHD too; XD_FORMAT_ANY where unknown */

#define XD_OPEN_WRITE (1u << 0) /* else not a byte of the file changes: log replay is in memory */
/* this layer alone; reading the parent's part fails, XD_E_PARENT */
#define XD_OPEN_NO_PARENTS   (1u << 1)
#define XD_OPEN_ANY_PARENT   (1u << 2) /* even a parent whose identity is not the recorded one */
#define XD_OPEN_NO_LOCK      (1u << 3) /* see XD_IO_NO_LOCK */
#define XD_OPEN_LENIENT      (1u << 4) /* for xd_check: past damage wherever the check can still tell */
#define XD_OPEN_WRITE_PARENT (1u << 5) /* the parent (one level) for writing too, for a merge */
/* a new file, useless until whole: no ordering before xd_flush */
#define XD_OPEN_NO_BARRIER (1u << 6)
#define XD_OPEN_DIRECT     (1u << 7) /* see XD_IO_DIRECT */

/*
 * Opens the store of a parent for a child whose image sits on a caller-supplied store. `path` is as the child's locator gives
 * it, with '/' between names, relative or absolute. Same return rules as the library's own calls.
 */
typedef int (*xd_open_parent_fn)(void *ctx, const char *path, uint32_t io_flags, struct xd_io *io,
				 struct xd_error *err);

struct xd_open {
	const char *
	    path; /* the image; parents are looked up relative to its folder. May be NULL with io. */
	enum xd_format format;
	uint32_t flags; /* XD_OPEN_* */
	struct xd_io
	    io; /* where ops is set: the store to use; the handle owns it from success on */
	xd_open_parent_fn open_parent; /* NULL: files */
	void *open_parent_ctx;
};

struct xd_image;

/*
 * Asking for XD_FORMAT_ANY trusts the content: somebody who can write into a raw disk can make it look like a VHD that names
 * any file as its parent. Where a disk's content is not trusted (a guest's), say which format it is. A parent's format is what the
 * child's record says, never what the parent looks like.
 */
int xd_open(const char *path, uint32_t flags, struct xd_image **out, struct xd_error *err);
int xd_open_with(const struct xd_open *how, struct xd_image **out, struct xd_error *err);

/* Flushes, writes what is pending, gives the handle and its parents back even where that fails. NULL is fine. */
int xd_close(struct xd_image *image, struct xd_error *err);

/* --- looking ------------------------------------------------------------------------------------------------------------ */

struct xd_info {
	enum xd_format format;
	enum xd_type type;
	uint64_t virtual_size;    /* bytes that the disk has */
	uint64_t file_size;       /* bytes of the file, holes included */
	uint32_t block_size;      /* unit of allocation, 0 where there is none */
	uint32_t logical_sector;  /* 512 or 4096: what the guest should see */
	uint32_t physical_sector; /* 512 or 4096 */
	uint8_t id
	    [16]; /* what a child records of this image: VHD unique id, VHDX data write GUID; 0 for raw */
	uint8_t parent_id[16]; /* what this child records of its parent; 0 where there is none */
	uint32_t
	    data_align; /* largest power of two, at most 1 MiB, that all stored blocks are aligned to */
	uint32_t depth; /* layers under this one */
};

void xd_get_info(struct xd_image *image, struct xd_info *info);
uint64_t xd_get_size(struct xd_image *image);
const char *xd_get_path(struct xd_image *image); /* NULL where there is none */
struct xd_image *xd_get_parent(
    struct xd_image *image); /* NULL where there is none; lives as long as the child */

/* One fact about an image that only its format has: "current_size", "creator", "log_dirty"… */
enum xd_fact_kind { XD_FACT_STRING, XD_FACT_NUMBER, XD_FACT_BOOL };
struct xd_fact {
	const char *key; /* lower case with underscores, stable: it is the key in --json */
	enum xd_fact_kind kind;
	const char *string; /* valid during the call only */
	uint64_t number;    /* also for BOOL: 0 or 1 */
};
typedef void (*xd_fact_fn)(void *ctx, const struct xd_fact *fact);
int xd_describe(struct xd_image *image, xd_fact_fn fn, void *ctx, struct xd_error *err);

/* --- where the bytes are ------------------------------------------------------------------------------------------------ */

enum xd_kind {
	XD_KIND_DATA = 0, /* stored: at file_offset of the layer's store */
	XD_KIND_ZERO,     /* the layer says zero, nothing is stored */
	XD_KIND_HOLE,     /* no layer holds it: reads as zero */
	XD_KIND_PARENT,   /* XD_MAP_SHALLOW only: not in this layer, ask the parent */
};

/* may be overwritten right there without telling the library, see xd_prepare_write */
#define XD_RUN_IN_PLACE (1u << 0)

struct xd_run {
	uint64_t offset, length; /* on the disk */
	enum xd_kind kind;
	uint32_t flags;         /* XD_RUN_* */
	uint32_t depth;         /* 0: this image, 1: its parent … */
	uint64_t file_offset;   /* XD_KIND_DATA only */
	struct xd_image *layer; /* whose store file_offset is in; xd_get_io(layer) */
};

#define XD_MAP_SHALLOW (1u << 0) /* this layer only */
/* ask the store too: DATA that is a hole in the file becomes ZERO. Costs system calls. */
#define XD_MAP_HOLES (1u << 1)

/*
 * Resolves [offset, offset + length) into at most *count runs, in order and without gaps; sets *count to how many were filled.
 * They may end before the range does, never after. A run stays true until the same range is written by xd_writev or xd_zero,
 * or discarded, or the image is resized, compacted or repaired: the caller keeps those apart. Data runs of one layer that
 * touch are one run.
 */
int xd_map(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags,
	   struct xd_run *runs, size_t *count, struct xd_error *err);

/* The store under one layer, for callers that go to run->file_offset on their own. The handle keeps owning it. */
const struct xd_io *xd_get_io(struct xd_image *image);

/*
 * Does now what the first write would do (new identity, dirty marks), so that runs carry XD_RUN_IN_PLACE from then on. A caller
 * that writes such runs by itself still calls xd_flush for the barrier.
 */
int xd_prepare_write(struct xd_image *image, struct xd_error *err);

/* --- doing the I/O oneself ----------------------------------------------------------------------------------------------- */

/*
 * For callers with an I/O path of their own, io_uring say. xd_hold() answers like xd_map() where all of a request lies, and keeps
 * what it answered true until xd_release(), which any thread may call, whatever others do meanwhile:
 * - the bytes of a run are at run->file_offset of xd_get_fd(run->layer), and stay there;
 * - space that a discard or a zero of the range gives up is not used for anything else before the release. As
 *   on any disk, of I/O to one range at the same time the outcome is open, but it is this range's and no other's;
 * - xd_resize, xd_compact, xd_check and xd_set_parent wait until nothing is held. As long as one waits, new calls of xd_hold
 *   find nothing. So a thread must not call these while it has I/O to release.
 * What is held is known by the place only: release soon, and look up each request anew.
 *
 * *count is the room in runs and becomes how many were filled, for the whole range, in order. It becomes 0, and nothing is held, where
 * the library has to do the work: xd_readv, xd_writev. That is
 * - always: where runs has too little room, where a layer's store has no descriptor (memory, a log replayed in memory), where the
 *   parent is open for writing, and while one of the above waits;
 * - with XD_HOLD_WRITE: where any of the range is not allocated in the image itself, or its bitmap would have to change.
 * Without XD_HOLD_WRITE, runs that are not XD_KIND_DATA read as zero. A read that ends early (the store is shorter than the run)
 * reads as zero from there on. With it, all runs are DATA and XD_RUN_IN_PLACE, and xd_prepare_write() has been called.
 *
 * Writes of this kind are data like any other: when they have completed, xd_flush() makes them durable. Descriptors stay the
 * library's; for O_DIRECT open "/proc/self/fd/N" anew, then the file system's alignment is the caller's to keep.
 */
#define XD_HOLD_WRITE (1u << 0) /* to write; else to read */

struct xd_hold {
	struct xd_image *image; /* NULL: nothing is held */
	unsigned int epoch;     /* the library's own */
};

int xd_hold(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags,
	    struct xd_run *runs, size_t *count, struct xd_hold *hold, struct xd_error *err);
/* Once for each xd_hold that held something; a second time, or for one that held nothing, does nothing. */
void xd_release(struct xd_hold *hold);
/* The descriptor under one layer (run->layer), or -1. The same as long as the handle lives. */
int xd_get_fd(struct xd_image *layer);

/* --- reading and writing ------------------------------------------------------------------------------------------------ */

int xd_readv(struct xd_image *image, const struct iovec *iov, int iovcnt, uint64_t offset,
	     struct xd_error *err);
int xd_writev(struct xd_image *image, const struct iovec *iov, int iovcnt, uint64_t offset,
	      struct xd_error *err);
int xd_read(struct xd_image *image, void *buf, size_t length, uint64_t offset,
	    struct xd_error *err);
int xd_write(struct xd_image *image, const void *buf, size_t length, uint64_t offset,
	     struct xd_error *err);
/* All writes that returned before this call are on stable storage when it returns. */
int xd_flush(struct xd_image *image, struct xd_error *err);
/* The range reads as zero afterwards; takes as little space as the format can. */
int xd_zero(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err);
/* The range is not needed any more: afterwards each sector reads as before or as zero. Never fails for want of support. */
int xd_discard(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err);

/* --- creating ----------------------------------------------------------------------------------------------------------- */

enum xd_profile {
	XD_PROFILE_NONE = 0,
	XD_PROFILE_AZURE,  /* fixed VHD, size a whole number of MiB, footer's current_size rules */
	XD_PROFILE_HYPERV, /* creator and alignment as Hyper-V's own */
	XD_PROFILE_XENSERVER, /* creator "tap", 2 MiB blocks aligned to 4 KiB, batmap */
};
enum xd_profile xd_profile_by_name(const char *name); /* XD_PROFILE_NONE where unknown */

#define XD_CREATE_OVERWRITE (1u << 0) /* an existing file is replaced */
#define XD_CREATE_PREALLOC  (1u << 1) /* fixed: allocate the space on the host now */

struct xd_create {
	const char *path; /* NULL with io */
	struct xd_io io;  /* where ops is set: an empty store, stays the caller's */
	enum xd_format format;
	enum xd_type type;
	enum xd_profile profile;
	uint32_t flags;           /* XD_CREATE_* */
	uint64_t virtual_size;    /* 0 with a parent: the parent's */
	uint32_t block_size;      /* 0: the format's usual one */
	uint32_t logical_sector;  /* 0: 512 */
	uint32_t physical_sector; /* 0: the format's usual one */
	struct xd_image *parent;  /* XD_TYPE_DIFF: the parent, open */
	/* how the child names it: absolute, or relative to the child's folder; NULL: where it is */
	const char *parent_path;
	const uint8_t *id; /* 16 bytes, for repeatable output; NULL: random */
	int64_t time;      /* Unix seconds, for repeatable output; 0: now */
};

/* Writes a whole empty image, synced. A file that could not be completed is removed again. */
int xd_create(const struct xd_create *how, struct xd_error *err);

/* --- caring ------------------------------------------------------------------------------------------------------------- */

/* Returns other than 0 to stop; then the operation ends with XD_E_CANCELLED and the image is valid. */
struct xd_progress {
	int (*fn)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

enum xd_severity {
	XD_NOTE =
	    0,      /* untidy, nothing wrong: unused space, a batmap that says less than it could */
	XD_WARNING, /* redundancy or information is lost, data is not: one of two headers damaged */
	XD_ERROR,   /* data is or may be wrong, or other software may refuse the file */
};

struct xd_finding {
	enum xd_severity severity;
	const char *what; /* stable short name: "footer-checksum", "bat-overlap" … */
	uint64_t offset;  /* in the file, or XD_NO_OFFSET */
	bool repaired;
	bool repairable;
	const char *message; /* valid during the call only */
};
typedef void (*xd_finding_fn)(void *ctx, const struct xd_finding *finding);

#define XD_CHECK_REPAIR (1u << 0) /* mend what can be mended without guessing at data */
/*
 * Repair a VHD also where nothing but the footer's copy at its start tells what it is: the caller knows that the disk was no fixed
 * one, whose guest could have written that.
 */
#define XD_CHECK_FROM_COPY (1u << 1)

struct xd_check_report {
	uint64_t errors, warnings, notes; /* found */
	uint64_t repaired;                /* of all those */
	uint64_t blocks, blocks_allocated;
	uint64_t unused_bytes; /* of the file, that compacting would free without moving data */
};

/* Looks at all of this layer's structures. Returns 0 when it could look, whatever it found. Open with XD_OPEN_LENIENT. */
int xd_check(struct xd_image *image, uint32_t flags, xd_finding_fn fn, void *ctx,
	     struct xd_check_report *report, struct xd_error *err);

/* allow making the disk smaller: what lies past the new end is gone */
#define XD_RESIZE_SHRINK (1u << 0)

/* What a disk gains reads as zero. A child gains with its parent open only, else XD_E_PARENT. */
int xd_resize(struct xd_image *image, uint64_t virtual_size, uint32_t flags, struct xd_error *err);
/* Frees blocks that hold nothing but zeros (in a child: nothing at all) and closes the gaps in the file. */
int xd_compact(struct xd_image *image, const struct xd_progress *progress, struct xd_error *err);

/*
 * Records another parent: `parent` is open, `path` is how the child names it (absolute, or relative to the child's folder).
 * Changes no data: the caller knows that the new parent reads the same, see xd_rebase.
 */
int xd_set_parent(struct xd_image *image, struct xd_image *parent, const char *path,
		  struct xd_error *err);
/*
 * Makes `parent` the parent while the disk's content stays: copies into the child what the two chains differ in. parent NULL:
 * the child takes everything in (it still is a child in format; convert makes it independent).
 */
int xd_rebase(struct xd_image *image, struct xd_image *parent, const char *path,
	      const struct xd_progress *progress, struct xd_error *err);
/* Writes what the child holds into its parent (opened with XD_OPEN_WRITE_PARENT), flushed. The child itself stays as it is. */
int xd_merge(struct xd_image *child, const struct xd_progress *progress, struct xd_error *err);

#ifdef __cplusplus
}
#endif

#endif
