/* SPDX-License-Identifier: MIT */
#include "core/xen_abi.h"
#include "adapter/xen/watchdog.h"

#include <xen/sched.h>

#include "adapter/seam/clock.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/time.h"

#define WATCHDOGS 2 /* as Xen; the guest numbers them from 1 */
#define SECOND    1000000000ull

static struct watchdog {
	uint64_t deadline; /* 0: free */
	unsigned vcpu;
} watchdogs[WATCHDOGS];
static struct lock lock;

uint64_t watchdog_deadline(const struct vcpu *v)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < WATCHDOGS; i++) {
		const struct watchdog *w = &watchdogs[i];

		if (w->deadline && w->vcpu == v->id && (!first || w->deadline < first))
			first = w->deadline;
	}
	return first;
}

void watchdog_check(const struct vcpu *v, uint64_t now)
{
	uint64_t deadline = watchdog_deadline(v);

	if (deadline && deadline <= now)
		guest_crash(NULL, "its watchdog expired");
}

/* The index that a request is about, or a negative error. */
static int choose(const struct sched_watchdog *w)
{
	if (w->id > WATCHDOGS || (!w->id && !w->timeout))
		return -XEN_EINVAL;
	if (w->id)
		return watchdogs[w->id - 1].deadline ? (int)w->id - 1 : -XEN_EINVAL;
	for (int i = 0; i < WATCHDOGS; i++)
		if (!watchdogs[i].deadline)
			return i;
	return -XEN_ENOSPC;
}

long watchdog_set(void *arg)
{
	const struct sched_watchdog *w = arg;
	struct vcpu *v = this_vcpu();
	int i;

	lock_take(&lock);
	i = choose(w);
	if (i >= 0)
		watchdogs[i] = (struct watchdog){
		    .deadline = w->timeout ? clock_now() + w->timeout * SECOND : 0,
		    .vcpu = v->id,
		};
	lock_drop(&lock);
	time_rearm(v);
	if (i < 0)
		return i;
	return w->id ? 0 : i + 1;
}
