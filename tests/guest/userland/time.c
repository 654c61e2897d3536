/* SPDX-License-Identifier: MIT */
/* Clocks and timers. Bounds are wide: the machine under the lab may stop for a while; order and counts may not. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static const char *sleeps_last_as_long_as_asked(void)
{
	for (int ms = 1; ms <= 256; ms *= 4) {
		int64_t began = nanoseconds(CLOCK_MONOTONIC);

		usleep(ms * 1000);
		REQUIRE(nanoseconds(CLOCK_MONOTONIC) - began >= ms * 1000000ll);
		REQUIRE(nanoseconds(CLOCK_MONOTONIC) - began < 5000000000ll);
	}
	return NULL;
}

static const char *a_periodic_timer_counts_every_period(void)
{
	const int64_t period = 10000000;
	struct itimerspec every = {{0, period}, {0, period}};
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	int64_t began = nanoseconds(CLOCK_MONOTONIC), took;
	uint64_t total = 0, n;

	REQUIRE(timerfd_settime(fd, 0, &every, NULL) == 0);
	while (total < 100) {
		REQUIRE(read(fd, &n, sizeof(n)) == sizeof(n));
		total += n;
	}
	took = nanoseconds(CLOCK_MONOTONIC) - began;
	if (took < (int64_t)total * period || took > (int64_t)(total + 2) * period + 2000000000)
		return failure("%llu periods of 10 ms took %lld ns", (unsigned long long)total,
			       (long long)took);
	return NULL;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms = alarms + 1;
}

static const char *an_interval_timer_interrupts_a_busy_loop(void)
{
	struct itimerval every = {{0, 20000}, {0, 20000}};
	double began = now();

	signal(SIGALRM, on_alarm);
	REQUIRE(setitimer(ITIMER_REAL, &every, NULL) == 0);
	while (alarms < 10 && now() - began < 30)
		;
	REQUIRE(alarms >= 10);
	return NULL;
}

static const char *processor_time_is_accounted(void)
{
	int64_t began = nanoseconds(CLOCK_PROCESS_CPUTIME_ID), wall = nanoseconds(CLOCK_MONOTONIC);
	int64_t spent;

	while (nanoseconds(CLOCK_MONOTONIC) - wall < 200000000)
		;
	spent = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - began;
	REQUIRE(spent > 1000000 && spent <= nanoseconds(CLOCK_MONOTONIC) - wall + 20000000);
	return NULL;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t latest;
static atomic_int backwards;

static void *watch_clock(void *arg)
{
	pin_to((intptr_t)arg);
	for (int i = 0; i < 20000; i++) {
		int64_t t;

		pthread_mutex_lock(&lock);
		t = nanoseconds(CLOCK_MONOTONIC);
		if (t < latest)
			backwards++;
		latest = t;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static const char *the_clock_never_goes_back_on_any_cpu(void)
{
	pthread_t t[64];
	int cpus = online_cpus();

	for (intptr_t i = 0; i < cpus && i < 64; i++)
		REQUIRE(pthread_create(&t[i], NULL, watch_clock, (void *)i) == 0);
	for (int i = 0; i < cpus && i < 64; i++)
		pthread_join(t[i], NULL);
	REQUIRE(backwards == 0);
	return NULL;
}

static const char *the_vdso_and_the_system_call_agree(void)
{
	for (int i = 0; i < 2000; i++) {
		struct timespec t;
		int64_t before = nanoseconds(CLOCK_MONOTONIC), between;

		REQUIRE(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t) == 0);
		between = t.tv_sec * 1000000000ll + t.tv_nsec;
		REQUIRE(before <= between && between <= nanoseconds(CLOCK_MONOTONIC));
	}
	return NULL;
}

static const char *the_wall_clock_is_of_this_age(void)
{
	time_t t = time(NULL);

	REQUIRE(t > 1704067200);  /* 2024-01-01 */
	REQUIRE(t < 4102444800l); /* 2100-01-01 */
	return NULL;
}

static const char *the_clock_source_is_xen_under_xen(void)
{
	char available[256];

	if (!under_xen())
		return "skip: not under Xen";
	REQUIRE(slurp("/sys/devices/system/clocksource/clocksource0/available_clocksource",
		      available, sizeof(available)) > 0);
	REQUIRE(strstr(available, "xen"));
	return NULL;
}

/* Whoever starts the partition knows which it should be: userland.clocksource=NAME says so. */
static const char *the_clock_source_is_the_one_expected(void)
{
	char line[1024], wanted[32], current[32] = "";
	const char *at;

	if (slurp("/proc/cmdline", line, sizeof(line)) < 0 ||
	    !(at = strstr(line, "userland.clocksource=")))
		return "skip: any will do";
	REQUIRE(sscanf(at, "userland.clocksource=%31s", wanted) == 1);
	/* Linux decides late in its start, and once more when the TSC's frequency has been refined. */
	sleep(2);
	REQUIRE(slurp("/sys/devices/system/clocksource/clocksource0/current_clocksource", current,
		      sizeof(current)) > 0);
	current[strcspn(current, "\n")] = 0;
	if (strcmp(current, wanted))
		return failure("it is %s", current);
	return NULL;
}

/* The eighth number of /proc/stat's first line: ticks that the hypervisor gave to others. */
static long stolen_ticks(void)
{
	char line[256];
	long steal = -1;

	if (slurp("/proc/stat", line, sizeof(line)) > 0)
		sscanf(line, "cpu %*d %*d %*d %*d %*d %*d %*d %ld", &steal);
	return steal;
}

/* Only whoever starts the partition knows that it has fewer processors than it shows: userland.short=1 says so. */
static const char *time_that_the_hypervisor_takes_is_stolen(void)
{
	int cpus = online_cpus();
	double end = now() + 4;
	char line[1024];
	long before;

	if (slurp("/proc/cmdline", line, sizeof(line)) < 0 || !strstr(line, "userland.short=1"))
		return "skip: it has all its processors";
	before = stolen_ticks();
	for (int i = 0; i < cpus; i++)
		if (fork() == 0) {
			while (now() < end)
				;
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	/* Two processes for four seconds on half of what they want lose about 400 ticks of 10 ms; on all of it, none. */
	if (stolen_ticks() - before < 50)
		return failure("%ld ticks stolen", stolen_ticks() - before);
	return NULL;
}

const struct check time_checks[] = {
    {"sleeps last as long as asked", sleeps_last_as_long_as_asked},
    {"a periodic timer counts every period", a_periodic_timer_counts_every_period},
    {"an interval timer interrupts a busy loop", an_interval_timer_interrupts_a_busy_loop},
    {"processor time is accounted", processor_time_is_accounted},
    {"the clock never goes back on any CPU", the_clock_never_goes_back_on_any_cpu},
    {"the vDSO and the system call agree", the_vdso_and_the_system_call_agree},
    {"the wall clock is of this age", the_wall_clock_is_of_this_age},
    {"xen is among the clock sources", the_clock_source_is_xen_under_xen},
    {"the clock source is the one expected", the_clock_source_is_the_one_expected},
    {"time that the hypervisor takes is stolen", time_that_the_hypervisor_takes_is_stolen},
    {NULL, NULL},
};
