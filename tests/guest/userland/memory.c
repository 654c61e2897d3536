/* SPDX-License-Identifier: MIT */
/* Address spaces: protections that take effect at once, on every CPU. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void store(void *arg)
{
	*(volatile char *)arg = 1;
}

static void load(void *arg)
{
	(void)*(volatile char *)arg;
}

static void call(void *arg)
{
	((void (*)(void))arg)();
}

static char *pages(int n, int prot)
{
	return mmap(NULL, n * 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static const char *mprotect_takes_effect_at_once(void)
{
	char *p = pages(4, PROT_READ | PROT_WRITE);

	for (int i = 0; i < 100; i++) {
		REQUIRE(mprotect(p, 4096, PROT_READ | PROT_WRITE) == 0);
		REQUIRE(signal_of(store, p, NULL, NULL) == 0);
		REQUIRE(mprotect(p, 4096, PROT_READ) == 0);
		REQUIRE(signal_of(store, p, NULL, NULL) == SIGSEGV);
		REQUIRE(signal_of(load, p, NULL, NULL) == 0);
		REQUIRE(mprotect(p, 4096, PROT_NONE) == 0);
		REQUIRE(signal_of(load, p, NULL, NULL) == SIGSEGV);
	}
	return NULL;
}

static const char *data_is_not_executable(void)
{
	char *p = pages(1, PROT_READ | PROT_WRITE);
	uintptr_t addr;

	p[0] = (char)0xc3; /* ret */
	REQUIRE(signal_of(call, p, &addr, NULL) == SIGSEGV && addr == (uintptr_t)p);
	REQUIRE(mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0);
	REQUIRE(signal_of(call, p, NULL, NULL) == 0);
	return NULL;
}

static const char *unmapped_and_remapped_memory_is_fresh(void)
{
	for (int i = 0; i < 100; i++) {
		char *p = pages(16, PROT_READ | PROT_WRITE), *q;

		for (int j = 0; j < 16; j++) {
			REQUIRE(p[j * 4096] == 0);
			p[j * 4096] = 1;
		}
		q = mremap(p, 16 * 4096, 64 * 4096, MREMAP_MAYMOVE);
		REQUIRE(q != MAP_FAILED && q[15 * 4096] == 1 && q[16 * 4096] == 0);
		REQUIRE(munmap(q, 64 * 4096) == 0);
		REQUIRE(signal_of(load, q, NULL, NULL) == SIGSEGV);
	}
	return NULL;
}

static char *shot;
static atomic_int go, ready;

static void *reader(void *arg)
{
	pin_to((intptr_t)arg);
	while (atomic_load(&go) == 0)
		(void)*(volatile char *)shot; /* fills this CPU's TLB */
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&go) == 1)
		;
	/* By now the other thread has taken the page away. */
	return (void *)(intptr_t)signal_of(store, shot, NULL, NULL);
}

static const char *a_revoked_page_is_gone_on_every_cpu(void)
{
	int cpus = online_cpus();

	if (cpus < 2)
		return "skip: one CPU";
	for (int round = 0; round < 20; round++) {
		pthread_t t;
		void *sig;

		shot = pages(1, PROT_READ | PROT_WRITE);
		atomic_store(&go, 0);
		atomic_store(&ready, 0);
		pin_to(0);
		REQUIRE(pthread_create(&t, NULL, reader,
				       (void *)(intptr_t)(1 + round % (cpus - 1))) == 0);
		usleep(2000);
		atomic_store(&go, 1);
		while (atomic_load(&ready) == 0)
			;
		REQUIRE(mprotect(shot, 4096, PROT_READ) == 0);
		atomic_store(&go, 2);
		REQUIRE(pthread_join(t, &sig) == 0);
		REQUIRE((intptr_t)sig == SIGSEGV);
		munmap(shot, 4096);
	}
	return NULL;
}

static const char *half_of_the_free_memory_can_be_filled(void)
{
	char info[4096], *line;
	unsigned long kib = 0, words;
	unsigned long *p;

	REQUIRE(slurp("/proc/meminfo", info, sizeof(info)) > 0);
	line = strstr(info, "MemAvailable:");
	REQUIRE(line && sscanf(line, "MemAvailable: %lu", &kib) == 1 && kib > 1024);
	words = kib / 2 * 1024 / 4096;
	p = mmap(NULL, words * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(p != MAP_FAILED);
	for (unsigned long i = 0; i < words; i++) {
		if (i % 16384 == 0)
			alarm(CHECK_SECONDS);
		p[i * 512] = i * 0x9e3779b97f4a7c15ul;
	}
	for (unsigned long i = 0; i < words; i++)
		REQUIRE(p[i * 512] == i * 0x9e3779b97f4a7c15ul);
	return NULL;
}

static const char *a_file_mapping_shares_what_is_written(void)
{
	char text[16] = "";
	FILE *f = fopen("/tmp/mapped", "w+");
	char *p;

	REQUIRE(f && ftruncate(fileno(f), 4096) == 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	REQUIRE(p != MAP_FAILED);
	strcpy(p, "written");
	REQUIRE(fread(text, 1, 7, f) == 7 && !strcmp(text, "written"));
	return NULL;
}

const struct check memory_checks[] = {
    {"mprotect takes effect at once", mprotect_takes_effect_at_once},
    {"data is not executable", data_is_not_executable},
    {"unmapped and remapped memory is fresh", unmapped_and_remapped_memory_is_fresh},
    {"a revoked page is gone on every CPU", a_revoked_page_is_gone_on_every_cpu},
    {"a file mapping shares what is written", a_file_mapping_shares_what_is_written},
    {"half of the free memory can be filled", half_of_the_free_memory_can_be_filled},
    {NULL, NULL},
};
