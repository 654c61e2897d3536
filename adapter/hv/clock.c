/* SPDX-License-Identifier: MIT */
/*
 * Three sources, best first:
 *   the reference TSC page     one scale for all VPs, no exits; may become invalid and valid again at any time
 *   HV_MSR_TIME_REF_COUNT      each VP anchors its own scale to it, at the TSC's frequency
 *   the TSC alone              since boot, at the frequency that somebody told or that was measured
 */
#include "adapter/hv/clock.h"

#include "abi/hv/msr.h"
#include "adapter/hv/discover.h"
#include "adapter/hv/scale.h"
#include "adapter/hv/vp.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "adapter/x86/rtc.h"
#include "adapter/x86/tsc.h"

/* Where the hypervisor offers no page this stays as it is: sequence 0, not valid. */
static struct hv_tsc_page no_page;
static struct hv_tsc_page *page = &no_page;

static uint64_t tsc_hz;
static uint64_t boot_tsc;
static struct clock_wall wall;
/* In between, in ns since 1970, is UTC at clock_now() == 0, as far as is known; 0: not by the real-time clock. */
static uint64_t wall_from, wall_to;

/*
 * A scale of a VP's own may be ahead of the page by half of what it takes to read the counter. When the page becomes valid
 * again, time that was given out must not be taken back. A larger difference is not such an error: the partition was moved.
 * (The other way round nothing is needed: taking an own scale takes longer than its error.)
 */
#define DISAGREEMENT_MAX 10000000u

static struct clock_scale shared; /* what the page's current sequence stands for */
static int shared_lock;
static uint64_t latest; /* no clock_now is behind this; kept up while each VP has its own scale */

static uint64_t tsc_ordered(void)
{
	asm volatile("lfence" : : : "memory");
	return rdtsc();
}

static bool sequence_valid(uint32_t sequence)
{
	return sequence != HV_TSC_SEQUENCE_INVALID && sequence != HV_TSC_SEQUENCE_INVALID_OLD;
}

/* A consistent copy of the page, with the TSC read while it held; false where it is not valid. */
struct page_copy {
	uint32_t sequence;
	uint64_t scale;
	int64_t offset;
	uint64_t tsc;
};

static bool page_read(struct page_copy *c)
{
	do {
		c->sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
		if (!sequence_valid(c->sequence))
			return false;
		c->scale = __atomic_load_n(&page->scale, __ATOMIC_RELAXED);
		c->offset = __atomic_load_n(&page->offset, __ATOMIC_RELAXED);
		c->tsc = tsc_ordered();
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (__atomic_load_n(&page->sequence, __ATOMIC_RELAXED) != c->sequence);
	return true;
}

static bool scale_from_page(struct clock_scale *s)
{
	struct page_copy c;

	if (!page_read(&c) || !scale_set_page(s, c.scale))
		return false;
	s->tsc_base = c.tsc;
	s->ns_base = page_ns(c.scale, c.offset, c.tsc);
	s->sequence = c.sequence;
	s->stable = true;
	return true;
}

/* All VPs take the same scale for one sequence: the first that sees it makes it. */
static bool scale_shared(struct clock_scale *s)
{
	uint64_t last;
	bool ok = true;

	while (__atomic_exchange_n(&shared_lock, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
	if (!shared.mul || !clock_scale_current(shared.sequence)) {
		ok = scale_from_page(&shared);
		last = __atomic_load_n(&latest, __ATOMIC_RELAXED);
		if (last > shared.ns_base && last - shared.ns_base < DISAGREEMENT_MAX)
			shared.ns_base = last;
	}
	*s = shared;
	__atomic_store_n(&shared_lock, 0, __ATOMIC_RELEASE);
	return ok;
}

/* Reads counter and TSC together; the middle of the shortest of three attempts, since each may be interrupted. */
static void scale_anchor(struct clock_scale *s)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = tsc_ordered();
		uint64_t ref = rdmsr(HV_MSR_TIME_REF_COUNT);
		uint64_t took = tsc_ordered() - before;

		if (took < best) {
			best = took;
			s->tsc_base = before + took / 2;
			s->ns_base = ref * NS_PER_REF;
		}
	}
}

static void scale_own(struct clock_scale *s)
{
	s->sequence = __atomic_load_n(&page->sequence, __ATOMIC_RELAXED);
	s->stable = false;
	scale_set_hz(s, tsc_hz);
	if (hv_has(HV_F_TIME_REF_COUNT)) {
		scale_anchor(s);
	} else {
		s->tsc_base = boot_tsc;
		s->ns_base = 0;
	}
}

bool clock_scale_current(uint32_t sequence)
{
	return __atomic_load_n(&page->sequence, __ATOMIC_RELAXED) == sequence;
}

struct clock_scale clock_scale(void)
{
	struct clock_scale *s = &hv_vp_self()->scale;

	if (!s->mul || !clock_scale_current(s->sequence))
		if (!scale_shared(s))
			scale_own(s);
	return *s;
}

uint64_t clock_now(void)
{
	struct clock_scale s = clock_scale();
	uint64_t now = scale_ns(&s, tsc_ordered());
	uint64_t last;

	if (s.stable)
		return now;
	last = __atomic_load_n(&latest, __ATOMIC_RELAXED);
	while (now > last)
		if (__atomic_compare_exchange_n(&latest, &last, now, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return now;
	return last;
}

uint64_t hv_ref_now(void)
{
	struct page_copy c;

	return page_read(&c) ? page_ref(c.scale, c.offset, c.tsc) : rdmsr(HV_MSR_TIME_REF_COUNT);
}

bool clock_vp_runtime(uint64_t *ns)
{
	if (!hv_has(HV_F_VP_RUNTIME))
		return false;
	*ns = rdmsr(HV_MSR_VP_RUNTIME) * NS_PER_REF;
	return true;
}

uint64_t clock_tsc_hz(void)
{
	return tsc_hz;
}

struct clock_wall clock_wall(void)
{
	return wall;
}

void clock_set_wall(struct clock_wall now)
{
	wall = now;
	wall_to = 0;
}

/* The TSC against the reference counter: reading it takes some microseconds, so 20 ms give it to 0.02 %. */
static uint64_t measure_by_ref_count(void)
{
	struct clock_scale a, b;

	scale_anchor(&a);
	do
		scale_anchor(&b);
	while (b.ns_base - a.ns_base < 20000000);
	return hz_from(b.tsc_base - a.tsc_base, b.ns_base - a.ns_base);
}

static const char *find_hz(void)
{
	struct page_copy c;

	if (hv_has(HV_F_FREQUENCIES) && (tsc_hz = rdmsr(HV_MSR_TSC_FREQUENCY)))
		return "frequency MSR";
	if (page_read(&c) && (tsc_hz = page_hz(c.scale)))
		return "reference TSC page";
	if ((tsc_hz = tsc_hz_from_cpuid()))
		return "CPUID";
	if (hv_has(HV_F_TIME_REF_COUNT) && (tsc_hz = measure_by_ref_count()))
		return "reference counter";
	tsc_hz = tsc_hz_by_pm_timer();
	return "ACPI timer";
}

static void page_init(void)
{
	page = page_alloc(1);
	wrmsr(HV_MSR_REFERENCE_TSC,
	      va_to_ma(page) |
		  (rdmsr(HV_MSR_REFERENCE_TSC) & ~(HV_PAGE_MSR_GPA | HV_PAGE_MSR_ENABLE)) |
		  HV_PAGE_MSR_ENABLE);
}

/*
 * The real-time clock counts whole seconds, so a reading leaves a second in which UTC at clock_now() == 0 may lie, and a later one cuts a piece off
 * it. The middle is taken for it: waiting for the next second to begin would cost each start half a second.
 */
static bool wall_look(void)
{
	uint64_t before = clock_now(), seconds, from, to;

	if (!rtc_read(&seconds))
		return false;
	from = seconds * NS_PER_SEC - clock_now();
	to = (seconds + 1) * NS_PER_SEC - before;
	if (from < wall_to && to > wall_from) {
		from = from > wall_from ? from : wall_from;
		to = to < wall_to ? to : wall_to;
	}
	wall_from = from;
	wall_to = to;
	from += (to - from) / 2;
	wall.sec = from / NS_PER_SEC;
	wall.nsec = (uint32_t)(from % NS_PER_SEC);
	return true;
}

void hv_clock_look_again(void)
{
	if (wall_to)
		wall_look();
}

void hv_clock_init(void)
{
	struct clock_scale probe;
	const char *source;

	boot_tsc = rdtsc();
	if (hv_has(HV_F_TSC_INVARIANT))
		wrmsr(HV_MSR_TSC_INVARIANT, rdmsr(HV_MSR_TSC_INVARIANT) | HV_TSC_INVARIANT_EXPOSE);
	if (hv_has(HV_F_REFERENCE_TSC))
		page_init();
	source = find_hz();
	if (!scale_set_hz(&probe, tsc_hz))
		refuse("no usable TSC frequency: %s says %llu Hz", source,
		       (unsigned long long)tsc_hz);
	if (!wall_look())
		log_warning("no real-time clock: the guest's clock starts at 1970");
	log_info("clock: %s, TSC %llu kHz by %s",
		 clock_scale().stable          ? "reference TSC page"
		 : hv_has(HV_F_TIME_REF_COUNT) ? "reference counter"
					       : "TSC",
		 (unsigned long long)(tsc_hz / 1000), source);
}
