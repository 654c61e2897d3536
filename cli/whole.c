/* SPDX-License-Identifier: MIT */
/* A file that appears whole or not at all: made beside its place, synced, renamed. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/image.h"

#define PART_MOST (NAME_MAX - (int)sizeof("..XXXXXX") + 1) /* of a name, in the temporary one */

static int refuse(const char *path)
{
	return cli_complain("%s exists; --force overwrites it", path);
}

/* As the file that it takes the place of, or as any new file. */
static mode_t mode_for(const struct stat *old)
{
	mode_t mask = umask(0);

	umask(mask);
	return old ? old->st_mode & 0777 : 0666 & ~mask;
}

static bool is_file(const char *path, const struct stat *st)
{
	struct stat other;

	return path && !stat(path, &other) && other.st_dev == st->st_dev &&
	       other.st_ino == st->st_ino;
}

/* A guest, say, that would go on with a file that no longer has a name. */
static bool in_use(const char *path)
{
	struct xd_error err;
	struct xd_io io;
	int r = xd_io_open_file(path, XD_IO_WRITE, &io, &err);

	if (!r)
		io.ops->close(io.ctx);
	return r == XD_E_BUSY;
}

int whole_begin(struct whole *w, const char *path, bool replace, const char *source)
{
	const char *slash = strrchr(path, '/');
	int folder = slash ? slash + 1 - path : 0, fd;
	struct stat st;
	bool exists = !stat(path, &st);

	w->path = path;
	w->replace = replace;
	if (exists && !S_ISREG(st.st_mode))
		return cli_complain("%s is no file", path);
	if (exists && !replace)
		return refuse(path);
	if (exists && !is_file(source, &st) && in_use(path))
		return cli_complain("%s: in use by another program", path);
	if ((size_t)snprintf(w->temporary, sizeof(w->temporary), "%.*s.%.*s.XXXXXX", folder, path,
			     PART_MOST, path + folder) >= sizeof(w->temporary))
		return cli_complain("%s: the path is too long", path);
	/* Takes the name; whoever writes the file opens it again. */
	fd = mkostemp(w->temporary, O_CLOEXEC);
	if (fd < 0)
		return cli_complain("%s: %s", path, strerror(errno));
	fchmod(fd, mode_for(exists ? &st : NULL));
	close(fd);
	return CLI_OK;
}

static int sync_folder(const char *path)
{
	char copy[XD_PATH_MAX];
	int fd, r;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

/* Where the file system cannot rename without replacing (NFS), a second name is as good; then the first one goes. */
static int give_name(const struct whole *w)
{
	if (!renameat2(AT_FDCWD, w->temporary, AT_FDCWD, w->path,
		       w->replace ? 0 : RENAME_NOREPLACE))
		return 0;
	if (w->replace || errno != EINVAL)
		return -1;
	return link(w->temporary, w->path) ? -1 : unlink(w->temporary);
}

int whole_commit(struct whole *w)
{
	if (give_name(w)) {
		int code = errno == EEXIST ? refuse(w->path)
					   : cli_complain("%s: %s", w->path, strerror(errno));

		whole_drop(w);
		return code;
	}
	if (sync_folder(w->path))
		return cli_complain("%s: syncing its folder: %s", w->path, strerror(errno));
	return CLI_OK;
}

void whole_drop(struct whole *w)
{
	unlink(w->temporary);
}
