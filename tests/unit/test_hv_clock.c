/* SPDX-License-Identifier: MIT */
/*
 * The adapter's clock while the host pauses the partition, moves it to another machine, or takes the reference TSC page away for a while.
 * The clock's source is included, since the instructions that it reads time by are the test's here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/x86/asm.h"

static uint64_t tsc, reference; /* reference time in 100 ns, for the counter's MSR */

static uint64_t fake_rdtsc(void)
{
	return tsc;
}

static uint64_t fake_rdmsr(uint32_t msr)
{
	return msr == 0x40000020 ? reference : msr == 0x40000022 ? 2000000000 : 0;
}

#define rdtsc()         fake_rdtsc()
#define rdmsr(msr)      fake_rdmsr(msr)
#define wrmsr(msr, val) ((void)(msr), (void)(val))
#include "adapter/hv/clock.c" /* NOLINT: see above */

static struct hv_tsc_page host_page;
static struct hv_vp vp[2];
static unsigned self;

struct hv_vp *hv_vp_self(void)
{
	return &vp[self];
}

bool hv_has(enum hv_feature feature)
{
	return feature == HV_F_TIME_REF_COUNT || feature == HV_F_FREQUENCIES;
}

static uint64_t rtc; /* ns since 1970 */

bool rtc_read(uint64_t *seconds)
{
	*seconds = rtc / NS_PER_SEC;
	return true;
}

uint64_t tsc_hz_from_cpuid(void)
{
	return 0;
}

uint64_t tsc_hz_by_pm_timer(void)
{
	return 0;
}

enum log_level log_threshold;

void log_line(enum log_level level, const char *format, ...)
{
	(void)level, (void)format;
}

_Noreturn void refuse(const char *format, ...)
{
	(void)format;
	abort();
}

void *page_alloc(size_t pages)
{
	(void)pages;
	abort();
}

/* The host's page for a TSC of `hz` that reads `at` when reference time is `ref`. */
static void set_page(uint32_t sequence, uint64_t hz, uint64_t at, uint64_t ref)
{
	host_page.scale = (uint64_t)(((unsigned __int128)10000000 << 64) / hz);
	host_page.offset =
	    (int64_t)(ref - (uint64_t)(((unsigned __int128)at * host_page.scale) >> 64));
	host_page.sequence = sequence;
	tsc = at;
	reference = ref;
}

#define RTC_AHEAD 200000000ull /* of the second that it shows */

static int setup(void **state)
{
	(void)state;
	memset(vp, 0, sizeof(vp));
	memset(&shared, 0, sizeof(shared));
	latest = 0;
	self = 0;
	page = &host_page;
	rtc = 1000000ull * NS_PER_SEC + RTC_AHEAD;
	wall_from = wall_to = 0;
	set_page(1, 2000000000, 1000000000, 50000000);
	hv_clock_init();
	return 0;
}

static void assert_near(uint64_t a, uint64_t b)
{
	assert_in_range(a + 1000 - b, 0, 2000); /* ns */
}

/* Paused for an hour, reference time with it; the TSC went on. */
static void a_pause_is_not_seen(void **state)
{
	uint64_t before = clock_now();
	uint32_t sequence = clock_scale().sequence;

	(void)state;
	set_page(2, 2000000000, tsc + 3600 * 2000000000ull, reference + 10);
	assert_false(clock_scale_current(sequence));
	assert_near(clock_now(), before + 1000);
	assert_true(clock_scale_current(clock_scale().sequence));
}

/* A machine with another TSC frequency, whose TSC is behind. */
static void another_machine_goes_on_in_time(void **state)
{
	uint64_t before = clock_now();

	(void)state;
	set_page(7, 3100000000, 12345, reference + 200000);
	assert_near(clock_now(), before + 20000000);
	tsc += 3100000000;
	assert_near(clock_now(), before + 1020000000);
}

/* While the sequence is 0 the counter's MSR is the time; VPs that looked earlier or later see no step back. */
static void a_page_taken_away_and_given_back_loses_nothing(void **state)
{
	uint64_t last = clock_now();

	(void)state;
	host_page.sequence = 0;
	for (unsigned i = 0; i < 6; i++) {
		uint64_t now;

		tsc += 2000000;
		reference += 10000;
		self = i & 1;
		now = clock_now();
		assert_true(now >= last);
		last = now;
	}
	assert_near(last, reference * 100);
	set_page(9, 2000000000, tsc + 2000, reference + 10);
	for (self = 0; self < 2; self++) {
		assert_true(clock_now() >= last);
		assert_near(clock_now(), reference * 100);
	}
}

/* All VPs work with one scale for one sequence, or the guest's clocks would differ by their rounding. */
static void every_vp_takes_the_same_scale(void **state)
{
	struct clock_scale first = clock_scale(), second;

	(void)state;
	tsc += 777;
	self = 1;
	second = clock_scale();
	assert_memory_equal(&first, &second, sizeof(first));
	set_page(2, 2000000000, tsc + 12345678, reference + 10);
	second = clock_scale();
	tsc += 777;
	self = 0;
	first = clock_scale();
	assert_memory_equal(&first, &second, sizeof(first));
}

static void pass(uint64_t ns)
{
	tsc += 2 * ns;
	reference += ns / 100;
	rtc += ns;
}

/* How far the wall clock is ahead of what the real-time clock would say if it showed nanoseconds. */
static int64_t wall_error(void)
{
	return (int64_t)(clock_wall().sec * NS_PER_SEC + clock_wall().nsec + clock_now() - rtc);
}

#define MS 1000000

static void the_real_time_clock_is_right_to_half_a_second(void **state)
{
	(void)state;
	assert_in_range(wall_error() - (500 * MS - (int64_t)RTC_AHEAD) + MS, 0, 2 * MS);
}

/* Whatever the later reading shows, it takes away from what is possible, on one side or the other. */
static void another_look_makes_it_more_exact(void **state)
{
	(void)state;
	pass(700 * MS); /* still the same second: of it 0.0 to 0.3 had passed at first */
	hv_clock_look_again();
	assert_in_range(wall_error() + 55 * MS, 0, 10 * MS);
	pass(200 * MS); /* the next one: at least 0.1 had */
	hv_clock_look_again();
	assert_in_range(wall_error() + 5 * MS, 0, 10 * MS);
}

/* Somebody has set it: what was known of it before does not count any more. */
static void a_real_time_clock_that_steps_is_believed(void **state)
{
	(void)state;
	rtc += 3600ull * NS_PER_SEC;
	hv_clock_look_again();
	assert_in_range(wall_error() - (500 * MS - (int64_t)RTC_AHEAD) + 5 * MS, 0, 10 * MS);
}

static void the_wall_clock_is_what_was_set_last(void **state)
{
	const struct clock_wall set = {1795000000, 500};

	(void)state;
	clock_set_wall(set);
	hv_clock_look_again();
	assert_int_equal(clock_wall().sec, set.sec);
	assert_int_equal(clock_wall().nsec, set.nsec);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_pause_is_not_seen),
	    TEST(another_machine_goes_on_in_time),
	    TEST(a_page_taken_away_and_given_back_loses_nothing),
	    TEST(every_vp_takes_the_same_scale),
	    TEST(the_real_time_clock_is_right_to_half_a_second),
	    TEST(another_look_makes_it_more_exact),
	    TEST(a_real_time_clock_that_steps_is_believed),
	    TEST(the_wall_clock_is_what_was_set_last),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
