/* SPDX-License-Identifier: MIT */
/* A partition's parts, for machine.c, which builds and runs it, and machine_control.c, which answers for it. */
#ifndef HOST_MACHINE_INTERNAL_H
#define HOST_MACHINE_INTERNAL_H

#include "host/machine.h"

#include "host/balloon.h"
#include "host/block.h"
#include "host/console.h"
#include "host/control.h"
#include "host/crash.h"
#include "host/ic/services.h"
#include "host/net.h"
#include "host/netvsp.h"
#include "host/pm.h"
#include "host/rtc.h"
#include "host/storvsp.h"
#include "host/uart.h"
#include "host/vmbus/inbox.h"

enum machine_state { MACHINE_RUNNING, MACHINE_PAUSED };

/* A network adapter that the guest is about to lose. */
struct net_leaving {
	struct machine *machine;
	struct netvsp *adapter; /* NULL: none */
	struct loop_watch timer;
	uint64_t messages; /* of its, when it was last looked at */
	unsigned looks;
};

struct machine {
	struct machine_config *config;
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
	struct storvsp *storvsp, *ide[MACHINE_MAX_IDE];
	struct ic_services ic;
	struct balloon balloon;
	struct control *control;
	time_t started;
	struct net_backend *backend[MACHINE_MAX_NETS];
	struct netvsp *netvsp[MACHINE_MAX_NETS];
	struct net_leaving net_leaving[MACHINE_MAX_NETS];
	unsigned nets_offered; /* ever: no two offers have the same instance */
	struct vcpu vcpu[MACHINE_MAX_CPUS];
	struct loop_watch end_watch;    /* eventfd: `outcome` is set */
	struct loop_watch signal_watch; /* SIGINT, SIGTERM, SIGHUP */
	_Atomic(enum outcome) outcome;
	struct vcpu_gate gate;
	enum machine_state state;
	struct loop_watch
	    crash_watch; /* eventfd: `crash` is set, and the policy keeps the partition */
	pthread_mutex_t crash_lock;
	struct crash_msrs crash_msrs;
	struct crash crash;
	bool crashed, dead; /* dead: a processor cannot go on */
};

/* From any thread: the partition shall end; the first one wins. */
void machine_end(struct machine *machine, enum outcome outcome);
/* Stops all processors until machine_resume(). */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);

/* machine_devices.c, machine_nets.c: verbs of the control socket, control.h says how. */
struct json_object *machine_attach(struct machine *machine, char *argument,
				   struct control_files *files);
struct json_object *machine_detach(struct machine *machine, char *argument,
				   struct control_files *files);
struct json_object *machine_resize(struct machine *machine, char *argument,
				   struct control_files *files);
struct json_object *machine_attach_net(struct machine *machine, char *argument,
				       struct control_files *files);
struct json_object *machine_detach_net(struct machine *machine, char *argument,
				       struct control_files *files);
struct json_object *machine_link(struct machine *machine, char *argument,
				 struct control_files *files);
/* Makes a network adapter of the configuration and offers it to the guest. 0, or -1 with a message. */
int machine_plug_net(struct machine *machine, unsigned index);
/* After vmbus_destroy(): those that machine_detach_net() has not taken away yet. */
void machine_forget_leaving_nets(struct machine *machine);
/* Opens the disk of a place and gives it to the guest. 0, or -1 and why. */
int machine_open_disk(struct machine *machine, unsigned place, struct xd_error *error);

/* Begins to answer at the control socket. 0, or -1 with a message. */
int machine_init_control(struct machine *machine);

#endif
