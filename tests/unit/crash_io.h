/* SPDX-License-Identifier: MIT */
/*
 * Power cuts. A store that records everything done to it, then gives back the file as a cut after any event could have left it; and
 * a model that knows which contents each sector of the disk may show then.
 *
 * A cut after event n keeps every event up to the last flush before n. Of the later ones, cut into sectors of 512 bytes, it
 * keeps any: each alone may have reached the disk or not, so writes are torn, lost and reordered.
 *
 * Use: make an image on crash_io_open's store, call crash_start, run the workload and tell the model of each call before it and after
 * it, close the image (its store stays with the log), then crash_each.
 */
#ifndef XENOLITH_TESTS_CRASH_IO_H
#define XENOLITH_TESTS_CRASH_IO_H

#include "disk/xdisk.h"

struct crash_log;

/* The store forwards to memory. Closing `io` leaves the log; crash_free ends it. */
struct crash_log *crash_io_open(struct xd_io *io);
void crash_free(struct crash_log *log);
/* What is there now is stable: forget the events that made it. */
void crash_start(struct crash_log *log);
/* Events recorded so far: writes, punches, changes of length, flushes. */
size_t crash_events(const struct crash_log *log);

/*
 * For each cut: once with all later events lost, once with all kept, and `seeds` times with a random part of them. `io` is a fresh
 * store in memory that fn owns. Stops where fn returns other than 0, and returns that.
 */
typedef int (*crash_fn)(void *ctx, struct xd_io io, size_t cut, unsigned seed);
int crash_each(struct crash_log *log, unsigned seeds, crash_fn fn, void *ctx);

/* --- what each sector may show ------------------------------------------------------------------------------------------ */

/* Each sector's content is named by a number that fills it, 64 bits after 64 bits; 0 is a sector of zeros. */
struct crash_model;

struct crash_model *crash_model_new(struct crash_log *log, size_t sectors);
void crash_model_free(struct crash_model *model);
/* Content from before crash_start. */
void crash_model_base(struct crash_model *model, size_t first, size_t count, uint64_t content);
/* Call before the write, zero or discard that brings the content. */
void crash_model_write(struct crash_model *model, size_t first, size_t count, uint64_t content);
/* Call after a flush has returned: all that was written before it began must survive. */
void crash_model_flushed(struct crash_model *model);
void crash_fill(void *buf, size_t sectors, uint64_t content);
/* Reads the whole disk; returns 0, or -1 with a message on stderr about the first sector that shows what it may not. */
int crash_model_verify(struct crash_model *model, struct xd_image *image, size_t cut);

#endif
