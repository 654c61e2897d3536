/* SPDX-License-Identifier: MIT */
/*
 * Prints the frequency of this machine's TSC in kHz. It is that of the nested lab's machine too, whose own measurement goes wrong now and then
 * where there is much other work: QEMU gives it the real counter, but its timers when it comes to it.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define SPAN_NS  50000000
#define ATTEMPTS 20

struct reading {
	uint64_t tsc, ns;
};

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* Both counters together: of some attempts, each of which may be interrupted, the quickest. */
static struct reading read_both(void)
{
	struct reading r = {0, 0};
	uint64_t quickest = UINT64_MAX;

	for (int i = 0; i < ATTEMPTS; i++) {
		uint64_t before = __rdtsc(), ns = nanoseconds(), took = __rdtsc() - before;

		if (took < quickest) {
			quickest = took;
			r = (struct reading){before + took / 2, ns};
		}
	}
	return r;
}

int main(void)
{
	struct timespec span = {.tv_nsec = SPAN_NS};
	struct reading from = read_both(), to;

	nanosleep(&span, NULL);
	to = read_both();
	printf("%llu\n", (unsigned long long)((to.tsc - from.tsc) * 1000000 / (to.ns - from.ns)));
	return 0;
}
