/* SPDX-License-Identifier: MIT */
/* Signals: from the kernel's faults, from other processes, on other stacks. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void count_it(int sig)
{
	handled = handled + (sig == SIGUSR1);
}

static const char *raise_runs_the_handler_each_time(void)
{
	signal(SIGUSR1, count_it);
	for (int i = 0; i < 1000; i++)
		raise(SIGUSR1);
	REQUIRE(handled == 1000);
	return NULL;
}

static const char *a_signal_interrupts_a_sleeping_process(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	usleep(20000);
	REQUIRE(kill(pid, SIGTERM) == 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	return NULL;
}

static const char *a_signal_interrupts_a_busy_process(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			__asm__ volatile("" ::: "memory");
	usleep(50000);
	REQUIRE(kill(pid, SIGKILL) == 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return NULL;
}

static void divide(void *arg)
{
	int zero = *(volatile int *)arg, result;

	__asm__ volatile("cltd; idivl %2" : "=a"(result) : "0"(1), "r"(zero) : "edx", "cc");
}

static void undefined(void *arg)
{
	(void)arg;
	__asm__ volatile("ud2");
}

static void breakpoint(void *arg)
{
	(void)arg;
	__asm__ volatile("int3");
}

static void trap_flag(void *arg)
{
	(void)arg;
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop" ::: "cc", "memory");
}

static const char *processor_exceptions_become_their_signals(void)
{
	int zero = 0, code;

	REQUIRE(signal_of(divide, &zero, NULL, &code) == SIGFPE && code == FPE_INTDIV);
	REQUIRE(signal_of(undefined, NULL, NULL, &code) == SIGILL && code == ILL_ILLOPN);
	REQUIRE(signal_of(breakpoint, NULL, NULL, NULL) == SIGTRAP);
	REQUIRE(signal_of(trap_flag, NULL, NULL, &code) == SIGTRAP && code == TRAP_TRACE);
	return NULL;
}

static void store(void *arg)
{
	*(volatile char *)arg = 1;
}

static const char *page_fault_signals_name_the_address(void)
{
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t addr;
	int code;

	REQUIRE(p != MAP_FAILED);
	REQUIRE(signal_of(store, p + 123, &addr, &code) == SIGSEGV);
	REQUIRE(addr == (uintptr_t)p + 123 && code == SEGV_ACCERR);
	munmap(p, 4096);
	REQUIRE(signal_of(store, p + 5, &addr, &code) == SIGSEGV);
	REQUIRE(addr == (uintptr_t)p + 5 && code == SEGV_MAPERR);
	return NULL;
}

static char *other_stack;

static void note_stack(int sig)
{
	char here;

	(void)sig;
	handled = &here >= other_stack && &here < other_stack + SIGSTKSZ;
}

static const char *a_handler_runs_on_its_alternate_stack(void)
{
	struct sigaction act = {.sa_handler = note_stack, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_size = SIGSTKSZ};

	other_stack = stack.ss_sp = malloc(SIGSTKSZ);
	REQUIRE(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &act, NULL) == 0);
	raise(SIGUSR1);
	REQUIRE(handled == 1);
	return NULL;
}

static void set_result(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	handled = info->si_value.sival_int;
}

static const char *a_queued_signal_carries_its_value(void)
{
	struct sigaction act = {.sa_sigaction = set_result, .sa_flags = SA_SIGINFO};

	sigaction(SIGRTMIN, &act, NULL);
	REQUIRE(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 42}) == 0);
	REQUIRE(handled == 42);
	return NULL;
}

static void *sit(void *arg)
{
	(void)arg;
	while (!handled)
		usleep(1000);
	return NULL;
}

static const char *a_thread_gets_the_signal_sent_to_it(void)
{
	pthread_t t;

	signal(SIGUSR1, count_it);
	REQUIRE(pthread_create(&t, NULL, sit, NULL) == 0);
	REQUIRE(pthread_kill(t, SIGUSR1) == 0);
	REQUIRE(pthread_join(t, NULL) == 0);
	return NULL;
}

const struct check signal_checks[] = {
    {"raise runs the handler each time", raise_runs_the_handler_each_time},
    {"a signal interrupts a sleeping process", a_signal_interrupts_a_sleeping_process},
    {"a signal interrupts a busy process", a_signal_interrupts_a_busy_process},
    {"processor exceptions become their signals", processor_exceptions_become_their_signals},
    {"page fault signals name the address", page_fault_signals_name_the_address},
    {"a handler runs on its alternate stack", a_handler_runs_on_its_alternate_stack},
    {"a queued signal carries its value", a_queued_signal_carries_its_value},
    {"a thread gets the signal sent to it", a_thread_gets_the_signal_sent_to_it},
    {NULL, NULL},
};
