/* SPDX-License-Identifier: MIT */
/* Formats that are not ours, by way of qemu-nbd: libnbd starts it and ends it with the handle. */
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/copy.h"
#include "cli/libnbd.h"
#include "disk/driver.h"

#define MOST      (32u << 20) /* bytes a request; NBD servers take at least this */
#define MOST_LOOK (1u << 30)  /* bytes that are asked about; the protocol has 32 bits for them */

extern char **environ;

static int nbd_fail(struct xd_error *err)
{
	xd_fail(err, XD_E_IO, XD_NO_OFFSET, "qemu-nbd: %s", libnbd.get_error());
	err->sys = libnbd.get_errno();
	return XD_E_IO;
}

static struct nbd_handle *connect_to(const char *path, const char *format, bool write)
{
	struct nbd_handle *nbd = libnbd_load() ? libnbd.create() : NULL;
	/* Writes go through the cache of a file that is useless until it is whole; the flush at the end counts. */
	char *const reader[] = {"qemu-nbd", "-r", "-f", (char *)format, "--", (char *)path, NULL};
	char *const writer[] = {"qemu-nbd",        "--cache=writeback",
				"--discard=unmap", "-f",
				(char *)format,    "--",
				(char *)path,      NULL};

	if (nbd && !libnbd.add_meta_context(nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) &&
	    !libnbd.connect_systemd_socket_activation(nbd, (char **)(write ? writer : reader)))
		return nbd;
	if (nbd) {
		cli_complain("%s: qemu-nbd: %s", path, libnbd.get_error());
		libnbd.close(nbd);
	}
	return NULL;
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

struct first {
	uint64_t length;
	bool zero, seen;
};

/* Merges extents as long as they are of one kind. */
static int on_extent(void *ctx, const char *context, uint64_t offset, uint32_t *entries,
		     size_t count, int *error)
{
	struct first *f = ctx;

	(void)context;
	(void)offset;
	(void)error;
	for (size_t i = 0; i + 1 < count; i += 2) {
		bool zero = entries[i + 1] & LIBNBD_STATE_ZERO;

		if (f->seen && zero != f->zero)
			break;
		f->seen = true;
		f->zero = zero;
		f->length += entries[i];
	}
	return 0;
}

static int nbd_extent(struct source *s, uint64_t offset, uint64_t *length, bool *zero,
		      struct xd_error *err)
{
	struct first first = {0};

	*zero = false;
	*length = xd_min(*length, MOST_LOOK);
	if (!libnbd.can_meta_context(s->state, LIBNBD_CONTEXT_BASE_ALLOCATION))
		return 0;
	if (libnbd.block_status(s->state, *length, offset,
				(nbd_extent_callback){on_extent, &first, NULL}, 0) < 0)
		return nbd_fail(err);
	if (first.seen) {
		*length = xd_min(*length, first.length);
		*zero = first.zero;
	}
	return 0;
}

static int nbd_read(struct source *s, void *buf, size_t length, uint64_t offset,
		    struct xd_error *err)
{
	return libnbd.pread(s->state, buf, length, offset, 0) < 0 ? nbd_fail(err) : 0;
}

static void nbd_end_source(struct source *s)
{
	libnbd.shutdown(s->state, 0);
	libnbd.close(s->state);
}

int source_open_nbd(struct source *s, const char *path, const char *format)
{
	struct nbd_handle *nbd = connect_to(path, format, false);

	if (!nbd)
		return CLI_FAILED;
	*s = (struct source){
	    .extent = nbd_extent, .read = nbd_read, .close = nbd_end_source, .state = nbd};
	s->logical_sector = XD_SECTOR;
	s->size = libnbd.get_size(nbd);
	return CLI_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static int nbd_write(struct sink *s, const void *buf, size_t length, uint64_t offset,
		     struct xd_error *err)
{
	for (size_t at = 0, n; at < length; at += n) {
		n = xd_min(length - at, MOST);
		if (libnbd.pwrite(s->state, (const char *)buf + at, n, offset + at, 0) < 0)
			return nbd_fail(err);
	}
	return 0;
}

static int nbd_finish(struct sink *s, struct xd_error *err)
{
	return libnbd.flush(s->state, 0) < 0 ? nbd_fail(err) : 0;
}

static void nbd_end_sink(struct sink *s)
{
	libnbd.shutdown(s->state, 0);
	libnbd.close(s->state);
}

static int qemu_img_create(const char *path, const char *format, uint64_t size)
{
	char bytes[32];
	char *argv[] = {"qemu-img", "create",     "-q",  "-f", (char *)format,
			"--",       (char *)path, bytes, NULL};
	int status, r;
	pid_t pid;

	snprintf(bytes, sizeof(bytes), "%" PRIu64, size);
	r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (r)
		return cli_complain("qemu-img: %s", strerror(r));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? cli_complain("%s: qemu-img could not make it", path) : CLI_OK;
}

int sink_open_nbd(struct sink *s, const char *path, const char *format, uint64_t size)
{
	struct nbd_handle *nbd;
	int code = qemu_img_create(path, format, xd_align_up(size, XD_SECTOR));

	if (code)
		return code;
	nbd = connect_to(path, format, true);
	if (!nbd)
		return CLI_FAILED;
	*s = (struct sink){
	    .write = nbd_write, .finish = nbd_finish, .close = nbd_end_sink, .state = nbd};
	return CLI_OK;
}
