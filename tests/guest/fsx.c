/* SPDX-License-Identifier: MIT */
/*
 * A file against a copy of it in memory: writes, reads, mappings, truncations, holes, at random, through the page cache and around it.
 *
 *     fsx FILE SEED OPERATIONS KIB
 *
 * The same seed does the same. At the end the file is as its copy, on disk, and "fsx: good CHECKSUM" is said; a difference is told and ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECTOR 4096u /* for what goes around the page cache */

static const char *path;
static int fd, direct;
static uint8_t *shadow, *buffer;
static size_t most, size; /* bytes: of the file at most, and now */
static uint64_t state;
static unsigned done;
static const char *doing;

static uint64_t random64(void)
{
	/* splitmix64 */
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return n ? random64() % n : 0;
}

static void fail(const char *what)
{
	printf("fsx: bad: %s: operation %u, %s: %s: %s\n", path, done, doing, what,
	       strerror(errno));
	exit(1);
}

/* What was read at `offset` must be what the copy has there. */
static void compare(const uint8_t *got, size_t offset, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (got[i] != shadow[offset + i]) {
			printf("fsx: bad: %s: operation %u, %s: byte %zu of %zu is %#x, not %#x\n",
			       path, done, doing, offset + i, size, got[i], shadow[offset + i]);
			exit(1);
		}
	}
}

/* A part of the file, as it is or as it will be. Mostly small. */
static void choose(size_t limit, size_t *offset, size_t *length)
{
	*offset = below(limit);
	*length = 1 + below(random64() % 4 ? 3 * 4096 : 256 * 1024);
	if (*length > limit - *offset)
		*length = limit - *offset;
}

static void randomize(uint8_t *to, size_t length)
{
	for (size_t i = 0; i < length; i += 8) {
		uint64_t word = random64();

		memcpy(to + i, &word, length - i < 8 ? length - i : 8);
	}
}

static void grown(size_t end)
{
	if (end > size)
		size = end;
}

static void do_write(void)
{
	size_t offset, length;

	choose(most, &offset, &length);
	randomize(buffer, length);
	if (pwrite(fd, buffer, length, (off_t)offset) != (ssize_t)length)
		fail("pwrite");
	memcpy(shadow + offset, buffer, length);
	grown(offset + length);
}

static void do_read(void)
{
	size_t offset, length;

	choose(size, &offset, &length);
	if (pread(fd, buffer, length, (off_t)offset) != (ssize_t)length)
		fail("pread");
	compare(buffer, offset, length);
}

/* Maps what is there; mappings begin with a page. */
static uint8_t *map(size_t offset, size_t length, size_t *whole, size_t *lead)
{
	uint8_t *p;

	*lead = offset % 4096;
	*whole = *lead + length;
	p = mmap(NULL, *whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(offset - *lead));
	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void do_map(int write)
{
	size_t offset, length, whole, lead;
	uint8_t *p;

	if (!size)
		return;
	choose(size, &offset, &length);
	p = map(offset, length, &whole, &lead);
	if (write) {
		randomize(shadow + offset, length);
		memcpy(p + lead, shadow + offset, length);
		if (random64() % 2 && msync(p, whole, MS_SYNC))
			fail("msync");
	} else {
		compare(p + lead, offset, length);
	}
	munmap(p, whole);
}

static void do_map_read(void)
{
	do_map(0);
}

static void do_map_write(void)
{
	do_map(1);
}

/* What a file grows by is zero. */
static void do_truncate(void)
{
	size_t to = below(most);

	if (ftruncate(fd, (off_t)to))
		fail("ftruncate");
	if (to < size)
		memset(shadow + to, 0, size - to);
	size = to;
}

static void do_hole(void)
{
	static const int modes[] = {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
	size_t offset, length;

	if (!size)
		return;
	choose(size, &offset, &length);
	if (fallocate(fd, modes[random64() % 2], (off_t)offset, (off_t)length))
		fail("fallocate");
	memset(shadow + offset, 0, length);
}

static void do_sync(void)
{
	if (random64() % 2 ? fsync(fd) : fdatasync(fd))
		fail("fsync");
}

/* The page cache forgets: what is read next comes from the disk. */
static void do_forget(void)
{
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		fail("forget");
}

static void around(size_t *offset, size_t *length)
{
	choose(most, offset, length);
	*offset &= ~(size_t)(SECTOR - 1);
	*length = (*length + SECTOR - 1) & ~(size_t)(SECTOR - 1);
	if (*length > most - *offset)
		*length = most - *offset;
}

static void do_direct_write(void)
{
	size_t offset, length;

	around(&offset, &length);
	randomize(buffer, length);
	if (pwrite(direct, buffer, length, (off_t)offset) != (ssize_t)length)
		fail("pwrite around the cache");
	memcpy(shadow + offset, buffer, length);
	grown(offset + length);
}

static void do_direct_read(void)
{
	size_t offset, length;
	ssize_t expected;

	around(&offset, &length);
	expected = offset >= size ? 0 : (ssize_t)(length < size - offset ? length : size - offset);
	if (pread(direct, buffer, length, (off_t)offset) != expected)
		fail("pread around the cache");
	compare(buffer, offset, (size_t)expected);
}

static void open_file(void)
{
	fd = open(path, O_RDWR | O_CREAT, 0600);
	direct = open(path, O_RDWR | O_DIRECT);
	if (fd < 0 || direct < 0)
		fail("open");
}

static void do_reopen(void)
{
	if (close(fd) || close(direct))
		fail("close");
	open_file();
}

static const struct {
	const char *name;
	void (*run)(void);
	unsigned weight;
} operations[] = {
    {"write", do_write, 20},
    {"read", do_read, 20},
    {"mapped read", do_map_read, 10},
    {"mapped write", do_map_write, 10},
    {"truncate", do_truncate, 4},
    {"hole", do_hole, 6},
    {"sync", do_sync, 4},
    {"forget", do_forget, 6},
    {"direct write", do_direct_write, 10},
    {"direct read", do_direct_read, 10},
    {"reopen", do_reopen, 1},
};

static void one(void)
{
	unsigned total = 0, n;

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		total += operations[i].weight;
	n = (unsigned)below(total);
	for (size_t i = 0; n < total; i++) {
		if (n < operations[i].weight) {
			doing = operations[i].name;
			operations[i].run();
			return;
		}
		n -= operations[i].weight;
	}
}

/* The whole file, from the disk. */
static uint64_t finish(void)
{
	uint64_t sum = 0;

	doing = "end";
	do_forget();
	if (lseek(fd, 0, SEEK_END) != (off_t)size)
		fail("the length");
	for (size_t at = 0; at < size;) {
		ssize_t n = pread(fd, buffer, 256 * 1024, (off_t)at);

		if (n <= 0)
			fail("pread");
		compare(buffer, at, (size_t)n);
		for (ssize_t i = 0; i < n; i++)
			sum = (sum ^ buffer[i]) * 0x100000001b3;
		at += (size_t)n;
	}
	return sum;
}

int main(int argc, char **argv)
{
	unsigned count;

	if (argc != 5)
		return 2;
	path = argv[1];
	state = strtoull(argv[2], NULL, 10);
	count = (unsigned)strtoul(argv[3], NULL, 10);
	most = strtoul(argv[4], NULL, 10) * 1024;
	shadow = calloc(1, most);
	buffer = aligned_alloc(SECTOR, 512 * 1024);
	if (!shadow || !buffer)
		return 2;
	doing = "start";
	open_file();
	if (ftruncate(fd, 0))
		fail("ftruncate");
	for (; done < count; done++)
		one();
	printf("fsx: good %016llx\n", (unsigned long long)finish());
	return 0;
}
