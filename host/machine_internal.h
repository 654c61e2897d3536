/* SPDX-License-Identifier: MIT */
/* A partition's parts, for machine.c, which builds and runs it, and machine_control.c, which answers for it. */
#ifndef HOST_MACHINE_INTERNAL_H
#define HOST_MACHINE_INTERNAL_H

#include "host/machine.h"

#include "host/block.h"
#include "host/console.h"
#include "host/control.h"
#include "host/ic/services.h"
#include "host/net.h"
#include "host/netvsp.h"
#include "host/pm.h"
#include "host/rtc.h"
#include "host/storvsp.h"
#include "host/uart.h"
#include "host/vmbus/inbox.h"

struct machine {
	const struct machine_config *config;
	struct kvm *kvm;
	struct gmem memory;
	struct loop loop;
	struct bus bus;
	struct pm pm;
	struct rtc rtc;
	struct uart uart;
	struct console console;
	struct vmbus *vmbus;
	struct inbox inbox;
	struct block_pool block_pool;
	struct block block[MACHINE_MAX_DISKS];
	struct storvsp *storvsp;
	struct ic_services ic;
	struct control *control;
	time_t started;
	struct net_backend *backend[MACHINE_MAX_NETS];
	struct netvsp *netvsp[MACHINE_MAX_NETS];
	struct vcpu vcpu[MACHINE_MAX_CPUS];
	struct loop_watch end_watch;    /* eventfd: `outcome` is set */
	struct loop_watch signal_watch; /* SIGINT, SIGTERM, SIGHUP */
	_Atomic(enum outcome) outcome;
};

/* From any thread: the partition shall end; the first one wins. */
void machine_end(struct machine *machine, enum outcome outcome);
/* Opens the control socket. 0, or -1 with a message. */
int machine_init_control(struct machine *machine);

#endif
