/* SPDX-License-Identifier: MIT */
#include "adapter/xen/time.h"

#include "adapter/seam/clock.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/console.h"
#include "adapter/xen/control.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/watchdog.h"
#include "core/string.h"

/* A version that is odd tells readers to wait (xen.h, struct vcpu_time_info and shared_info). */
static void version_begin(uint32_t *version)
{
	__atomic_store_n(version, *version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void version_end(uint32_t *version)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(version, *version + 1, __ATOMIC_RELAXED);
}

void time_set_wallclock(void)
{
	struct shared_info *s = domain.shared_info;
	struct clock_wall wall = clock_wall();

	version_begin(&s->wc_version);
	s->wc_sec = wall.sec;
	s->wc_sec_hi = wall.sec >> 32;
	s->wc_nsec = wall.nsec;
	version_end(&s->wc_version);
}

static void fill(struct vcpu_time_info *t, const struct clock_scale *scale)
{
	t->tsc_timestamp = scale->tsc_base;
	t->system_time = scale->ns_base;
	t->tsc_to_system_mul = scale->mul;
	t->tsc_shift = scale->shift;
	t->flags = scale->stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
}

/* The secondary area is a virtual address of the guest's, which may have gone: then it is not updated, as in Xen. */
static void update_area(struct vcpu *v, const struct clock_scale *scale)
{
	struct vcpu_time_info t;

	if (!v->time_area || !copy_from_guest(&t, v->time_area, sizeof(t)))
		return;
	t.version |= 1;
	if (!copy_to_guest(v->time_area, &t.version, sizeof(t.version)))
		return;
	fill(&t, scale);
	copy_to_guest((char *)v->time_area + sizeof(t.version), (char *)&t + sizeof(t.version),
		      sizeof(t) - sizeof(t.version));
	t.version++;
	copy_to_guest(v->time_area, &t.version, sizeof(t.version));
}

void time_update(struct vcpu *v)
{
	struct clock_scale scale = clock_scale();
	struct vcpu_time_info *t = &v->vp->info->time;

	version_begin(&t->version);
	fill(t, &scale);
	version_end(&t->version);
	update_area(v, &scale);
	v->clock_sequence = scale.sequence;
}

void time_refresh(struct vcpu *v)
{
	if (!clock_scale_current(v->clock_sequence))
		time_update(v);
}

void time_rearm(struct vcpu *v)
{
	const uint64_t deadlines[] = {v->singleshot, v->periodic, v->poll_timeout,
				      watchdog_deadline(v), control_deadline(v)};
	uint64_t first = 0;

	for (unsigned i = 0; i < sizeof(deadlines) / sizeof(*deadlines); i++)
		if (deadlines[i] && (!first || deadlines[i] < first))
			first = deadlines[i];
	if (first)
		timer_arm(first);
	else
		timer_disarm();
}

static void show_runstate(struct vcpu *v)
{
	struct vcpu_runstate_info *area = v->runstate_area;
	uint64_t entry = v->runstate.state_entry_time;

	if (!area)
		return;
	if (domain.runstate_update_flag) {
		entry |= XEN_RUNSTATE_UPDATE;
		if (!copy_to_guest(&area->state_entry_time, &entry, sizeof(entry)))
			return;
	}
	copy_to_guest(&area->time, &v->runstate.time, sizeof(area->time));
	copy_to_guest(&area->state, &v->runstate.state, sizeof(area->state));
	entry &= ~XEN_RUNSTATE_UPDATE;
	copy_to_guest(&area->state_entry_time, &entry, sizeof(entry));
}

static void runstate_count(struct vcpu *v, uint64_t now)
{
	struct vcpu_runstate_info *r = &v->runstate;

	r->time[r->state] += now - r->state_entry_time;
	r->state_entry_time = now;
}

void runstate_change(struct vcpu *v, int state)
{
	runstate_count(v, clock_now());
	v->runstate.state = state;
	show_runstate(v);
}

#define STEAL_EVERY 100000000 /* ns: each look costs an exit */

/* What counted as running so far and was not goes to "runnable". */
static void account_steal(struct vcpu *v, uint64_t now)
{
	struct vcpu_runstate_info *r = &v->runstate;
	uint64_t ran, stolen;

	if (now < v->steal_due || r->state == RUNSTATE_offline || !clock_vp_runtime(&ran))
		return;
	v->steal_due = now + STEAL_EVERY;
	runstate_count(v, now);
	stolen =
	    steal_since(&v->steal, r->time[RUNSTATE_running] + r->time[RUNSTATE_runnable], ran);
	if (!stolen)
		return;
	r->time[RUNSTATE_running] -= stolen;
	r->time[RUNSTATE_runnable] += stolen;
	show_runstate(v);
}

static void tick(struct vcpu *v)
{
	evtchn_raise_virq(&domain.evtchn, v->id, VIRQ_TIMER);
}

void xen_timer_expired(void)
{
	struct vcpu *v = this_vcpu();
	uint64_t now = clock_now();

	if (!v)
		return;
	time_refresh(v);
	if (v->singleshot && v->singleshot <= now) {
		v->singleshot = 0;
		tick(v);
	}
	if (v->periodic && v->periodic <= now) {
		/* Ticks that could not be taken are dropped, not bunched. */
		v->periodic += (now - v->periodic) / v->period * v->period + v->period;
		tick(v);
	}
	if (v->poll_timeout && v->poll_timeout <= now)
		v->poll_timeout = 0;
	watchdog_check(v, now);
	account_steal(v, now);
	control_check(v, now);
	time_rearm(v);
}

long do_set_timer_op(uint64_t deadline)
{
	struct vcpu *v = this_vcpu();

	v->singleshot = deadline;
	vcpu_active(v);
	time_rearm(v);
	return 0;
}
