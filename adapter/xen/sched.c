/* SPDX-License-Identifier: MIT */
#include "core/xen_abi.h"
#include <xen/sched.h>

#include "adapter/seam/clock.h"
#include "adapter/seam/power.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/console.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/ops.h"
#include "adapter/xen/time.h"
#include "adapter/xen/upcall.h"
#include "adapter/xen/vcpu.h"
#include "adapter/xen/watchdog.h"

static long yield(void *arg)
{
	(void)arg;
	vcpu_active(this_vcpu());
	/* It may spin for what has been put off. */
	if (!vp_about_to_wait())
		vp_spin_hint();
	vcpu_window();
	return 0;
}

/* Interrupts set what we wait for, and cannot slip in between the look and the wait: they are off until irq_wait. */
static long block(void *arg)
{
	struct vcpu *v = this_vcpu();

	(void)arg;
	vcpu_active(v);
	upcall_unmask(v->vp->info);
	if (upcall_pending(v->vp->info))
		return 0;
	runstate_change(v, RUNSTATE_blocked);
	while (!upcall_pending(v->vp->info) && !vp_asked(v->vp)) {
		if (!vp_about_to_wait())
			irq_wait();
	}
	vcpu_answer_soon();
	time_refresh(v);
	runstate_change(v, RUNSTATE_running);
	return 0;
}

#define POLL_PORTS_MAX 128

/* Whether the guest has something to do besides what it waits for. */
static bool called(const struct vcpu *v)
{
	return vp_asked(v->vp) || (upcall_pending(v->vp->info) && !upcall_masked(v->vp->info));
}

/*
 * An upcall that is due ends the wait too: the holder of the lock that this vCPU polls for may itself be waiting for this vCPU to
 * answer an IPI.
 */
static void poll_wait(struct vcpu *v, const struct sched_poll *poll)
{
	bool timed = poll->timeout != 0;

	vcpu_active(v);
	v->poll_timeout = poll->timeout;
	if (timed)
		time_rearm(v);
	runstate_change(v, RUNSTATE_blocked);
	while (evtchn_poll_waits(&domain.evtchn, v->id) && !called(v) &&
	       !(timed && !v->poll_timeout)) {
		if (!vp_about_to_wait())
			irq_wait();
	}
	vcpu_answer_soon();
	v->poll_timeout = 0;
	if (timed)
		time_rearm(v);
	runstate_change(v, RUNSTATE_running);
}

static long poll(void *arg)
{
	const struct sched_poll *p = arg;
	evtchn_port_t ports[POLL_PORTS_MAX];
	struct vcpu *v = this_vcpu();
	int error = 0;

	if (p->nr_ports > POLL_PORTS_MAX)
		return -XEN_EINVAL;
	if (!copy_from_guest(ports, p->ports.p, p->nr_ports * sizeof(*ports)))
		return -XEN_EFAULT;
	if (!evtchn_poll_begin(&domain.evtchn, v->id, ports, p->nr_ports, &error) && !error)
		poll_wait(v, p);
	evtchn_poll_end(&domain.evtchn, v->id);
	return error;
}

static _Noreturn void crash(void)
{
	static const char message[] = "Xen PV guest crashed (SCHEDOP_shutdown)";
	const uint64_t params[5] = {SHUTDOWN_crash, this_vcpu()->id};

	log_error("guest crash: it says so itself (vCPU %u)", this_vcpu()->id);
	power_crash(params, message, sizeof(message) - 1);
}

static long shutdown_guest(void *arg)
{
	const struct sched_shutdown *s = arg;

	vp_about_to_wait();
	console_drain();
	switch (s->reason) {
	case SHUTDOWN_poweroff: power_off();
	case SHUTDOWN_reboot:
	case SHUTDOWN_soft_reset: power_reset();
	case SHUTDOWN_suspend: return 1; /* cancelled: there is nowhere to be suspended to */
	case SHUTDOWN_crash:
	case SHUTDOWN_watchdog: crash();
	default: return -XEN_EINVAL;
	}
}

static long shutdown_code(void *arg)
{
	(void)arg; /* only remembered by Xen for when the guest crashes later */
	return 0;
}

/* clang-format off */
static const struct op sched_ops[] = {
	OP0_ROW(SCHEDOP_yield, yield)
	OP0_ROW(SCHEDOP_block, block)
	OP_ROW(SCHEDOP_shutdown, shutdown_guest, struct sched_shutdown, IN)
	OP_ROW(SCHEDOP_poll, poll, struct sched_poll, IN)
	DENY_ROW(SCHEDOP_remote_shutdown, XEN_EPERM, "for the toolstack")
	OP_ROW(SCHEDOP_shutdown_code, shutdown_code, struct sched_shutdown, IN)
	OP_ROW(SCHEDOP_watchdog, watchdog_set, struct sched_watchdog, IN)
	DENY_ROW(SCHEDOP_pin_override, XEN_EPERM, "for the hardware domain")
};
/* clang-format on */

long do_sched_op(uint32_t cmd, void *arg)
{
	return op_run(sched_ops, sizeof(sched_ops) / sizeof(*sched_ops), cmd, arg);
}

/* The old call, whose shutdown reason is the argument itself. */
long do_sched_op_compat(uint32_t cmd, uint64_t arg)
{
	switch (cmd) {
	case SCHEDOP_yield: return yield(NULL);
	case SCHEDOP_block: return block(NULL);
	case SCHEDOP_shutdown: return shutdown_guest(&(struct sched_shutdown){.reason = arg});
	default: return -XEN_ENOSYS;
	}
}
