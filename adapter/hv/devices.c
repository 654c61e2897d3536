/* SPDX-License-Identifier: MIT */
/* Which drivers there are for the devices on VMBus. */
#include "adapter/hv/balloon.h"
#include "adapter/hv/clock.h"
#include "adapter/hv/discover.h"
#include "adapter/hv/hv.h"
#include "adapter/hv/netvsc.h"
#include "adapter/hv/ic.h"
#include "adapter/hv/storvsc.h"
#include "adapter/hv/synic.h"
#include "adapter/hv/vmbus.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/control.h"
#include "adapter/x86/log.h"

/* A host under load takes its time; a guest without its root disk is of no use. */
#define SETTLE_NS 10000000000ull

/* A guest looks at the wall clock once, as it starts. Hosts tell the time as soon as they are asked for it. */
#define TIME_NS 1000000000ull

static void await_time(void)
{
	uint64_t deadline = clock_now() + TIME_NS;

	while (hv_ic_time_comes() && clock_now() < deadline)
		hv_synic_wait();
}

static void find_devices(unsigned mtu)
{
	if (!hv_has(HV_F_VMBUS)) {
		log_info("vmbus: not offered: no disks, no network");
		return;
	}
	storvsc_init();
	netvsc_init(mtu);
	ic_init();
	balloon_init();
	hv_vmbus_connect();
	if (!hv_vmbus_settle(SETTLE_NS))
		log_warning("vmbus: some device is not ready yet; the guest starts without it");
	storvsc_begin();
	netvsc_begin();
	await_time();
}

void hv_devices_init(unsigned mtu)
{
	find_devices(mtu);
	hv_clock_look_again();
	xen_control_wall_changed();
}
