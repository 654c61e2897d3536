/* SPDX-License-Identifier: MIT */
/* One virtual processor: its thread, and what it does with each exit that KVM leaves to us. */
#ifndef HOST_VCPU_H
#define HOST_VCPU_H

#include "host/boot.h"
#include "host/bus.h"
#include "host/kvm.h"
#include "host/synic.h"

#include <pthread.h>
#include <stdatomic.h>

/* Why the partition ends. */
enum outcome {
	OUTCOME_NONE,
	OUTCOME_POWER_OFF,
	OUTCOME_RESET,
	OUTCOME_CRASH,
	OUTCOME_KILLED,  /* by the user */
	OUTCOME_REFUSED, /* not begun: what it takes is missing or wrong, told on stderr */
	OUTCOME_FAILED,  /* our fault or KVM's, told on stderr */
};

struct crash;
struct crash_msrs;

/* Where the processors wait while the partition is paused; one gate for all of them. */
struct vcpu_gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	atomic_bool closed;
};

void vcpu_gate_init(struct vcpu_gate *gate);
/* From now on who comes by waits; vcpu_kick() makes a processor come by. From any thread. */
void vcpu_gate_close(struct vcpu_gate *gate);
void vcpu_gate_open(struct vcpu_gate *gate);

struct vcpu {
	unsigned index;
	const struct kvm *kvm;
	const struct gmem *memory;
	const struct bus *bus;
	struct vcpu_gate *gate;
	struct crash_msrs *crash_msrs;
	struct synic_vp synic;
	/* HvPostMessage from the guest, already copied. Returns an HV_STATUS_*. */
	uint16_t (*post_message)(void *context, uint32_t connection, uint32_t type,
				 const void *payload, uint32_t length);
	/* The guest, or its processor, wants this end. */
	void (*end)(void *context, enum outcome outcome);
	/* The guest says that it crashed; `dead`: this processor cannot go on. */
	void (*crashed)(void *context, const struct crash *crash, bool dead);
	void *context;

	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	atomic_bool stop;
};

/* The caller has set the pointers and callbacks above. Only processor 0 has an entry, the others wait for it. 0 or -1. */
int vcpu_create(struct vcpu *vcpu, unsigned index, unsigned cpus, const struct boot_entry *entry,
		struct loop *loop);
int vcpu_start(struct vcpu *vcpu);
/* Makes the thread leave the guest for a moment: it delivers messages and looks whether it has to stop. */
void vcpu_kick(struct vcpu *vcpu);
/* Stops and joins the thread, where it runs. */
void vcpu_stop(struct vcpu *vcpu);
/* After vcpu_stop(): frees everything. */
void vcpu_destroy(struct vcpu *vcpu);

/* Once a process, before the first vCPU: the signal that vcpu_kick() sends. */
void vcpu_install_kick(void);

#endif
