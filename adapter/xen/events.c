/* SPDX-License-Identifier: MIT */
/* The event-channel hypercall, and what core/evtchn asks of the world. */
#include "adapter/xen/events.h"

#include "adapter/seam/vps.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/mem.h"
#include "adapter/xen/blkdev.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/netdev.h"
#include "adapter/xen/store.h"
#include "core/string.h"
#include "core/vbd.h"
#include "core/vif.h"

#define NR_PORTS 4096
#define OTHERS   2 /* xenstore's and the console's */

static void env_kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	/* The current VP looks at its events on the way back to the guest. */
	if (vcpu != vps_self())
		kick(cpumask_of(vcpu));
}

static void *env_map(void *ctx, uint64_t m)
{
	(void)ctx;
	return frame_is_guests(m) ? mfn_to_va(mfn(m)) : NULL;
}

static void env_unmap(void *ctx, void *page)
{
	(void)ctx;
	(void)page;
}

static const struct evtchn_env env = {.kick = env_kick, .map = env_map, .unmap = env_unmap};

static void *alloc_bytes(size_t bytes)
{
	return page_alloc((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* A channel for each queue that a front end may open, and two for one of the network's. */
static unsigned internals_needed(void)
{
	return OTHERS + BLKDEVS_MAX * least(domain.nr_vcpus, VBD_QUEUES_MAX) +
	       NETDEVS_MAX * 2 * least(domain.nr_vcpus, VIF_QUEUES_MAX);
}

void events_init(void)
{
	const unsigned nr_internals = internals_needed();
	const struct evtchn_config config = {
	    .env = &env,
	    .domid = GUEST_DOMID,
	    .guest_bits = 64,
	    .shared_info = domain.shared_info,
	    .vcpus = alloc_bytes(domain.nr_vcpus * sizeof(struct evtchn_vcpu)),
	    .nr_vcpus = domain.nr_vcpus,
	    .ports = alloc_bytes(NR_PORTS * sizeof(struct evtchn_port)),
	    .nr_ports = NR_PORTS,
	    .internals = alloc_bytes(nr_internals * sizeof(struct evtchn_internal)),
	    .nr_internals = nr_internals,
	};

	evtchn_init(&domain.evtchn, &config);
}

long do_event_channel_op(uint32_t cmd, void *arg)
{
	_Alignas(8) uint8_t copy[EVTCHN_OP_ARG_MAX];
	const struct evtchn_op_row *row = evtchn_op_row(cmd);
	long rc;

	if (!row)
		return -XEN_ENOSYS;
	if (!copy_from_guest(copy, arg, row->arg_size))
		return -XEN_EFAULT;
	rc = row->run(&domain.evtchn, copy);
	store_work();
	if (!rc && row->copy_out && !copy_to_guest(arg, copy, row->arg_size))
		return -XEN_EFAULT;
	return rc;
}

/* The call of Xen before 3.2: command and argument in one struct. */
long do_event_channel_op_compat(void *op)
{
	uint32_t cmd;

	if (!copy_from_guest(&cmd, op, sizeof(cmd)))
		return -XEN_EFAULT;
	return do_event_channel_op(cmd, (char *)op + offsetof(struct evtchn_op, u));
}
