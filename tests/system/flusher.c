/* SPDX-License-Identifier: MIT */
/*
 * The init of a guest whose host is killed. Its command line names its disks by their sizes and how far each was flushed before:
 * disks=MIB:N,MIB:N,… which of them is sda or xvda changes from start to start. A process for each disk writes records, flushes now
 * and then, and says on the console up to which record all was flushed; before that it says whether all up to N is there.
 *
 * A record fills its slot with words made from its number. Each fourth record has its place among the first RING slots, over and
 * over; the others lie far apart behind them, each in a slot that nothing was written to, so that images grow.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOT   (16u << 10)
#define RING   64u
#define STRIDE 769u /* prime: every slot has its turn */
#define BATCH  16u  /* records to a flush, at most */
#define RECENT 256u /* what a start looks at; the last one looks at all */

#define MODULES                                                                                \
	"hv_vmbus scsi_common scsi_mod scsi_transport_fc crc-t10dif t10-pi sd_mod hv_storvsc " \
	"xen-blkfront"

static uint64_t record[SLOT / 8];

/* One disk, and what is said of it. */
static unsigned long mib;
static int disk;

/* A line goes out by one write, so that those of other processes do not mix with it. */
static void say(const char *what, uint64_t number)
{
	dprintf(1, "flusher: %lu %s %llu\n", mib, what, (unsigned long long)number);
}

static void fail(const char *what, uint64_t number)
{
	char text[64];

	snprintf(text, sizeof(text), "bad: %s", what);
	say(text, number);
	exit(1);
}

static uint64_t slots(void)
{
	return ((uint64_t)mib << 20) / SLOT - RING;
}

static off_t place(uint64_t i)
{
	uint64_t slot = i % 4 ? RING + i * STRIDE % slots() : i / 4 % RING;

	return (off_t)(slot * SLOT);
}

/* The record that takes i's place, at the earliest. */
static uint64_t next(uint64_t i)
{
	return i + (i % 4 ? slots() : 4 * RING);
}

static void fill(uint64_t i)
{
	for (size_t w = 0; w < SLOT / 8; w++) {
		record[w] = i << 16 | w;
	}
}

/* What was on its way when the host died may be there in place of what it replaces, or torn; what was flushed must be whole. */
static void verify(uint64_t flushed, bool all)
{
	uint64_t i = all || flushed <= RECENT ? 1 : flushed - RECENT;
	static uint64_t found[SLOT / 8];

	for (; i <= flushed; i++) {
		if (next(i) <= flushed + BATCH) {
			continue;
		}
		if (pread(disk, found, SLOT, place(i)) != SLOT) {
			fail("no read of", i);
		}
		fill(i);
		if (memcmp(found, record, SLOT)) {
			fail("lost is", i);
		}
	}
	say("all is there up to", flushed);
}

static void write_on(uint64_t i)
{
	srand((unsigned)(i ^ mib));
	for (;;) {
		unsigned batch = 1 + (unsigned)rand() % BATCH;

		for (unsigned n = 0; n < batch; n++) {
			fill(++i);
			if (pwrite(disk, record, SLOT, place(i)) != SLOT) {
				fail("no write of", i);
			}
		}
		if (fdatasync(disk) < 0) {
			fail("no flush of", i);
		}
		say("flushed", i);
	}
}

static void load_modules(void)
{
	char names[] = MODULES, path[64];

	for (char *name = strtok(names, " "); name; name = strtok(NULL, " ")) {
		int fd;

		snprintf(path, sizeof(path), "/modules/%s.ko", name);
		fd = open(path, O_RDONLY);
		if (fd >= 0) {
			syscall(SYS_finit_module, fd, "", 0);
			close(fd);
		}
	}
}

static bool has_my_size(const char *name)
{
	unsigned long long sectors = 0;
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/size", name);
	f = fopen(path, "r");
	if (f) {
		(void)!fscanf(f, "%llu", &sectors);
		fclose(f);
	}
	return sectors == (unsigned long long)mib << 11;
}

static int find(void)
{
	DIR *all = opendir("/sys/block");
	struct dirent *e;
	char path[300];
	int fd = -1;

	while (all && fd < 0 && (e = readdir(all))) {
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		if (has_my_size(e->d_name)) {
			fd = open(path, O_RDWR);
		}
	}
	if (all) {
		closedir(all);
	}
	return fd;
}

static void serve(uint64_t flushed, bool stop)
{
	for (unsigned tries = 0; disk = find(), disk < 0; tries++) {
		if (tries == 3000) {
			fail("no disk for", 0);
		}
		usleep(10000);
	}
	verify(flushed, stop);
	if (!stop) {
		write_on(flushed);
	}
	exit(0);
}

int main(void)
{
	static char line[1024];
	const char *list;
	int fd;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	fd = open("/proc/cmdline", O_RDONLY);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) <= 0) {
		fail("no command line", 0);
	}
	list = strstr(line, "disks=");
	for (char *at = list ? (char *)list + 6 : NULL; at; at = *at == ',' ? at + 1 : NULL) {
		uint64_t flushed;

		mib = strtoul(at, &at, 10);
		flushed = strtoull(at + 1, &at, 10);
		if (fork() == 0) {
			serve(flushed, strstr(line, "stop"));
		}
	}
	while (wait(NULL) > 0) {
	}
	reboot(RB_POWER_OFF);
}
