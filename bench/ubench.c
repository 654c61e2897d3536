/* SPDX-License-Identifier: MIT */
/*
 * What system calls, faults and processes cost: nanoseconds of the guest's own clock for one operation.
 * In the lab's --icount mode a nanosecond is an instruction. Prints "ubench: OPERATION VALUE" lines.
 *
 * All runs on the first processor but for pipe-across, whose other process is on the second, where there is one.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define MIB  (256 * PAGE)

static int null_fd, zero_fd, there[2], back[2];
static char *region; /* 1 MiB, populated */
static char buffer[PAGE];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void getppid_once(void)
{
	syscall(SYS_getppid);
}

static void write_null(void)
{
	if (write(null_fd, buffer, 1) != 1)
		fail("write");
}

static void read_zero(void)
{
	if (read(zero_fd, buffer, PAGE) != PAGE)
		fail("read");
}

static void stat_once(void)
{
	struct stat st;

	if (stat("/bin/exit", &st))
		fail("stat");
}

static void open_close(void)
{
	int fd = open("/bin/exit", O_RDONLY);

	if (fd < 0 || close(fd))
		fail("open");
}

static void on_nothing(int sig)
{
	(void)sig;
}

static void raise_once(void)
{
	raise(SIGUSR1);
}

static void page_faults(void)
{
	char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	madvise(p, MIB, MADV_NOHUGEPAGE);
	for (int i = 0; i < 256; i++)
		p[i * PAGE] = 1;
	munmap(p, MIB);
}

static void mmap_munmap(void)
{
	char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || munmap(p, 16 * PAGE))
		fail("mmap");
}

static void mprotect_twice(void)
{
	if (mprotect(region, MIB, PROT_READ) || mprotect(region, MIB, PROT_READ | PROT_WRITE))
		fail("mprotect");
}

static void make_writable(int sig)
{
	(void)sig;
	if (mprotect(region, PAGE, PROT_READ | PROT_WRITE))
		_exit(1);
}

static void fault_signal_mprotect(void)
{
	*(volatile char *)region = 1;
	if (mprotect(region, PAGE, PROT_READ))
		fail("mprotect");
}

static void reap(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail("child");
}

static void fork_exit(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void exec_exit(void)
{
	execl("/bin/exit", "exit", NULL);
	_exit(127);
}

static void fork_exec(void)
{
	pid_t pid = fork();

	if (pid == 0)
		exec_exit();
	reap(pid);
}

static void vfork_exec(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		exec_exit();
	reap(pid);
}

static void pipe_round_trip(void)
{
	if (write(there[1], buffer, 1) != 1 || read(back[0], buffer, 1) != 1)
		fail("pipe");
}

static void yield_once(void)
{
	syscall(SYS_sched_yield);
}

static void clock_once(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
}

static void before_fault(void)
{
	signal(SIGSEGV, make_writable);
	mprotect(region, PAGE, PROT_READ);
}

static void after_fault(void)
{
	mprotect(region, PAGE, PROT_READ | PROT_WRITE);
	signal(SIGSEGV, SIG_DFL);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

static pid_t answerer;

static void pipe_to(int cpu)
{
	char b;

	if (pipe(there) || pipe(back))
		fail("pipe");
	answerer = fork();
	if (answerer)
		return;
	run_on(cpu);
	close(there[1]);
	while (read(there[0], &b, 1) == 1 && write(back[1], &b, 1) == 1)
		;
	_exit(0);
}

static void before_pipe(void)
{
	pipe_to(0);
}

static void before_pipe_across(void)
{
	pipe_to(1);
}

static void after_pipe(void)
{
	close(there[1]);
	close(there[0]);
	close(back[0]);
	close(back[1]);
	reap(answerer);
}

static void nothing(void)
{
}

static const struct operation {
	const char *name;
	void (*once)(void);
	int count;
	void (*before)(void), (*after)(void);
} operations[] = {
    {"getppid", getppid_once, 20000, nothing, nothing},
    {"write", write_null, 20000, nothing, nothing},
    {"read", read_zero, 10000, nothing, nothing},
    {"stat", stat_once, 5000, nothing, nothing},
    {"open+close", open_close, 3000, nothing, nothing},
    {"signal", raise_once, 3000, nothing, nothing},
    {"page-faults", page_faults, 30, nothing, nothing},
    {"mmap+munmap", mmap_munmap, 1000, nothing, nothing},
    {"mprotect", mprotect_twice, 200, nothing, nothing},
    {"fault+signal+mprotect", fault_signal_mprotect, 1000, before_fault, after_fault},
    {"fork+exit", fork_exit, 60, nothing, nothing},
    {"fork+exec", fork_exec, 40, nothing, nothing},
    {"vfork+exec", vfork_exec, 40, nothing, nothing},
    {"pipe", pipe_round_trip, 2000, before_pipe, after_pipe},
    {"sched_yield", yield_once, 20000, nothing, nothing},
    {"clock_gettime", clock_once, 50000, nothing, nothing},
};

static const struct operation across = {"pipe-across", pipe_round_trip, 1000, before_pipe_across,
					after_pipe};

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void measure(const struct operation *op)
{
	long long began;

	op->before();
	for (int i = 0; i < op->count / 10 + 2; i++)
		op->once();
	began = now();
	for (int i = 0; i < op->count; i++)
		op->once();
	printf("ubench: %s %.1f\n", op->name, (double)(now() - began) / op->count);
	fflush(stdout);
	op->after();
}

int main(void)
{
	run_on(0);
	null_fd = open("/dev/null", O_WRONLY);
	zero_fd = open("/dev/zero", O_RDONLY);
	region = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (null_fd < 0 || zero_fd < 0 || region == MAP_FAILED)
		fail("set-up");
	madvise(region, MIB, MADV_NOHUGEPAGE);
	memset(region, 1, MIB);
	signal(SIGUSR1, on_nothing);
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		measure(&operations[i]);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		measure(&across);
	puts("ubench: done");
	return 0;
}
