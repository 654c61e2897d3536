/* SPDX-License-Identifier: MIT */
/*
 * One one-shot timer a VP. Deadlines go to the hardware as a distance from now, never as an absolute time: the clock that
 * the guest sees may lag the hypervisor's by its rounding, and an interrupt that comes early is just armed again.
 *
 * So a deadline that moves away, as the guest's does each time it goes idle, leaves the hardware as it is: writing to it is an exit, and
 * mostly another, nearer deadline is set before the old one has come.
 */
#include "adapter/hv/timer.h"
#include "adapter/hv/vmbus.h"

#include "abi/hv/msr.h"
#include "abi/hv/synic.h"
#include "abi/x86/apic.h"
#include "adapter/hv/clock.h"
#include "adapter/hv/discover.h"
#include "adapter/hv/scale.h"
#include "adapter/hv/stimer.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/irq.h"
#include "adapter/x86/log.h"

/* Longer waits are made of several; this keeps every conversion below far from overflow. */
#define WAIT_MAX_NS 1000000000000ull
#define ALARMS_MAX  4

static enum timer_kind kind;
static uint64_t apic_hz; /* TIMER_APIC_COUNT: ticks a second */
static struct hv_alarm *alarms[ALARMS_MAX];

static void hardware_arm(uint64_t wait)
{
	uint64_t ticks;

	switch (kind) {
	case TIMER_STIMER_DIRECT:
	case TIMER_STIMER_MESSAGE:
		wrmsr(HV_MSR_STIMER_COUNT(0), stimer_count(hv_ref_now(), wait));
		return;
	case TIMER_TSC_DEADLINE:
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + ns_to_ticks(wait, clock_tsc_hz()));
		return;
	case TIMER_APIC_COUNT:
		ticks = ns_to_ticks(wait, apic_hz);
		apic_timer_count(ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
		return;
	}
}

/* The soonest alarm of this VP; UINT64_MAX: none. */
static uint64_t next_alarm(void)
{
	uint64_t soonest = UINT64_MAX;

	if (vps_self())
		return soonest;
	for (unsigned i = 0; i < ALARMS_MAX && alarms[i]; i++)
		if (alarms[i]->at && alarms[i]->at < soonest)
			soonest = alarms[i]->at;
	return soonest;
}

static void ring_alarms(uint64_t now)
{
	if (next_alarm() > now)
		return;
	for (unsigned i = 0; i < ALARMS_MAX && alarms[i]; i++) {
		if (alarms[i]->at && alarms[i]->at <= now) {
			alarms[i]->at = 0;
			alarms[i]->ring();
		}
	}
}

static void program(struct hv_vp *vp)
{
	uint64_t deadline = vp->armed ? vp->deadline : UINT64_MAX;
	uint64_t alarm = next_alarm();
	uint64_t now = clock_now();
	uint64_t wait;

	if (deadline > alarm)
		deadline = alarm;
	if (timer_suffices(vp->programmed, now, deadline))
		return;
	wait = deadline > now ? deadline - now : 0;
	if (wait > WAIT_MAX_NS)
		wait = WAIT_MAX_NS;
	vp->programmed = now + wait;
	hardware_arm(wait);
}

void timer_arm(uint64_t deadline)
{
	struct hv_vp *vp = hv_vp_self();

	vp->deadline = deadline;
	vp->armed = true;
	program(vp);
}

void timer_disarm(void)
{
	hv_vp_self()->armed = false;
}

/* An interrupt says only "look": it may be early, or stem from a deadline that was replaced meanwhile. */
static void expire(void)
{
	struct hv_vp *vp = hv_vp_self();
	uint64_t now = clock_now();
	bool due = vp->armed && now >= vp->deadline;

	vp->programmed = 0;
	if (due)
		vp->armed = false;
	hv_channel_speak();
	ring_alarms(now);
	if (due)
		xen_timer_expired();
	else if (vp->armed || next_alarm() != UINT64_MAX)
		program(vp);
	if (due && !vp->armed && next_alarm() != UINT64_MAX)
		program(vp);
}

static void timer_interrupt(void)
{
	apic_eoi();
	expire();
}

/*
 * The slot must be free before the next message can come. PENDING, set while it was taken, asks to be told of that; the
 * hypervisor may set it up to the moment when the slot is freed, so it is read after (TLFS, "SynIC Message Flags").
 */
static void message_interrupt(void)
{
	struct hv_message *slot = &hv_vp_self()->messages->slot[HV_SINT_TIMER];
	uint32_t type = __atomic_load_n(&slot->type, __ATOMIC_ACQUIRE);

	if (type != HV_MESSAGE_NONE) {
		__atomic_store_n(&slot->type, HV_MESSAGE_NONE, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & HV_MESSAGE_FLAG_PENDING)
			wrmsr(HV_MSR_EOM, 0);
	}
	apic_eoi();
	expire();
}

static uint64_t apic_timer_hz(void)
{
	uint64_t start, took;
	uint32_t left;

	if (hv_has(HV_F_FREQUENCIES)) {
		uint64_t hz = rdmsr(HV_MSR_APIC_FREQUENCY);

		if (hz)
			return hz;
	}
	apic_timer_use_count();
	start = clock_now();
	apic_timer_count(UINT32_MAX);
	do
		took = clock_now() - start;
	while (took < 10000000);
	left = apic_timer_now();
	took = clock_now() - start;
	apic_timer_count(0);
	return hz_from(UINT32_MAX - left, took);
}

void hv_timer_init(void)
{
	static const char *const names[] = {
	    [TIMER_STIMER_DIRECT] = "synthetic, direct",
	    [TIMER_STIMER_MESSAGE] = "synthetic, by message",
	    [TIMER_TSC_DEADLINE] = "APIC, TSC deadline",
	    [TIMER_APIC_COUNT] = "APIC, counting",
	};

	kind = timer_choose(hv_has(HV_F_STIMER), hv_has(HV_F_STIMER_DIRECT),
			    hv_has(HV_F_TSC_DEADLINE));
	irq_register(VECTOR_TIMER, timer_interrupt);
	irq_register(VECTOR_APIC_TIMER, timer_interrupt);
	irq_register(VECTOR_SINT_MSG, message_interrupt);
	if (kind == TIMER_APIC_COUNT) {
		apic_hz = apic_timer_hz();
		if (!apic_hz)
			panic("the APIC timer does not count");
	}
	log_info("timer: %s", names[kind]);
}

void hv_timer_vp_init(struct hv_vp *vp)
{
	vp->armed = false;
	switch (kind) {
	case TIMER_STIMER_DIRECT:
	case TIMER_STIMER_MESSAGE:
		if (kind == TIMER_STIMER_MESSAGE)
			wrmsr(HV_MSR_SINT(HV_SINT_TIMER), VECTOR_SINT_MSG);
		wrmsr(HV_MSR_STIMER_CONFIG(0), 0);
		wrmsr(HV_MSR_STIMER_CONFIG(0), stimer_config(kind, VECTOR_TIMER, HV_SINT_TIMER));
		return;
	case TIMER_TSC_DEADLINE: apic_timer_use_deadline(); return;
	case TIMER_APIC_COUNT: apic_timer_use_count(); return;
	}
}

void hv_alarm_set(struct hv_alarm *alarm, uint64_t at)
{
	unsigned i;

	for (i = 0; i < ALARMS_MAX && alarms[i] && alarms[i] != alarm; i++)
		;
	if (i == ALARMS_MAX)
		panic("too many alarms");
	alarms[i] = alarm;
	alarm->at = at;
	program(hv_vp_self());
}
