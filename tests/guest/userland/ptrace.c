/* SPDX-License-Identifier: MIT */
/* ptrace: what a debugger needs, hardware watchpoints included. */
#include "check.h"

#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long watched;

/* A child that stops at once, spins a little, stores to `watched` three times, and exits with what it holds. */
static pid_t tracee(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		for (volatile int i = 0; i < 100; i++)
			;
		for (int i = 1; i <= 3; i++)
			watched = i;
		_exit(watched);
	}
	return pid;
}

/* Waits for the child to stop or end: the signal it stopped with, or -1. */
static int stopped_with(pid_t pid, int *status)
{
	if (waitpid(pid, status, 0) != pid || !WIFSTOPPED(*status))
		return -1;
	return WSTOPSIG(*status);
}

static const char *single_steps_advance_the_instruction_pointer(void)
{
	struct user_regs_struct before, after;
	int status;
	pid_t pid = tracee();

	REQUIRE(stopped_with(pid, &status) == SIGSTOP);
	for (int i = 0; i < 50; i++) {
		REQUIRE(ptrace(PTRACE_GETREGS, pid, NULL, &before) == 0);
		REQUIRE(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
		REQUIRE(stopped_with(pid, &status) == SIGTRAP);
		REQUIRE(ptrace(PTRACE_GETREGS, pid, NULL, &after) == 0);
		REQUIRE(after.rip != before.rip);
	}
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	return NULL;
}

static const char *a_tracer_reads_and_writes_memory_and_sees_system_calls(void)
{
	int status, calls = 0;
	pid_t pid = tracee();

	REQUIRE(stopped_with(pid, &status) == SIGSTOP);
	REQUIRE(ptrace(PTRACE_POKEDATA, pid, (void *)&watched, 77L) == 0);
	REQUIRE(ptrace(PTRACE_PEEKDATA, pid, (void *)&watched, NULL) == 77);
	REQUIRE(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD) == 0);
	do {
		REQUIRE(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0);
		REQUIRE(waitpid(pid, &status, 0) == pid);
		calls += WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
	} while (WIFSTOPPED(status));
	REQUIRE(calls > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	return NULL;
}

static long debug_register(pid_t pid, int n)
{
	return ptrace(PTRACE_PEEKUSER, pid, (void *)offsetof(struct user, u_debugreg[n]), NULL);
}

static int set_debug_register(pid_t pid, int n, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, pid, (void *)offsetof(struct user, u_debugreg[n]), value);
}

static const char *a_hardware_watchpoint_stops_at_each_store(void)
{
	int status;
	pid_t pid = tracee();

	REQUIRE(stopped_with(pid, &status) == SIGSTOP);
	REQUIRE(set_debug_register(pid, 0, (unsigned long)&watched) == 0);
	/* DR7: breakpoint 0 enabled for this task (L0), on writes (RW0 = 1), 8 bytes (LEN0 = 2). */
	REQUIRE(set_debug_register(pid, 7, 1 | 1ul << 16 | 2ul << 18) == 0);
	for (int i = 1; i <= 3; i++) {
		REQUIRE(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
		REQUIRE(stopped_with(pid, &status) == SIGTRAP);
		REQUIRE(debug_register(pid, 6) & 1);
		REQUIRE(ptrace(PTRACE_PEEKDATA, pid, (void *)&watched, NULL) == i);
	}
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	return NULL;
}

static const char *a_watchpoint_fires_only_in_its_own_process(void)
{
	int status;
	pid_t pid = tracee(), other;

	REQUIRE(stopped_with(pid, &status) == SIGSTOP);
	REQUIRE(set_debug_register(pid, 0, (unsigned long)&watched) == 0);
	REQUIRE(set_debug_register(pid, 7, 1 | 1ul << 16 | 2ul << 18) == 0);
	other = fork();
	if (other == 0) {
		watched = 9;
		_exit(watched);
	}
	REQUIRE(waitpid(other, &status, 0) == other && WIFEXITED(status));
	REQUIRE(WEXITSTATUS(status) == 9);
	kill(pid, SIGKILL);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return NULL;
}

const struct check ptrace_checks[] = {
    {"ptrace: single steps advance the instruction pointer",
     single_steps_advance_the_instruction_pointer},
    {"ptrace: a tracer reads and writes memory and sees system calls",
     a_tracer_reads_and_writes_memory_and_sees_system_calls},
    {"ptrace: a hardware watchpoint stops at each store",
     a_hardware_watchpoint_stops_at_each_store},
    {"ptrace: a watchpoint fires only in its own process",
     a_watchpoint_fires_only_in_its_own_process},
    {NULL, NULL},
};
