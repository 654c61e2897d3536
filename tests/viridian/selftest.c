/* SPDX-License-Identifier: MIT */
/*
 * Boots as the adapter does, but instead of a guest runs what adapter/hv promises (adapter/seam/{clock,vps}.h) against the
 * hypervisor beneath, on every VP there is. Linked with the adapter's own objects; adapter/hv/tests.mk says how.
 * tests/viridian/run reads the lines "xenolith: ok …". Options: no-hv=… as the adapter's, end=off|reset|crash|early|early-vp.
 */
#include "abi/x86/apic.h"
#include "adapter/boot/bootinfo.h"
#include "adapter/boot/memory.h"
#include "adapter/hv/discover.h"
#include "adapter/hv/hv.h"
#include "adapter/hv/vp.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/console.h"
#include "adapter/seam/power.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/acpi.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/image.h"
#include "adapter/x86/irq.h"
#include "adapter/x86/log.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/smpboot.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/uart.h"
#include "adapter/x86/vp.h"
#include "core/string.h"

#define MS 1000000ull

/* No promise, but a timer that is later than this on a busy machine is as good as lost. */
#define LATE (2000 * MS)

/* Whoever reads it has an exception. */
#define NO_MSR 0x4fffffffu

static char no_hv[256];
static char end[16];

/* One a VP, so that they can be counted at the same time. */
static struct {
	uint64_t fired, fired_at, kicks;
	void (*work)(void); /* set by VP 0, cleared by the VP when it is done */
	bool alive, failed;
} on[MAX_VPS];

static uint64_t read_once(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* The Xen side's callbacks; the linker puts these in their place. */
void __wrap_xen_timer_expired(void);
void __wrap_xen_timer_expired(void)
{
	unsigned self = vps_self();

	on[self].fired_at = clock_now();
	__atomic_fetch_add(&on[self].fired, 1, __ATOMIC_SEQ_CST);
}

static uint64_t inputs;

void __wrap_xen_console_input(void);
void __wrap_xen_console_input(void)
{
	inputs++;
}

static void kicked(void)
{
	apic_eoi();
	__atomic_fetch_add(&on[vps_self()].kicks, 1, __ATOMIC_SEQ_CST);
}

void trap_dispatch(struct frame *f);

/* How many kicks were taken of one that finds the adapter at `rip`; *rip is where it goes on. */
static unsigned kick_at(uint64_t *rip, uint64_t rflags)
{
	struct frame f = {.vector = VECTOR_KICK, .rip = *rip, .rflags = rflags};
	unsigned before = on[vps_self()].kicks;

	trap_dispatch(&f);
	*rip = f.rip;
	return on[vps_self()].kicks - before;
}

static bool an_interrupt_ahead_of_the_wait_ends_it(void)
{
	uint64_t at = (uint64_t)irq_wait_hlt, elsewhere = at - 1;

	return kick_at(&at, RFLAGS_IF) == 1 && at == (uint64_t)irq_wait_hlt + 1 &&
	       kick_at(&elsewhere, RFLAGS_IF) == 1 && elsewhere == (uint64_t)irq_wait_hlt - 1;
}

static bool with_interrupts_off_none_is_taken(void)
{
	uint64_t at = (uint64_t)irq_wait_hlt;

	return kick_at(&at, 0) == 0;
}

static void pass_time(uint64_t ns)
{
	uint64_t until = clock_now() + ns;

	while (clock_now() < until)
		irq_window();
}

/* Waits for the timer's next expiry after `count`, at most five seconds. */
static bool fires(uint64_t count)
{
	uint64_t until = clock_now() + 5000 * MS;

	while (read_once(&on[vps_self()].fired) == count) {
		if (clock_now() > until)
			return false;
		irq_window();
		cpu_relax();
	}
	return true;
}

static void run_everywhere(void (*work)(void))
{
	for (unsigned i = 1; i < vps_count(); i++)
		__atomic_store_n(&on[i].work, work, __ATOMIC_RELEASE);
	work();
	for (unsigned i = 1; i < vps_count(); i++)
		while (__atomic_load_n(&on[i].work, __ATOMIC_ACQUIRE))
			irq_window();
}

/* --- what stays true --------------------------------------------------------------------------------------------- */

static bool every_vp_starts(void)
{
	for (unsigned i = 0; i < vps_count(); i++)
		if (!on[i].alive || !(hv_started().bits >> i & 1))
			return false;
	return true;
}

static bool the_clock_agrees_with_the_reference_counter(void)
{
	if (!hv_has(HV_F_TIME_REF_COUNT))
		return true;
	for (unsigned i = 0; i < 50; i++) {
		uint64_t before = clock_now();
		uint64_t reference = rdmsr(HV_MSR_TIME_REF_COUNT) * 100;
		uint64_t after = clock_now();

		/* A scale of this VP's own was anchored within one read of the counter, and may be off by its length. */
		uint64_t slack = clock_scale().stable ? 200 : 2 * (after - before) + MS;

		if (reference + slack < before || reference > after + slack)
			return false;
		pass_time(MS);
	}
	return true;
}

static bool the_tsc_runs_at_the_stated_rate(void)
{
	uint64_t tsc = rdtsc(), now = clock_now(), ticks, ns;

	pass_time(100 * MS);
	ticks = rdtsc() - tsc;
	ns = clock_now() - now;
	ticks = ticks * 1000 / (clock_tsc_hz() / MS);
	return ticks > ns - ns / 50 && ticks < ns + ns / 50;
}

static int order_lock;
static uint64_t order_last;

static void look_at_the_clock(void)
{
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t now;

		while (__atomic_exchange_n(&order_lock, 1, __ATOMIC_ACQUIRE))
			irq_window();
		now = clock_now();
		if (now < order_last)
			on[vps_self()].failed = true;
		order_last = now;
		__atomic_store_n(&order_lock, 0, __ATOMIC_RELEASE);
	}
}

static bool nobody_failed(void)
{
	bool ok = true;

	for (unsigned i = 0; i < MAX_VPS; i++) {
		ok &= !on[i].failed;
		on[i].failed = false;
	}
	return ok;
}

/*
 * The hypervisor may take the page's word back and give it again, as it does when it moves the partition. KVM's page is
 * the guest's own memory, so we can do it ourselves; where the page does not take our writes there is nothing to see.
 */
static void look_while_the_page_comes_and_goes(void)
{
	struct hv_tsc_page *page;
	uint32_t sequence;

	if (vps_self() != 0) {
		look_at_the_clock();
		return;
	}
	page = ma_to_va(rdmsr(HV_MSR_REFERENCE_TSC) & HV_PAGE_MSR_GPA);
	sequence = __atomic_load_n(&page->sequence, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 40; i++) {
		__atomic_store_n(&page->sequence, i % 2 ? sequence + i : 0, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&page->sequence, __ATOMIC_SEQ_CST) == sequence)
			return;
		if (clock_scale().stable != i % 2)
			on[0].failed = true;
		pass_time(MS);
	}
}

static bool the_clock_goes_on_when_its_source_changes(void)
{
	if (!hv_has(HV_F_REFERENCE_TSC) || !clock_scale().stable)
		return true;
	run_everywhere(look_while_the_page_comes_and_goes);
	return nobody_failed() && clock_scale().stable;
}

static bool the_clock_is_monotonic_across_vps(void)
{
	run_everywhere(look_at_the_clock);
	return nobody_failed();
}

static void use_the_timer(void)
{
	unsigned self = vps_self();

	for (unsigned i = 0; i < 25; i++) {
		uint64_t fired = on[self].fired;
		uint64_t deadline = clock_now() + MS / 2 + i * MS / 5;

		timer_arm(deadline);
		if (!fires(fired) || on[self].fired != fired + 1 || on[self].fired_at < deadline ||
		    on[self].fired_at > deadline + LATE)
			on[self].failed = true;
	}
}

static bool each_deadline_fires_once_and_never_early_on_all_vps_at_once(void)
{
	run_everywhere(use_the_timer);
	return nobody_failed();
}

static bool a_deadline_in_the_past_fires_at_once(void)
{
	uint64_t fired = on[0].fired;

	timer_arm(0);
	if (!fires(fired))
		return false;
	timer_arm(clock_now() - 1);
	return fires(fired + 1) && on[0].fired == fired + 2;
}

static bool a_disarmed_timer_stays_silent(void)
{
	uint64_t fired = on[0].fired;

	timer_arm(clock_now() + 3 * MS);
	timer_disarm();
	timer_disarm();
	pass_time(30 * MS);
	return on[0].fired == fired;
}

static bool a_new_deadline_replaces_the_old_one(void)
{
	uint64_t fired = on[0].fired, start = clock_now();

	timer_arm(start + 2 * MS);
	timer_arm(start + 50 * MS);
	if (!fires(fired) || on[0].fired_at < start + 50 * MS)
		return false;
	timer_arm(start + 60000 * MS);
	timer_arm(clock_now() + MS);
	if (!fires(fired + 1))
		return false;
	pass_time(10 * MS);
	return on[0].fired == fired + 2;
}

static bool a_far_deadline_is_kept(void)
{
	uint64_t fired = on[0].fired;

	timer_arm(UINT64_MAX);
	pass_time(10 * MS);
	timer_disarm();
	return on[0].fired == fired;
}

static bool each_kick_arrives(void)
{
	cpumask_t all = hv_started();

	for (unsigned round = 0; round < 100; round++) {
		uint64_t until = clock_now() + 5000 * MS;
		uint64_t before[MAX_VPS];

		for (unsigned i = 0; i < vps_count(); i++)
			before[i] = read_once(&on[i].kicks);
		kick(all);
		for (unsigned i = 0; i < vps_count(); i++)
			while (read_once(&on[i].kicks) == before[i]) {
				if (clock_now() > until)
					return false;
				irq_window();
			}
	}
	return true;
}

static bool a_kick_reaches_nobody_else(void)
{
	uint64_t before[MAX_VPS];

	for (unsigned i = 0; i < vps_count(); i++)
		before[i] = read_once(&on[i].kicks);
	kick((cpumask_t){0});
	kick((cpumask_t){~hv_started().bits});
	kick(cpumask_of(0));
	pass_time(20 * MS);
	for (unsigned i = 1; i < vps_count(); i++)
		if (read_once(&on[i].kicks) != before[i])
			return false;
	return on[0].kicks == before[0] + 1;
}

/* A page that all VPs read through their TLBs while VP 0 changes what it maps. */
#define PROBE_VA     (MMIO_VIRT + (1ull << 38))
#define PROBE_FLAGS  (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX) /* not global */
#define PROBE_ROUNDS 50

static uint64_t probe_ma[2];
static uint64_t probe_expected, probe_seen[MAX_VPS];
static bool probe_stop;

static void read_the_page(void)
{
	unsigned self = vps_self();

	while (!__atomic_load_n(&probe_stop, __ATOMIC_ACQUIRE)) {
		/* What is expected is read first: the page must be at least as new. */
		uint64_t expected = read_once(&probe_expected);
		uint64_t value = read_once((const uint64_t *)PROBE_VA);

		if (value < expected)
			on[self].failed = true;
		__atomic_store_n(&probe_seen[self], value, __ATOMIC_RELEASE);
		irq_window();
	}
}

static void change_the_page(bool whole)
{
	for (uint64_t round = 1; round <= PROBE_ROUNDS; round++) {
		uint64_t ma = probe_ma[round % 2];
		uint64_t value = read_once(&probe_expected) + 1;

		*(uint64_t *)ma_to_va(ma) = value;
		map_page(PROBE_VA, ma, PROBE_FLAGS);
		if (whole)
			tlb_flush(hv_started());
		else
			tlb_flush_page(hv_started(), PROBE_VA);
		__atomic_store_n(&probe_expected, value, __ATOMIC_SEQ_CST);
		if (read_once((const uint64_t *)PROBE_VA) != value)
			on[0].failed = true;
		pass_time(MS / 5);
	}
}

static bool nobody_reads_through_a_flushed_translation(bool whole)
{
	if (!probe_ma[0]) {
		probe_ma[0] = va_to_ma(page_alloc(1));
		probe_ma[1] = va_to_ma(page_alloc(1));
		map_page(PROBE_VA, probe_ma[0], PROBE_FLAGS);
	}
	probe_stop = false;
	for (unsigned i = 1; i < vps_count(); i++)
		__atomic_store_n(&on[i].work, read_the_page, __ATOMIC_RELEASE);
	change_the_page(whole);
	__atomic_store_n(&probe_stop, true, __ATOMIC_RELEASE);
	for (unsigned i = 1; i < vps_count(); i++)
		while (__atomic_load_n(&on[i].work, __ATOMIC_ACQUIRE))
			irq_window();
	return nobody_failed();
}

static bool after_tlb_flush_nobody_sees_the_old_page(void)
{
	return nobody_reads_through_a_flushed_translation(true);
}

static bool after_tlb_flush_page_nobody_sees_the_old_page(void)
{
	return nobody_reads_through_a_flushed_translation(false);
}

static void flush_the_others(void)
{
	for (unsigned i = 0; i < 30; i++)
		tlb_flush((cpumask_t){hv_started().bits & ~cpumask_of(vps_self()).bits});
}

static bool vps_that_flush_one_another_do_not_wait_for_ever(void)
{
	run_everywhere(flush_the_others);
	return true;
}

static bool a_spin_hint_returns(void)
{
	vp_spin_hint();
	return true;
}

static bool the_wall_clock_shows_this_century(void)
{
	return acpi_no_rtc() || clock_wall().sec > 1790000000;
}

/* A vector that nobody has registered: what firmware has left behind comes so. */
#define STRAY 0x31

static bool a_stray_interrupt_ends_and_nothing_else(void)
{
	struct frame f = {.vector = STRAY, .rip = 1, .cs = SEL_KERNEL_CS, .rflags = RFLAGS_IF};
	unsigned before = on[vps_self()].kicks;

	apic_send(vps_apic_id(vps_self()), APIC_ICR_FIXED | STRAY);
	for (unsigned i = 0; i < 1000; i++)
		irq_window();
	if (apic_in_service(STRAY))
		return false;
	/* One that struck in the guest, which has opened no such gate. */
	trap_dispatch(&f);
	kick(cpumask_of(vps_self()));
	for (unsigned i = 0; i < 1000000 && on[vps_self()].kicks == before; i++)
		irq_window();
	return on[vps_self()].kicks != before && f.rip == 1;
}

/* --- start ------------------------------------------------------------------------------------------------------- */

#define TEST(name)          \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
    TEST(every_vp_starts),
    TEST(the_clock_agrees_with_the_reference_counter),
    TEST(the_tsc_runs_at_the_stated_rate),
    TEST(the_clock_is_monotonic_across_vps),
    TEST(the_clock_goes_on_when_its_source_changes),
    TEST(the_wall_clock_shows_this_century),
    TEST(each_deadline_fires_once_and_never_early_on_all_vps_at_once),
    TEST(a_deadline_in_the_past_fires_at_once),
    TEST(a_disarmed_timer_stays_silent),
    TEST(a_new_deadline_replaces_the_old_one),
    TEST(a_far_deadline_is_kept),
    TEST(each_kick_arrives),
    TEST(a_kick_reaches_nobody_else),
    TEST(after_tlb_flush_nobody_sees_the_old_page),
    TEST(after_tlb_flush_page_nobody_sees_the_old_page),
    TEST(vps_that_flush_one_another_do_not_wait_for_ever),
    TEST(a_spin_hint_returns),
    TEST(an_interrupt_ahead_of_the_wait_ends_it),
    TEST(with_interrupts_off_none_is_taken),
    TEST(a_stray_interrupt_ends_and_nothing_else),
};
#define TESTS (sizeof(tests) / sizeof(tests[0]))

static void secondary(void *arg)
{
	struct vp *vp = arg;
	unsigned self = vp->id;

	if (!strcmp(end, "early-vp"))
		rdmsr(NO_MSR);
	vp_load(vp);
	hv_vp_init(self);
	__atomic_store_n(&on[self].alive, true, __ATOMIC_RELEASE);
	for (;;) {
		void (*work)(void) = __atomic_load_n(&on[self].work, __ATOMIC_ACQUIRE);

		if (work) {
			work();
			__atomic_store_n(&on[self].work, NULL, __ATOMIC_RELEASE);
		}
		irq_window();
		cpu_relax();
	}
}

static void start_everybody(void)
{
	on[0].alive = true;
	for (unsigned i = 1; i < vps_count(); i++)
		if (smp_start(i, vp_of(i), secondary, vp_of(i)))
			while (!__atomic_load_n(&on[i].alive, __ATOMIC_ACQUIRE))
				cpu_relax();
}

static _Noreturn void on_vp_0(void)
{
	vp_load(vp_of(0));
	hv_vp_init(0);
	hv_console_init();
	start_everybody();
	log_info("1..%lu", TESTS);
	for (unsigned i = 0; i < TESTS; i++)
		log_info("%s %u - %s", tests[i].run() ? "ok" : "not ok", i + 1, tests[i].name);
	if (!strcmp(end, "crash"))
		panic("as asked");
	if (!strcmp(end, "reset"))
		power_reset();
	power_off();
}

/* Copies the value of `key` out of the command line; leaves `value` empty where it is not there. */
static void option(const char *cmdline, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);

	for (const char *p = cmdline; *p; p++) {
		if (strncmp(p, key, length))
			continue;
		for (p += length; *p && *p != ' ' && --size; p++)
			*value++ = *p;
		*value = '\0';
		return;
	}
}

_Noreturn void adapter_main(const struct bootinfo *boot)
{
	unsigned vps;
	const char *why;

	uart_init();
	acpi_init(boot->rsdp);
	option(boot->cmdline, "no-hv=", no_hv, sizeof(no_hv));
	option(boot->cmdline, "end=", end, sizeof(end));
	if (!strcmp(end, "early"))
		rdmsr(NO_MSR);
	why = hv_discover(no_hv[0] ? no_hv : NULL);
	if (why)
		refuse("%s", why);
	vps = acpi_cpu_count() ? acpi_cpu_count() : 1;
	memory_init(boot, image_end - image_start, vps < MAX_VPS ? vps : MAX_VPS, 0);
	paging_init(memory_top());
	hv_boot_init();
	idt_init();
	irq_register(VECTOR_KICK, kicked);
	for (unsigned i = 0; i < vps_count(); i++)
		vp_create(i, true);
	asm volatile("mov %0, %%rsp\n\tcall *%1" : : "r"(vp_of(0)), "r"(on_vp_0) : "memory");
	__builtin_unreachable();
}
