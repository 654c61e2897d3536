/* SPDX-License-Identifier: MIT */
/* fork, exec, pipes, threads, and the registers that a context switch must carry. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *fork_exec_and_wait_tell_the_exit_status(void)
{
	REQUIRE(run_program((char *[]){"/bin/exit", "7", NULL}) == 7);
	REQUIRE(run_program((char *[]){"/bin/exit", "0", NULL}) == 0);
	REQUIRE(run_program((char *[]){"/bin/nothing", NULL}) == 127);
	return NULL;
}

static const char *busybox_shell_runs_a_pipeline(void)
{
	REQUIRE(run_program((char *[]){"/bin/sh", "-c", "test $(seq 1 100 | grep -c 7 | cat) = 19",
				       NULL}) == 0);
	return NULL;
}

static const char *fork_copies_memory_on_write(void)
{
	enum { PAGES = 64, CHILDREN = 20 };
	unsigned char *p =
	    mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(p != MAP_FAILED);
	for (int i = 0; i < PAGES; i++)
		p[i * 4096] = i;
	for (int c = 0; c < CHILDREN; c++) {
		int status;
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (pid == 0) {
			for (int i = 0; i < PAGES; i++) {
				if (p[i * 4096] != i)
					_exit(1);
				p[i * 4096] = 0xee;
			}
			_exit(0);
		}
		REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
	}
	for (int i = 0; i < PAGES; i++)
		REQUIRE(p[i * 4096] == i);
	return NULL;
}

static const char *pipe_carries_bytes_between_processes(void)
{
	int there[2], back[2];
	unsigned char b;
	pid_t pid;

	REQUIRE(pipe(there) == 0 && pipe(back) == 0);
	pid = fork();
	if (pid == 0) {
		while (read(there[0], &b, 1) == 1 && b != 255) {
			b++;
			if (write(back[1], &b, 1) != 1)
				break;
		}
		_exit(0);
	}
	for (int i = 0; i < 200; i++) {
		b = i;
		REQUIRE(write(there[1], &b, 1) == 1 && read(back[0], &b, 1) == 1);
		REQUIRE(b == i + 1);
	}
	b = 255;
	REQUIRE(write(there[1], &b, 1) == 1 && waitpid(pid, NULL, 0) == pid);
	return NULL;
}

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int mine;
static int counter;
static atomic_int wrong;

static void *count(void *arg)
{
	mine = (intptr_t)arg;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		if (i % 64 == 0)
			sched_yield();
		pthread_mutex_unlock(&lock);
		if (mine != (intptr_t)arg)
			wrong++;
	}
	return NULL;
}

/* Starts THREADS threads of fn, each with its number, and waits for them. */
static int in_threads(void *(*fn)(void *))
{
	pthread_t t[THREADS];

	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, fn, (void *)i))
			return -1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static const char *threads_share_memory_and_keep_their_own_tls(void)
{
	REQUIRE(in_threads(count) == 0);
	REQUIRE(counter == THREADS * ROUNDS);
	REQUIRE(wrong == 0);
	return NULL;
}

static void *hold_vector_registers(void *arg)
{
	uint64_t pattern[4], seen[4];

	for (int i = 0; i < 4; i++)
		pattern[i] = 0x0101010101010101ull * ((intptr_t)arg + 1) + i;
	for (int i = 0; i < 300; i++) {
		/* The system call between the load and the store is a chance to switch away. */
		long nr = 24; /* sched_yield */

		__asm__ volatile("movdqu (%[in]), %%xmm7\n\t"
				 "movdqu 16(%[in]), %%xmm15\n\t"
				 "syscall\n\t"
				 "movdqu %%xmm7, (%[out])\n\t"
				 "movdqu %%xmm15, 16(%[out])"
				 : "+a"(nr)
				 : [in] "r"(pattern), [out] "r"(seen)
				 : "rcx", "r11", "xmm7", "xmm15", "memory");
		if (memcmp(pattern, seen, sizeof(seen)))
			wrong++;
	}
	return NULL;
}

static void *hold_wide_registers(void *arg)
{
	uint64_t pattern[4], seen[4];

	for (int i = 0; i < 4; i++)
		pattern[i] = 0x1111111111111111ull * ((intptr_t)arg + 1) + i;
	for (int i = 0; i < 300; i++) {
		long nr = 24; /* sched_yield */

		__asm__ volatile("vmovdqu (%[in]), %%ymm9\n\t"
				 "syscall\n\t"
				 "vmovdqu %%ymm9, (%[out])"
				 : "+a"(nr)
				 : [in] "r"(pattern), [out] "r"(seen)
				 : "rcx", "r11", "xmm9", "memory");
		if (memcmp(pattern, seen, sizeof(seen)))
			wrong++;
	}
	return NULL;
}

static const char *vector_registers_survive_context_switches(void)
{
	pin_to(0);
	REQUIRE(in_threads(hold_vector_registers) == 0);
	REQUIRE(wrong == 0);
	return NULL;
}

static const char *wide_vector_registers_survive_context_switches(void)
{
	if (!__builtin_cpu_supports("avx"))
		return "skip: the processor has no AVX";
	pin_to(0);
	REQUIRE(in_threads(hold_wide_registers) == 0);
	REQUIRE(wrong == 0);
	return NULL;
}

static const char *a_process_runs_on_every_cpu(void)
{
	int cpus = online_cpus();

	for (int round = 0; round < 3; round++)
		for (int i = 0; i < cpus; i++) {
			REQUIRE(pin_to(i) == 0);
			REQUIRE(sched_getcpu() == i);
		}
	return NULL;
}

const struct check process_checks[] = {
    {"fork, exec and wait tell the exit status", fork_exec_and_wait_tell_the_exit_status},
    {"busybox's shell runs a pipeline", busybox_shell_runs_a_pipeline},
    {"fork copies memory on write", fork_copies_memory_on_write},
    {"a pipe carries bytes between processes", pipe_carries_bytes_between_processes},
    {"threads share memory and keep their own TLS", threads_share_memory_and_keep_their_own_tls},
    {"vector registers survive context switches", vector_registers_survive_context_switches},
    {"wide vector registers survive context switches",
     wide_vector_registers_survive_context_switches},
    {"a process runs on every CPU", a_process_runs_on_every_cpu},
    {NULL, NULL},
};
