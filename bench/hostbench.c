/* SPDX-License-Identifier: MIT */
/*
 * What a host's devices cost. One static program with several parts, so that the same code runs beside either host:
 *   disk DEVICE     in the guest: reads and writes of the disk, past the page cache
 *   net ADDRESS     in the guest: TCP to `serve`, both ways
 *   serve           where the host runs: TCP ports 5001, which swallows, and 5002, which gives; 5003, TCP and UDP, which echoes
 *   startup MIB COMMAND…   where the host runs: starts a guest of MIB that says '!' on its console at once
 * A result is a line "hostbench: NAME NUMBER". Times are the clock's: under the lab's --icount a nanosecond is an instruction.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK      4096u
#define LARGE      (256u << 10)
#define DEPTH      32u
#define SMALL_OPS  1024u
#define LARGE_OPS  64u
#define STREAM_MIB 4u
#define SINK_PORT  5001
#define GIVE_PORT  5002
#define ECHO_PORT  5003
#define ROUNDS     1000u

static void die(const char *what)
{
	fprintf(stderr, "hostbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void tell(const char *name, uint64_t ns, uint64_t times)
{
	printf("hostbench: %s %" PRIu64 "\n", name, ns / times);
	fflush(stdout);
}

/* ---- disk ---- */

struct disk {
	int fd;
	uint64_t size;
	uint8_t *memory;
	uint32_t seed;
};

static uint32_t next_random(struct disk *disk)
{
	disk->seed = disk->seed * 1664525u + 1013904223u;
	return disk->seed >> 8;
}

static uint64_t random_offset(struct disk *disk)
{
	return next_random(disk) % (disk->size / BLOCK) * (uint64_t)BLOCK;
}

static void move(const struct disk *disk, bool write, uint32_t length, uint64_t offset)
{
	ssize_t done = write ? pwrite(disk->fd, disk->memory, length, (off_t)offset)
			     : pread(disk->fd, disk->memory, length, (off_t)offset);

	if (done != (ssize_t)length) {
		die(write ? "write" : "read");
	}
}

static void one_by_one(struct disk *disk, const char *name, bool write)
{
	uint64_t began;

	for (unsigned i = 0; i < 64; i++) {
		move(disk, write, BLOCK, random_offset(disk));
	}
	began = now();
	for (unsigned i = 0; i < SMALL_OPS; i++) {
		move(disk, write, BLOCK, random_offset(disk));
	}
	tell(name, now() - began, SMALL_OPS);
}

static void sequential(struct disk *disk, const char *name, bool write)
{
	uint64_t began = now();

	for (unsigned i = 0; i < LARGE_OPS; i++) {
		move(disk, write, LARGE, (uint64_t)i * LARGE % (disk->size - LARGE));
	}
	tell(name, now() - began, (uint64_t)LARGE_OPS * LARGE >> 20);
}

static void flushes(struct disk *disk)
{
	uint64_t began = now();

	for (unsigned i = 0; i < 64; i++) {
		move(disk, true, BLOCK, random_offset(disk));
		if (fdatasync(disk->fd)) {
			die("fdatasync");
		}
	}
	tell("write+flush", now() - began, 64);
}

/* DEPTH requests are always under way; each time as many as have come back are sent again in one call. */
static void many_at_once(struct disk *disk, const char *name, bool write)
{
	struct iocb block[DEPTH], *again[DEPTH];
	struct io_event event[DEPTH];
	aio_context_t context = 0;
	uint64_t began;
	long back = DEPTH;

	if (syscall(SYS_io_setup, DEPTH, &context) < 0) {
		die("io_setup");
	}
	for (unsigned i = 0; i < DEPTH; i++) {
		block[i] = (struct iocb){.aio_fildes = (uint32_t)disk->fd,
					 .aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
					 .aio_buf = (uintptr_t)(disk->memory + i * BLOCK),
					 .aio_nbytes = BLOCK};
		again[i] = &block[i];
	}
	began = now();
	for (unsigned sent = 0, done = 0; done < SMALL_OPS; done += (unsigned)back) {
		long count = sent + back > SMALL_OPS ? SMALL_OPS - sent : back;

		for (long i = 0; i < count; i++) {
			again[i]->aio_offset = (int64_t)random_offset(disk);
		}
		if (count && syscall(SYS_io_submit, context, count, again) != count) {
			die("io_submit");
		}
		sent += (unsigned)count;
		back = syscall(SYS_io_getevents, context, 1, DEPTH, event, NULL);
		for (long i = 0; i < back; i++) {
			if (event[i].res != BLOCK) {
				errno = EIO;
				die("aio");
			}
			again[i] = (struct iocb *)(uintptr_t)event[i].obj;
		}
	}
	tell(name, now() - began, SMALL_OPS);
	syscall(SYS_io_destroy, context);
}

static int bench_disk(const char *device)
{
	struct disk disk = {.fd = open(device, O_RDWR | O_DIRECT), .seed = 1};

	if (disk.fd < 0 || ioctl(disk.fd, BLKGETSIZE64, &disk.size) < 0 ||
	    posix_memalign((void **)&disk.memory, BLOCK, LARGE)) {
		die(device);
	}
	memset(disk.memory, 0x5a, LARGE);
	/* All of it is allocated first, so that every row measures the same. */
	for (uint64_t at = 0; at < disk.size; at += LARGE) {
		move(&disk, true, LARGE, at);
	}
	one_by_one(&disk, "read-4k-qd1", false);
	one_by_one(&disk, "write-4k-qd1", true);
	many_at_once(&disk, "read-4k-qd32", false);
	many_at_once(&disk, "write-4k-qd32", true);
	sequential(&disk, "read-mib", false);
	sequential(&disk, "write-mib", true);
	flushes(&disk);
	return 0;
}

/* ---- network ---- */

static int connect_to(const char *address, uint16_t port, int type)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		die(address);
	}
	return fd;
}

static void give(int fd, uint64_t bytes)
{
	static const uint8_t data[64u << 10];

	while (bytes) {
		ssize_t done = write(fd, data, bytes < sizeof(data) ? bytes : sizeof(data));

		if (done <= 0) {
			return;
		}
		bytes -= (uint64_t)done;
	}
}

static uint64_t swallow(int fd)
{
	static uint8_t data[64u << 10];
	uint64_t bytes = 0;
	ssize_t done;

	while ((done = read(fd, data, sizeof(data))) > 0) {
		bytes += (uint64_t)done;
	}
	return bytes;
}

/* The other end says at last how much it got, so that nothing is counted that is still on its way. */
static void send_mib(const char *address, const char *name, unsigned mib)
{
	int fd = connect_to(address, SINK_PORT, SOCK_STREAM);
	uint64_t began = now(), got = 0;

	give(fd, (uint64_t)mib << 20);
	shutdown(fd, SHUT_WR);
	if (read(fd, &got, sizeof(got)) != sizeof(got) || got != (uint64_t)mib << 20) {
		errno = EIO;
		die("sending");
	}
	if (name) {
		tell(name, now() - began, mib);
	}
	close(fd);
}

static void receive_mib(const char *address, const char *name, unsigned mib)
{
	int fd = connect_to(address, GIVE_PORT, SOCK_STREAM);
	uint64_t began = now(), wanted = (uint64_t)mib << 20;

	if (write(fd, &wanted, sizeof(wanted)) != sizeof(wanted) || swallow(fd) != wanted) {
		errno = EIO;
		die("receiving");
	}
	if (name) {
		tell(name, now() - began, mib);
	}
	close(fd);
}

/* A byte there and back. */
static void round_trips(const char *address, const char *name, int type)
{
	int fd = connect_to(address, ECHO_PORT, type);
	uint64_t began = now();
	char byte = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1) {
			die(name);
		}
	}
	tell(name, now() - began, ROUNDS);
	close(fd);
}

static int bench_net(const char *address)
{
	send_mib(address, NULL, 1);
	receive_mib(address, NULL, 1);
	send_mib(address, "tcp-send-mib", STREAM_MIB);
	receive_mib(address, "tcp-receive-mib", STREAM_MIB);
	round_trips(address, "tcp-round-trip", SOCK_STREAM);
	round_trips(address, "udp-round-trip", SOCK_DGRAM);
	return 0;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 8) < 0) {
		die("listen");
	}
	return fd;
}

static void echo(int fd)
{
	int on = 1;
	char byte;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1) {
	}
}

static void serve_one(uint16_t port, int fd)
{
	uint64_t bytes;

	if (port == ECHO_PORT) {
		echo(fd);
		return;
	}
	if (port == SINK_PORT) {
		bytes = swallow(fd);
		if (write(fd, &bytes, sizeof(bytes)) < 0) {
			die("answer");
		}
	} else if (read(fd, &bytes, sizeof(bytes)) == sizeof(bytes)) {
		give(fd, bytes);
	}
}

static _Noreturn void echo_datagrams(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(ECHO_PORT)}, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char data[2048];

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		die("bind");
	}
	for (;;) {
		socklen_t length = sizeof(from);
		ssize_t got =
		    recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &length);

		if (got < 0 ||
		    sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&from, length) < 0) {
			die("echo");
		}
	}
}

static _Noreturn void serve(void)
{
	uint16_t port = SINK_PORT;
	int listening;

	if (!fork()) {
		echo_datagrams();
	}
	if (!fork()) {
		port = GIVE_PORT;
	} else if (!fork()) {
		port = ECHO_PORT;
	}
	listening = listen_on(port);

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listening, NULL, NULL);

		if (fd >= 0) {
			serve_one(port, fd);
			close(fd);
		}
	}
}

/* ---- start-up ---- */

/* Resident bytes of all mappings but those as large as the guest's memory, which is the guest's. */
static uint64_t resident(pid_t pid, uint64_t guest)
{
	char name[64], line[512];
	uint64_t start, end, kib, total = 0;
	bool ours = false;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/smaps", (int)pid);
	file = fopen(name, "r");
	if (!file) {
		die(name);
	}
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2) {
			ours = end - start < guest;
		} else if (ours && sscanf(line, "Rss: %" SCNu64, &kib) == 1) {
			total += kib << 10;
		}
	}
	fclose(file);
	return total;
}

static pid_t start(char **command, int *console)
{
	int pipes[2];
	pid_t pid;

	if (pipe(pipes) < 0 || (pid = fork()) < 0) {
		die("start");
	}
	if (pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execvp(command[0], command);
		die(command[0]);
	}
	close(pipes[1]);
	*console = pipes[0];
	return pid;
}

static int startup(uint64_t guest, char **command)
{
	for (unsigned i = 0; i < 3; i++) {
		uint64_t began = now(), took, bytes;
		int console;
		pid_t pid = start(command, &console);
		char c = 0;

		while (c != '!' && read(console, &c, 1) == 1) {
		}
		took = now() - began;
		bytes = c == '!' ? resident(pid, guest) : 0;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(console);
		if (c != '!') {
			errno = ECHILD;
			die("the guest said nothing");
		}
		/* The first start also brings the program into the page cache. */
		if (i == 2) {
			tell("startup", took, 1);
			tell("resident", bytes, 1);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "disk") == 0) {
		return bench_disk(argv[2]);
	}
	if (argc == 3 && strcmp(argv[1], "net") == 0) {
		return bench_net(argv[2]);
	}
	if (argc == 2 && strcmp(argv[1], "serve") == 0) {
		serve();
	}
	if (argc > 3 && strcmp(argv[1], "startup") == 0) {
		return startup(strtoull(argv[2], NULL, 10) << 20, argv + 3);
	}
	fputs("hostbench: disk DEVICE | net ADDRESS | serve | startup MIB COMMAND…\n", stderr);
	return 2;
}
