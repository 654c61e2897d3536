/* SPDX-License-Identifier: MIT */
/*
 * What a format gives the library, and what the library gives a format. Internal: not installed.
 *
 * The core (disk/image.c and its neighbours) checks arguments, walks chains, splits vectors and keeps operations that rebuild an
 * image apart from I/O. A driver knows one layer of one format. Every driver call returns 0 or an XD_E_* code with *err filled
 * through xd_fail(); err is never NULL inside the library.
 *
 * Locking: the core holds image->quiesce for reading around map, writev, zero, discard, flush and prepare_write, which
 * therefore run side by side and guard the driver's own state by the driver's own lock; and for writing around resize, compact,
 * check and set_parent, which run alone and wait for all holds (disk/hold.c). open and close have the image to themselves. create
 * has no image.
 */
#ifndef XENOLITH_DISK_DRIVER_H
#define XENOLITH_DISK_DRIVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "disk/xdisk.h"

#define XD_SECTOR 512u

struct xd_driver;

struct xd_image {
	const struct xd_driver *driver;
	void *state;     /* the driver's, made by open, freed by close */
	struct xd_io io; /* the core closes it after driver->close */
	char *path;      /* may be NULL */
	uint32_t flags;  /* XD_OPEN_* */
	enum xd_type
	    type; /* set by driver->open, as all below; changed only while the image is quiet */
	uint64_t virtual_size;
	uint32_t block_size;
	uint32_t logical_sector;
	uint32_t physical_sector;
	struct xd_image
	    *parent; /* set by the core after driver->open; NULL with XD_OPEN_NO_PARENTS */
	pthread_rwlock_t quiesce;

	/* Those on their way to a place in the file that they looked up, see xd_user_enter(). */
	atomic_uint epoch; /* 0 or 1 */
	atomic_uint users[2];

	pthread_mutex_t hold_lock; /* guards all below */
	pthread_cond_t hold_gone;
	unsigned int holds, hold_refused;
};

/* A slice of a caller's vector: `length` bytes from byte `skip` on. */
struct xd_slice {
	const struct iovec *iov;
	int iovcnt;
	size_t skip;
	size_t length;
};

/* Takes one candidate path for the parent, best first. UTF-8, '/' between names, "C:" drives dropped. */
typedef int (*xd_candidate_fn)(void *ctx, const char *path);

struct xd_checker;

struct xd_driver {
	enum xd_format format;

	/* Looks whether the store holds this format: *yes. Fails only when the store does. raw says no: it is what is left. */
	int (*probe)(const struct xd_io *io, bool *yes, struct xd_error *err);
	/* image->io, path and flags are set. Sets state and the fields from `type` on. On failure frees what it made. */
	int (*open)(struct xd_image *image, struct xd_error *err);
	/* Writes what is pending (only where opened for writing), frees state, also on failure. */
	int (*close)(struct xd_image *image, struct xd_error *err);
	/* Writes an empty image to `io`, an empty store, and flushes. how->virtual_size is set, how->io is not looked at. */
	int (*create)(const struct xd_create *how, const struct xd_io *io, struct xd_error *err);

	/*
	 * The first run of [offset, offset + length) in this layer alone: sets run->kind, length (at least a sector, at most what
	 * was asked), flags, file_offset. In a child what the layer does not hold is XD_KIND_PARENT, never HOLE.
	 */
	int (*map)(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_run *run,
		   struct xd_error *err);
	/* In range and aligned to 512; aligned to logical_sector is up to the driver to check. */
	int (*writev)(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		      struct xd_error *err);
	int (*zero)(struct xd_image *image, uint64_t offset, uint64_t length, struct xd_error *err);
	int (*discard)(struct xd_image *image, uint64_t offset, uint64_t length,
		       struct xd_error *err); /* NULL: no-op */
	/* Ends with a flush of the store. */
	int (*flush)(struct xd_image *image, struct xd_error *err);
	int (*prepare_write)(struct xd_image *image,
			     struct xd_error *err); /* NULL: nothing to do */

	/* The core has filled all that struct xd_image knows; the driver sets id, parent_id, data_align. */
	void (*info)(struct xd_image *image, struct xd_info *info);
	int (*describe)(struct xd_image *image, xd_fact_fn fn, void *ctx,
			struct xd_error *err); /* NULL: no facts */

	/* XD_TYPE_DIFF only. Hands each path to fn until fn returns other than 0, and returns that. */
	int (*parent_candidates)(struct xd_image *image, xd_candidate_fn fn, void *ctx);
	/*
	 * What the child's own record proves the parent to be, never XD_FORMAT_ANY: the parent's bytes may be a guest's and do
	 * not choose who reads them.
	 */
	enum xd_format (*parent_format)(struct xd_image *image);
	/* 0, or XD_E_PARENT_CHANGED with the reason where `parent` is not what the child was made from. */
	int (*parent_matches)(struct xd_image *image, struct xd_image *parent,
			      struct xd_error *err);
	/* Records parent and path, flushed. NULL: XD_E_UNSUPPORTED. */
	int (*set_parent)(struct xd_image *image, struct xd_image *parent, const char *path,
			  struct xd_error *err);

	int (*resize)(struct xd_image *image, uint64_t virtual_size,
		      struct xd_error *err); /* updates image->virtual_size */
	int (*compact)(struct xd_image *image, const struct xd_progress *progress,
		       struct xd_error *err); /* NULL: no-op */
	/* Reports through xd_found(); with checker->repair mends first and reports `repaired`. */
	int (*check)(struct xd_image *image, struct xd_checker *checker, struct xd_error *err);
};

extern const struct xd_driver xd_raw_driver, xd_vhd_driver, xd_vhdx_driver;

/* --- whoever uses a place (disk/hold.c) -------------------------------------------------------------------------------------- */

/*
 * A place that was given up may still be the target of those who looked it up before. They are counted in two epochs: a driver that
 * wants to use such a place again waits until all who came before are gone, without ever stopping those who come. Enter before
 * the place is looked up.
 */
static inline unsigned int xd_user_enter(struct xd_image *image)
{
	unsigned int epoch = atomic_load_explicit(&image->epoch, memory_order_relaxed);

	atomic_fetch_add_explicit(&image->users[epoch], 1, memory_order_relaxed);
	return epoch;
}

static inline void xd_user_leave(struct xd_image *image, unsigned int epoch)
{
	atomic_fetch_sub_explicit(&image->users[epoch], 1, memory_order_release);
}

/* Waits until nobody else uses the image and nothing is held, and keeps it so. */
void xd_alone_begin(struct xd_image *image);
void xd_alone_end(struct xd_image *image);

/* --- errors (disk/error.c) ---------------------------------------------------------------------------------------------- */

/* Fills *err and returns code. offset: in the file, or XD_NO_OFFSET. */
int xd_fail(struct xd_error *err, enum xd_code code, uint64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for a store's callback that returned `negative_errno`: XD_E_IO, or NOMEM, READONLY, BUSY where errno says so. */
int xd_fail_io(struct xd_error *err, int negative_errno, uint64_t offset, const char *doing);

/* --- the store (disk/io.c) ---------------------------------------------------------------------------------------------- */

int xd_io_read(const struct xd_io *io, void *buf, size_t length, uint64_t offset,
	       struct xd_error *err);
int xd_io_write(const struct xd_io *io, const void *buf, size_t length, uint64_t offset,
		struct xd_error *err);
/* Moves exactly slice->length bytes. */
int xd_io_read_slice(const struct xd_io *io, const struct xd_slice *slice, uint64_t offset,
		     struct xd_error *err);
int xd_io_write_slice(const struct xd_io *io, const struct xd_slice *slice, uint64_t offset,
		      struct xd_error *err);
int xd_io_flush(const struct xd_io *io, struct xd_error *err);
int xd_io_size(const struct xd_io *io, uint64_t *size, struct xd_error *err);
int xd_io_truncate(const struct xd_io *io, uint64_t size, struct xd_error *err);
/* Zeros a range that lies within the store: punches, or writes zeros where the store cannot punch. */
int xd_io_zero(const struct xd_io *io, uint64_t offset, uint64_t length, struct xd_error *err);
/* Gives the range's space back where the store can; else it stays as it is, as zeros would take what they should give. */
int xd_io_discard(const struct xd_io *io, uint64_t offset, uint64_t length, struct xd_error *err);
/* See xd_io_ops.extent; where the store cannot tell, all data. */
void xd_io_extent(const struct xd_io *io, uint64_t offset, uint64_t *length, bool *hole);

/* --- slices (disk/io.c) ------------------------------------------------------------------------------------------------- */

/* `length` bytes of `slice` from its byte `at` on. */
struct xd_slice xd_slice_part(const struct xd_slice *slice, size_t at, size_t length);
void xd_slice_zero(const struct xd_slice *slice);
bool xd_is_zero(const void *buf, size_t length);

/* --- reading through the chain (disk/image.c) ---------------------------------------------------------------------------- */

/* Like xd_readv, for drivers that need a parent's data while the core already holds this image's lock. */
int xd_read_parent(struct xd_image *image, const struct xd_slice *slice, uint64_t offset,
		   struct xd_error *err);

/* --- checks (disk/check.c) ---------------------------------------------------------------------------------------------- */

struct xd_checker {
	bool repair, from_copy;
	xd_finding_fn fn;
	void *ctx;
	struct xd_check_report *report;
};

/* What became of a finding. */
enum xd_mend { XD_MEND_NO, XD_MEND_CAN, XD_MEND_DONE };
void xd_found(struct xd_checker *checker, enum xd_severity severity, enum xd_mend mend,
	      const char *what, uint64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* --- small helpers (disk/util.c) ---------------------------------------------------------------------------------------- */

int xd_random_id(uint8_t id[16]); /* version 4 GUID bytes; 0 or XD_E_IO */
/* Windows path to '/' form: backslashes turned, drive letter dropped, "\\?\" dropped. Returns false where it does not fit. */
bool xd_path_from_windows(const char *windows, char *out, size_t size);
/* UTF-16 (little endian unless `big`) to UTF-8, stops at NUL. False where invalid or too long. */
bool xd_utf16_to_utf8(const uint8_t *in, size_t bytes, bool big, char *out, size_t size);
/* UTF-8 to UTF-16; returns the bytes written (no NUL), or -1. */
ssize_t xd_utf8_to_utf16(const char *in, bool big, uint8_t *out, size_t size);
/* `to` as a path relative to the folder of `from`, both made absolute first. False where it does not fit. */
bool xd_path_relative(const char *from, const char *to, char *out, size_t size);

static inline uint64_t xd_align_up(uint64_t n, uint64_t align)
{
	return (n + align - 1) / align * align;
}

static inline uint64_t xd_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
