/* SPDX-License-Identifier: MIT */
/* Copying disks: where from, where to, and the engine between. Who calls this: cli/image_convert.c, cli/stream.c. */
#ifndef XENOLITH_CLI_COPY_H
#define XENOLITH_CLI_COPY_H

#include "cli/image.h"

/* All calls return 0 or an XD_E_* code with *err filled. */
struct source {
	uint64_t size;
	uint32_t logical_sector;
	bool parallel; /* may be called from several threads */
	/* Cuts *length to the first stretch of one kind: known to be zero, or not. */
	int (*extent)(struct source *s, uint64_t offset, uint64_t *length, bool *zero,
		      struct xd_error *err);
	int (*read)(struct source *s, void *buf, size_t length, uint64_t offset,
		    struct xd_error *err);
	void (*close)(struct source *s);
	struct xd_image *image;
	void *state;
};

/* A new disk: it reads as zero before anything is written to it, so zeros are left out. */
struct sink {
	bool parallel;
	int (*write)(struct sink *s, const void *buf, size_t length, uint64_t offset,
		     struct xd_error *err);
	int (*finish)(struct sink *s, struct xd_error *err); /* on stable storage after this */
	void (*close)(struct sink *s);
	struct xd_image *image;
	void *state;
};

/* cli/ends.c: images, and a pipe on standard input. They return an exit code, and have complained. */
/* `name`: what the path is called in a message. */
int source_open_image(struct source *s, const char *path, const char *name, enum xd_format format);
int sink_open_image(struct sink *s, const char *path, enum xd_format format);
/* Copies a pipe whose end comes when it comes; the image grows and is cut to what came, whole sectors. */
int copy_pipe(int fd, struct xd_image *to, struct xd_error *err);

/* Opens a temporary file that has no name, in TMPDIR. Returns the descriptor or a negative code. */
int nameless_file(struct xd_error *err);
/* Standard input, to its end, in such a file. */
int spool_pipe(struct xd_error *err);

/* cli/nbd.c: any format that qemu-nbd knows. */
int source_open_nbd(struct source *s, const char *path, const char *format);
int sink_open_nbd(struct sink *s, const char *path, const char *format, uint64_t size);

/* cli/copy.c */
int copy_disk(struct source *from, struct sink *to, unsigned workers,
	      const struct xd_progress *progress, struct xd_error *err);

/* cli/stream.c: writes a whole image file to fd in one pass. how->io and path are not looked at. */
int stream_image(struct source *from, const struct xd_create *how, int fd,
		 const struct xd_progress *progress, struct xd_error *err);

#endif
