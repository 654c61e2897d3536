/* SPDX-License-Identifier: MIT */
/* The default store: a file or a block device, locked while it is open. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/driver.h"

#define DIRECT_ALIGN 4096u /* suits every disk there is */
#define DIRECT_LEAST (64u << 10)

struct file {
	int fd;
	int direct; /* the same file opened with O_DIRECT, or -1 */
	bool block_device;

	/* Of flushes, which are numbered from 1. One is under way at a time. */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	uint64_t begun, done;
	int flush_error; /* errno of the first that failed */
};

/*
 * Pages are either written past the cache or through it, never the same page both ways: what is not whole pages goes through.
 * The kernel keeps the two in step for whole pages.
 */
static int fd_for(const struct file *f, const void *buf, size_t length, uint64_t offset)
{
	bool direct = f->direct >= 0 && length >= DIRECT_LEAST && length % DIRECT_ALIGN == 0 &&
		      offset % DIRECT_ALIGN == 0 && (uintptr_t)buf % DIRECT_ALIGN == 0;

	return direct ? f->direct : f->fd;
}

/* Where the file system wants more alignment than we know of, the write goes through the cache after all. */
static ssize_t write_some(const struct file *f, const void *buf, size_t length, uint64_t offset)
{
	int fd = fd_for(f, buf, length, offset);
	ssize_t n = pwrite(fd, buf, length, offset);

	return n < 0 && errno == EINVAL && fd != f->fd ? pwrite(f->fd, buf, length, offset) : n;
}

static int file_rw(struct file *f, bool write, void *buf, size_t length, uint64_t offset)
{
	for (char *p = buf; length;) {
		ssize_t n =
		    write ? write_some(f, p, length, offset) : pread(f->fd, p, length, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 && write)
			return -ENOSPC;
		if (n == 0) {
			memset(p, 0, length); /* past the end */
			return 0;
		}
		p += n;
		offset += n;
		length -= n;
	}
	return 0;
}

static int file_pread(void *ctx, void *buf, size_t length, uint64_t offset)
{
	return file_rw(ctx, false, buf, length, offset);
}

static int file_pwrite(void *ctx, const void *buf, size_t length, uint64_t offset)
{
	return file_rw(ctx, true, (void *)buf, length, offset);
}

/* One system call where the kernel takes it whole; the rest piece by piece. */
static int file_rwv(struct file *f, bool write, const struct iovec *iov, int iovcnt,
		    uint64_t offset)
{
	ssize_t done =
	    write ? pwritev(f->fd, iov, iovcnt, offset) : preadv(f->fd, iov, iovcnt, offset);

	if (done < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < iovcnt; i++) {
		size_t len = iov[i].iov_len, skip = done <= 0 ? 0 : xd_min(done, len);
		int r = skip == len ? 0
				    : file_rw(f, write, (char *)iov[i].iov_base + skip, len - skip,
					      offset + skip);
		if (r < 0)
			return r;
		done -= skip;
		offset += len;
	}
	return 0;
}

static int file_preadv(void *ctx, const struct iovec *iov, int iovcnt, uint64_t offset)
{
	return file_rwv(ctx, false, iov, iovcnt, offset);
}

static int file_pwritev(void *ctx, const struct iovec *iov, int iovcnt, uint64_t offset)
{
	return file_rwv(ctx, true, iov, iovcnt, offset);
}

/* With the lock, which is free meanwhile. */
static void flush_now(struct file *f)
{
	uint64_t number = ++f->begun;
	int error;

	pthread_mutex_unlock(&f->lock);
	error = fdatasync(f->fd) ? errno : 0;
	pthread_mutex_lock(&f->lock);
	f->done = number;
	/* The kernel tells of a lost page once, and calls the next flush a success. */
	f->flush_error = f->flush_error ? f->flush_error : error;
	pthread_cond_broadcast(&f->ended);
}

/*
 * What begins after the call will do for all who called before. Two at once would not: the kernel tells one of them of a lost page, and
 * the other, with the same page, might be through before that one has said so.
 */
static int file_flush(void *ctx)
{
	struct file *f = ctx;
	uint64_t enough;
	int error;

	pthread_mutex_lock(&f->lock);
	enough = f->begun + 1;
	while (f->done < enough && !f->flush_error) {
		if (f->begun == f->done)
			flush_now(f);
		else
			pthread_cond_wait(&f->ended, &f->lock);
	}
	error = f->flush_error;
	pthread_mutex_unlock(&f->lock);
	return -error;
}

static int64_t file_size(void *ctx)
{
	struct file *f = ctx;
	struct stat st;
	uint64_t bytes;

	if (f->block_device)
		return ioctl(f->fd, BLKGETSIZE64, &bytes) ? -errno : (int64_t)bytes;
	return fstat(f->fd, &st) ? -errno : st.st_size;
}

static int file_truncate(void *ctx, uint64_t size)
{
	struct file *f = ctx;

	if (f->block_device)
		return (int64_t)size <= file_size(f) ? 0 : -ENOSPC;
	return ftruncate(f->fd, size) ? -errno : 0;
}

static int file_punch(void *ctx, uint64_t offset, uint64_t length)
{
	struct file *f = ctx;

	if (!fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length))
		return 0;
	/* A device with larger sectors than the range is made of. */
	return errno == EINVAL ? -EOPNOTSUPP : -errno;
}

static int file_extent(void *ctx, uint64_t offset, uint64_t *length, bool *hole)
{
	struct file *f = ctx;
	off_t data = lseek(f->fd, offset, SEEK_DATA), end;

	if (data < 0 && errno == ENXIO) {
		*hole = true; /* a hole up to the end, or past it */
		return 0;
	}
	if (data < 0)
		return -errno;
	*hole = (uint64_t)data > offset;
	if (*hole) {
		*length = xd_min(*length, data - offset);
		return 0;
	}
	end = lseek(f->fd, offset, SEEK_HOLE);
	if (end < 0)
		return -errno;
	*length = xd_min(*length, end - offset);
	return 0;
}

static int file_fd(void *ctx)
{
	return ((struct file *)ctx)->fd;
}

static void file_close(void *ctx)
{
	struct file *f = ctx;

	if (f->direct >= 0)
		close(f->direct);
	close(f->fd);
	pthread_cond_destroy(&f->ended);
	pthread_mutex_destroy(&f->lock);
	free(ctx);
}

static const struct xd_io_ops file_ops = {
    .pread = file_pread,
    .pwrite = file_pwrite,
    .preadv = file_preadv,
    .pwritev = file_pwritev,
    .flush = file_flush,
    .size = file_size,
    .truncate = file_truncate,
    .punch = file_punch,
    .extent = file_extent,
    .fd = file_fd,
    .close = file_close,
};

static int lock_bytes(int fd, short type, off_t start, off_t length)
{
	struct flock lock = {
	    .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

	return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

/*
 * Writers lock the whole file. Readers lock three single bytes for reading, the ones by which QEMU says "I read consistently" (100),
 * "I bear no writer" (201) and "no change of length" (203): so QEMU and this library keep off each other's files the way each
 * keeps off its own, and readers of both kinds share.
 */
static int lock_file(int fd, bool write)
{
	static const off_t reader[] = {100, 201, 203};
	int r;

	if (write)
		return lock_bytes(fd, F_WRLCK, 0, 0);
	for (size_t i = 0; i < sizeof(reader) / sizeof(reader[0]); i++)
		if ((r = lock_bytes(fd, F_RDLCK, reader[i], 1)))
			return r;
	return 0;
}

static int open_flags(uint32_t flags)
{
	int o = O_CLOEXEC | O_NOCTTY | (flags & (XD_IO_WRITE | XD_IO_CREATE) ? O_RDWR : O_RDONLY);

	if (flags & XD_IO_CREATE)
		o |= O_CREAT | (flags & XD_IO_TRUNCATE ? 0 : O_EXCL);
	return o;
}

static bool suits(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISBLK(st->st_mode);
}

static int refuse(const char *path, struct xd_error *err)
{
	return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "%s: neither a file nor a block device",
		       path);
}

static int setup(struct file *f, const char *path, uint32_t flags, struct xd_error *err)
{
	struct stat st;
	int r;

	if (fstat(f->fd, &st))
		return xd_fail_io(err, -errno, XD_NO_OFFSET, path);
	f->block_device = S_ISBLK(st.st_mode);
	if (!suits(&st))
		return refuse(path, err);
	r = flags & XD_IO_NO_LOCK ? 0 : lock_file(f->fd, flags & (XD_IO_WRITE | XD_IO_CREATE));
	if (r == -EAGAIN || r == -EACCES)
		return xd_fail(err, XD_E_BUSY, XD_NO_OFFSET, "%s: in use by another program", path);
	if (r)
		return xd_fail_io(err, r, XD_NO_OFFSET, path);
	/* Only once it is locked: the file may have been somebody's. */
	if ((flags & XD_IO_TRUNCATE) && !f->block_device && ftruncate(f->fd, 0))
		return xd_fail_io(err, -errno, XD_NO_OFFSET, path);
	return 0;
}

/* The very file that is open and locked, whatever the path means by now. */
static int open_again(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
}

int xd_io_open_fd(int fd, const char *path, uint32_t flags, struct xd_io *io, struct xd_error *err)
{
	struct xd_error unused;
	struct file *f = calloc(1, sizeof(*f));
	int r;

	err = err ? err : &unused;
	if (!f)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	*f = (struct file){.fd = fd,
			   .direct = -1,
			   .lock = PTHREAD_MUTEX_INITIALIZER,
			   .ended = PTHREAD_COND_INITIALIZER};
	r = setup(f, path, flags, err);
	if (r) {
		free(f);
		return r;
	}
	if (flags & XD_IO_DIRECT)
		f->direct = open_again(fd);
	*io = (struct xd_io){&file_ops, f};
	return 0;
}

int xd_io_open_file(const char *path, uint32_t flags, struct xd_io *io, struct xd_error *err)
{
	struct xd_error unused;
	struct stat st;
	int fd, r;

	err = err ? err : &unused;
	/* Opening a pipe or a terminal may wait for its other end. */
	if (!stat(path, &st) && !suits(&st))
		return refuse(path, err);
	fd = open(path, open_flags(flags), 0644);
	if (fd < 0)
		return xd_fail_io(err, -errno, XD_NO_OFFSET, path);
	r = xd_io_open_fd(fd, path, flags, io, err);
	if (r)
		close(fd);
	return r;
}
