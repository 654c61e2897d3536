/* SPDX-License-Identifier: MIT */
/* Load like a kernel build: many short processes, pipes, files and page faults, on every CPU. */
#include "check.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* One "compilation": a pipeline that writes, packs, unpacks and compares a file. */
static const char compilation[] =
    "d=/tmp/job.$1; mkdir -p $d; i=0;"
    "while [ $i -lt 20 ]; do echo line $i $1 $$; i=$((i+1)); done >$d/a.c;"
    "cat /proc/cpuinfo /proc/self/maps $d/a.c | sort | gzip >$d/a.gz;"
    "gunzip -c $d/a.gz | md5sum >$d/1; gunzip -c $d/a.gz | md5sum >$d/2;"
    "cmp -s $d/1 $d/2 || exit 1; sed s/line/x/ $d/a.c | grep -c x >/dev/null || exit 1; rm -r $d";

static int touch_memory(unsigned seed)
{
	enum { PAGES = 512 };
	unsigned *p =
	    mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	for (int i = 0; i < PAGES; i++)
		p[i * 1024] = seed + i;
	if (mprotect(p, PAGES * 4096, PROT_READ))
		return -1;
	for (int i = 0; i < PAGES; i++)
		if (p[i * 1024] != seed + i)
			return -1;
	return munmap(p, PAGES * 4096);
}

/* One of the jobs that run side by side: returns how many rounds it did, or -1. */
static int job(int number, double until)
{
	char name[16];
	int rounds = 0;

	snprintf(name, sizeof(name), "%d", number);
	while (now() < until) {
		if (touch_memory(number + rounds) ||
		    run_program((char *[]){"/bin/sh", "-c", (char *)compilation, "sh", name, NULL}))
			return -1;
		rounds++;
	}
	return rounds;
}

void run_stress(double seconds)
{
	int jobs = 2 * online_cpus(), bad = 0, status;
	double until = now() + seconds;
	int results[2];
	long total = 0;
	int rounds;

	if (pipe(results))
		return;
	for (int i = 0; i < jobs; i++)
		if (fork() == 0) {
			rounds = job(i, until);
			if (write(results[1], &rounds, sizeof(rounds)) != sizeof(rounds))
				_exit(2);
			_exit(rounds < 0);
		}
	close(results[1]);
	while (read(results[0], &rounds, sizeof(rounds)) == sizeof(rounds))
		total += rounds;
	while (wait(&status) > 0)
		bad += status != 0;
	printf("# %d jobs did %ld rounds in %.0f s\n", jobs, total, seconds);
	printf("%sok 1 - %d jobs side by side end clean\n", bad ? "not " : "", jobs);
}
