/* SPDX-License-Identifier: MIT */
/*
 * The host's end of the synthetic interrupt controllers: messages and event flags into the pages that each virtual
 * processor registered. KVM keeps the registers and raises the interrupts; TLFS 6.0b, "Inter-Partition Communication".
 *
 * A message is written by the thread of its processor alone, between two runs of the guest: KVM's own timers write to
 * the same page from that thread, so nothing else keeps the two apart. An event flag is one atomic bit; any thread may
 * set it.
 */
#ifndef HOST_SYNIC_H
#define HOST_SYNIC_H

#include "abi/hv/synic.h"
#include "host/gmem.h"
#include "host/kvm.h"
#include "host/loop.h"

#include <pthread.h>
#include <stdatomic.h>

#define SYNIC_VMBUS_SINT 2u
/* Messages that wait for their slot; a guest that reads none of them loses those beyond. */
#define SYNIC_QUEUE 512u

struct synic_vp {
	const struct gmem *memory;
	struct loop *loop;
	/* Host addresses of the guest's pages, NULL where it has none. */
	_Atomic(struct hv_message_page *) messages;
	_Atomic(struct hv_event_flags_page *) events;
	int trigger; /* eventfd: raises the VMBus SINT */
	int ended;   /* eventfd: the guest ended that interrupt or freed the slot */
	struct loop_watch ended_watch;
	/* Makes the processor's thread call synic_deliver(). */
	void (*kick)(void *context);
	void *context;

	pthread_mutex_t lock; /* of the queue */
	unsigned head, tail;  /* free running */
	struct hv_message *queue;
};

/* `kick` and `context` are set by the caller before. 0 or -errno. */
int synic_init(struct synic_vp *vp, const struct gmem *memory, struct loop *loop,
	       const struct kvm *kvm, unsigned index);
void synic_destroy(struct synic_vp *vp);

/* The guest wrote one of SCONTROL, SIMP, SIEFP; KVM_EXIT_HYPERV_SYNIC says what they are now. */
void synic_update(struct synic_vp *vp, uint64_t control, uint64_t message_page,
		  uint64_t event_page);

/* Queues a message for the VMBus SINT. `length` is at most HV_MESSAGE_PAYLOAD. False where the queue is full. */
bool synic_post(struct synic_vp *vp, uint32_t type, const void *payload, uint32_t length);
/* On the processor's thread, while the guest is not running there: writes what fits. */
void synic_deliver(struct synic_vp *vp);

/* Sets a flag and raises the SINT; nothing where the flag was still set, the guest will find it. */
void synic_signal(struct synic_vp *vp, unsigned flag);

#endif
