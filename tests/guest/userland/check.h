/* SPDX-License-Identifier: MIT */
/*
 * The guest's userland: checks that a process finds its kernel whole.
 *
 * A check returns NULL when what its name says is true, text that begins with "skip" when it cannot be
 * told here, and otherwise what was wrong. Each runs in a process of its own, so it may leave anything behind.
 */
#ifndef USERLAND_CHECK_H
#define USERLAND_CHECK_H

#include <stddef.h>
#include <stdint.h>

/* How long a check may take: SIGALRM ends it. One that gets on with much work may ask for as long again. */
#define CHECK_SECONDS 120

struct check {
	const char *name;
	const char *(*run)(void);
};

/* Lists that end with a nameless entry, one from each file. */
extern const struct check process_checks[], signal_checks[], ptrace_checks[], memory_checks[],
    isolation_checks[], segment_checks[], time_checks[], system_checks[];

/* Formats a failure; the text lives until the next call. */
const char *failure(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define REQUIRE(cond)                                                                \
	do {                                                                         \
		if (!(cond))                                                         \
			return failure("%s:%d: %s", __FILE_NAME__, __LINE__, #cond); \
	} while (0)

/*
 * Runs fn(arg) and returns the signal that it raised, 0 for none. The fault's address and si_code go to
 * *addr and *code where these are not NULL.
 */
int signal_of(void (*fn)(void *), void *arg, uintptr_t *addr, int *code);

/* Reads a file's start into buf as a string; its length, or -1. */
int slurp(const char *path, char *buf, size_t size);

/* Writes text to a file: 0, or -1 with errno. */
int spit(const char *path, const char *text);

/* Runs argv[0] and waits: its exit status, or 128 + the signal that killed it. */
int run_program(char *const argv[]);

int online_cpus(void);
int pin_to(int cpu);
int under_xen(void);
double now(void); /* CLOCK_MONOTONIC, seconds */

/* The modes besides the checks; see main.c. */
void run_stress(double seconds);
void run_echo(void);

#endif
