/* SPDX-License-Identifier: MIT */
/*
 * The 32-bit program of the userland, started as `compat WHAT`. Exit status 0: all true; 99: not offered
 * here; otherwise the number of the check that failed.
 */
#include <asm/ldt.h>
#include <elf.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_OFFERED 99

static sigjmp_buf escape;

static long by_int80(long nr, long a)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "0"(nr), "b"(a) : "memory");
	return result;
}

static int int80(void)
{
	for (int i = 0; i < 1000; i++)
		if (by_int80(SYS_getpid, 0) != getpid())
			return 1;
	return by_int80(12345, 0) == -38 ? 0 : 2; /* -ENOSYS */
}

/* The kernel's own entry, which uses sysenter or syscall where the processor has them. */
static int vsyscall(void)
{
	unsigned long entry = getauxval(AT_SYSINFO);

	if (!entry)
		return NOT_OFFERED;
	for (int i = 0; i < 1000; i++) {
		long result;

		__asm__ volatile("call *%1"
				 : "=a"(result)
				 : "r"(entry), "0"(SYS_getpid)
				 : "memory");
		if (result != getpid())
			return 1;
	}
	return 0;
}

static void on_fault(int sig)
{
	siglongjmp(escape, sig);
}

static int signal_of_read(uintptr_t address)
{
	int sig = sigsetjmp(escape, 1);

	if (sig == 0)
		(void)*(volatile char *)address;
	return sig;
}

static int signals(void)
{
	static volatile int zero;
	int sig;

	signal(SIGFPE, on_fault);
	signal(SIGSEGV, on_fault);
	for (int i = 0; i < 100; i++) {
		sig = sigsetjmp(escape, 1);
		if (sig == 0) {
			__asm__ volatile("cltd; idivl %1" ::"a"(1), "m"(zero) : "edx", "cc");
			return 1;
		}
		if (sig != SIGFPE)
			return 2;
		if (signal_of_read(0) != SIGSEGV)
			return 3;
	}
	return 0;
}

/* A segment by set_thread_area (GDT) and one by modify_ldt, both with a base of their own. */
static int segments(void)
{
	static unsigned char data[16] = {0, 1, 2, 3, 0x77};
	struct user_desc d = {.entry_number = -1,
			      .base_addr = (uintptr_t)data,
			      .limit = 15,
			      .seg_32bit = 1,
			      .useable = 1};
	unsigned char got;

	if (syscall(SYS_set_thread_area, &d))
		return 1;
	for (int i = 0; i < 100; i++) {
		__asm__ volatile("mov %1, %%fs; movb %%fs:4, %0"
				 : "=q"(got)
				 : "r"((unsigned short)(d.entry_number << 3 | 3)));
		if (got != 0x77)
			return 2;
		getppid();
	}
	d.entry_number = 2;
	if (syscall(SYS_modify_ldt, 1, &d, sizeof(d)))
		return NOT_OFFERED;
	data[4] = 0x78;
	__asm__ volatile("mov %1, %%fs; movb %%fs:4, %0"
			 : "=q"(got)
			 : "r"((unsigned short)(2 << 3 | 7)));
	return got == 0x78 ? 0 : 3;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int mine;
static int counter;

static void *count(void *arg)
{
	mine = (intptr_t)arg;
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		counter += mine == (intptr_t)arg;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static int threads(void)
{
	pthread_t t[4];

	for (intptr_t i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, count, (void *)i))
			return 1;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	return counter == 4000 ? 0 : 2;
}

static int isolation(void)
{
	static const uintptr_t beyond[] = {0, 0xfffff000, 0xffffe000, 0xf5800000};

	signal(SIGSEGV, on_fault);
	for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
		/* The vDSO may lie anywhere near the top. */
		if ((getauxval(AT_SYSINFO_EHDR) & ~0xfffful) != (beyond[i] & ~0xfffful) &&
		    signal_of_read(beyond[i]) != SIGSEGV)
			return 1 + i;
	return 0;
}

static int fork_and_wait(void)
{
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(i);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != i)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} all[] = {
	    {"int80", int80},        {"vsyscall", vsyscall}, {"signals", signals},
	    {"segments", segments},  {"threads", threads},   {"isolation", isolation},
	    {"fork", fork_and_wait},
	};

	for (unsigned i = 0; argc == 2 && i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(argv[1], all[i].name))
			return all[i].run();
	return 98;
}
