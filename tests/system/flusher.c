/* SPDX-License-Identifier: MIT */
/*
 * The init of a guest whose host is killed. It writes records, flushes now and then, and says on the console up to which record all
 * was flushed; started again with flushed=N on the command line, it says whether all up to N is there, and goes on from there.
 *
 * Record i fills slot i * STRIDE modulo the number of slots with words made from i, so that slots lie far apart, images
 * grow as they are written to, and later records replace earlier ones.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/fs.h>

#define SLOT   (32u << 10)
#define STRIDE 769u /* prime, so that every slot has its turn */
#define BATCH  16u  /* records to a flush, at most */
#define MODULES \
	"hv_vmbus scsi_common scsi_mod scsi_transport_fc crc-t10dif t10-pi sd_mod hv_storvsc"

static uint64_t record[SLOT / 8];
static uint64_t slots;
static int disk;

static void fail(const char *what)
{
	printf("flusher: bad: %s\n", what);
	reboot(RB_POWER_OFF);
}

static void fill(uint64_t i)
{
	for (size_t w = 0; w < SLOT / 8; w++) {
		record[w] = i << 16 | w;
	}
}

static off_t place(uint64_t i)
{
	return (off_t)(i * STRIDE % slots * SLOT);
}

/* The record that slot's words were made from, or 0 where they are not all from one. */
static uint64_t whose(void)
{
	uint64_t i = record[0] >> 16;

	for (size_t w = 0; w < SLOT / 8; w++) {
		if (record[w] != (i << 16 | w)) {
			return 0;
		}
	}
	return i;
}

/* Of each slot the last record up to `flushed`; what was on its way when the host died may be there in its stead, or torn. */
static void verify(uint64_t flushed)
{
	uint64_t first = flushed >= slots ? flushed - slots + 1 : 1;
	char text[64];

	for (uint64_t i = first; i <= flushed; i++) {
		uint64_t found;

		if (i + slots <= flushed + BATCH) {
			continue; /* its slot's next record may have been on its way */
		}
		if (pread(disk, record, SLOT, place(i)) != SLOT) {
			fail("a read");
		}
		found = whose();
		if (found != i) {
			snprintf(text, sizeof(text), "record %llu is %llu", (unsigned long long)i,
				 (unsigned long long)found);
			fail(text);
		}
	}
	printf("flusher: all is there up to %llu\n", (unsigned long long)flushed);
}

static void write_on(uint64_t i)
{
	for (;;) {
		unsigned batch = 1 + (unsigned)rand() % BATCH;

		for (unsigned n = 0; n < batch; n++) {
			fill(++i);
			if (pwrite(disk, record, SLOT, place(i)) != SLOT) {
				fail("a write");
			}
		}
		if (fdatasync(disk) < 0) {
			fail("a flush");
		}
		printf("flusher: flushed %llu\n", (unsigned long long)i);
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

static int open_disk(void)
{
	for (unsigned tries = 0; tries < 300; tries++) {
		int fd = open("/dev/sda", O_RDWR);

		if (fd >= 0) {
			return fd;
		}
		usleep(100000);
	}
	fail("no disk");
	return -1;
}

int main(void)
{
	char line[1024] = {0};
	uint64_t flushed, bytes;
	const char *option;
	FILE *f;

	setvbuf(stdout, NULL, _IONBF, 0);
	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	f = fopen("/proc/cmdline", "r");
	if (!f || !fgets(line, sizeof(line), f)) {
		fail("no command line");
	}
	disk = open_disk();
	if (ioctl(disk, BLKGETSIZE64, &bytes) < 0) {
		fail("no size");
	}
	slots = bytes / SLOT;
	option = strstr(line, "flushed=");
	flushed = option ? strtoull(option + 8, NULL, 10) : 0;
	srand((unsigned)flushed);
	verify(flushed);
	if (strstr(line, "stop")) {
		reboot(RB_POWER_OFF);
	}
	write_on(flushed);
}
