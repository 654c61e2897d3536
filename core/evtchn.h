/* SPDX-License-Identifier: MIT */
/*
 * Event channels of one guest, in both ABIs (2-level and FIFO), as Xen offers them to an unprivileged domain.
 *
 * Pure logic: the caller copies hypercall arguments in and out, owns all memory, and delivers upcalls when a vCPU's
 * evtchn_upcall_pending is set. Back ends of the adapter ("domain 0") own internal channels: one end is a guest port, the
 * other a callback.
 *
 * Every function may be called from several processors at once. State changes take ev->lock; sending, VIRQs, masking and
 * polling do not. A send that races with the close of its target may leave one spurious event on the port's next user, and
 * a back end's callback may still be running when evtchn_internal_unbind() returns: its context must live as long as the guest.
 *
 * Source: <xen/event_channel.h>; Xen's docs "Event Channels: FIFO-based ABI" (draft H) for the event words and queues.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "core/lock.h"
#include "core/xen_abi.h"
#include <xen/event_channel.h>

#define EVTCHN_NO_PORT     0u  /* port 0 is never valid */
#define EVTCHN_FIFO_PAGES  128 /* event array pages: 131072 ports, 1024 words a page */
#define EVTCHN_DOM_BACKEND 0 /* the domain id of the adapter's back ends, as the guest sees them */

/* What the world does for the event channels. `ctx` is evtchn_config.ctx; map and unmap are called with ev->lock held. */
struct evtchn_env {
	/* vCPU `vcpu` has a new upcall pending, or its poll has ended: make it look. May be the calling vCPU. */
	void (*kick)(void *ctx, unsigned vcpu);
	/* The guest's page `gfn`, writable and page-aligned, or NULL when it is not the guest's. */
	void *(*map)(void *ctx, uint64_t gfn);
	/* That page is no longer used. */
	void (*unmap)(void *ctx, void *page);
};

/*
 * Called when the guest sends on an internal channel; on the sender's processor, without locks. Must not block. Also, with EVTCHN_NO_PORT, when
 * the guest has closed the channel, perhaps more than once.
 */
typedef void (*evtchn_callback)(void *ctx, evtchn_port_t port);

struct evtchn_port {
	_Atomic uint64_t word;    /* state, see evtchn_int.h; changed under evtchn.lock */
	_Atomic uint32_t last_q;  /* FIFO: 1 + the queue that it was linked on last, 0 for none */
	_Atomic uint32_t pending; /* FIFO: raised before its event word was there */
};

struct evtchn_internal {
	struct lock lock;
	evtchn_callback callback; /* NULL when free */
	void *ctx;
	evtchn_port_t port;
};

struct evtchn_queue {
	_Atomic uint32_t tail;
};

struct evtchn_vcpu {
	void *_Atomic info; /* struct vcpu_info in the guest's memory, its own width */
	_Atomic(struct evtchn_fifo_control_block *) control;
	void *control_page;
	struct lock lock; /* the queues */
	struct evtchn_queue queue[EVTCHN_FIFO_MAX_QUEUES];
	_Atomic uint32_t virq_port[NR_VIRQS];
	_Atomic uint32_t poll_port; /* the port polled, EVTCHN_NO_PORT for several */
	atomic_bool polling;
};

struct evtchn_config {
	const struct evtchn_env *env;
	void *ctx;
	domid_t domid;       /* the guest's own */
	unsigned guest_bits; /* 64, or 32 for a PAE guest: places of the mask and the selector */
	void *
	    shared_info; /* the guest's page; its vcpu_info[] serves until evtchn_set_vcpu_info() */
	struct evtchn_vcpu *vcpus;
	unsigned nr_vcpus;
	struct evtchn_port *ports;
	unsigned nr_ports; /* at most 131072; ports from 1 to nr_ports - 1 */
	struct evtchn_internal *internals;
	unsigned nr_internals;
};

struct evtchn {
	struct evtchn_config c;
	struct lock lock;
	atomic_bool fifo;       /* which ABI */
	_Atomic uint32_t limit; /* ports below it can be used in this ABI */
	_Atomic uint32_t nr_array_pages;
	_Atomic(_Atomic uint32_t *) array[EVTCHN_FIFO_PAGES];
	_Atomic uint32_t nr_polling;
};

/* Takes the memory named in *c, which the caller keeps, and clears it. All vCPUs start on shared_info's vcpu_info, those
 * past 31 on none. Returns 0 or -XEN_EINVAL. */
int evtchn_init(struct evtchn *ev, const struct evtchn_config *c);

/*
 * The hypercall's operations. Arguments are copies: `arg` is read once, outputs are written into it, the caller copies
 * it back. Each returns 0 or a negative XEN_E*, as Xen does for an unprivileged domain.
 */
int evtchn_alloc_unbound(struct evtchn *ev, struct evtchn_alloc_unbound *arg);
int evtchn_bind_interdomain(struct evtchn *ev, struct evtchn_bind_interdomain *arg);
int evtchn_bind_virq(struct evtchn *ev, struct evtchn_bind_virq *arg);
int evtchn_bind_pirq(struct evtchn *ev, struct evtchn_bind_pirq *arg);
int evtchn_bind_ipi(struct evtchn *ev, struct evtchn_bind_ipi *arg);
int evtchn_close(struct evtchn *ev, struct evtchn_close *arg);
int evtchn_send(struct evtchn *ev, struct evtchn_send *arg);
int evtchn_status(struct evtchn *ev, struct evtchn_status *arg);
int evtchn_bind_vcpu(struct evtchn *ev, struct evtchn_bind_vcpu *arg);
int evtchn_unmask(struct evtchn *ev, struct evtchn_unmask *arg);
int evtchn_reset(struct evtchn *ev, struct evtchn_reset *arg);
int evtchn_init_control(struct evtchn *ev, struct evtchn_init_control *arg);
int evtchn_expand_array(struct evtchn *ev, struct evtchn_expand_array *arg);
int evtchn_set_priority(struct evtchn *ev, struct evtchn_set_priority *arg);

/* The same as a table, indexed by EVTCHNOP_*, for dispatch, tracing and documentation. */
struct evtchn_op_row {
	const char *name;
	uint16_t arg_size; /* bytes to copy in */
	bool copy_out;     /* and back, when the result is 0 */
	int (*run)(struct evtchn *ev, void *arg);
};
/* NULL for a number that is no operation: the hypercall's result is then -XEN_ENOSYS. */
const struct evtchn_op_row *evtchn_op_row(unsigned cmd);
#define EVTCHN_OP_COUNT   14
#define EVTCHN_OP_ARG_MAX 24 /* bytes; the largest arg_size */

/* VCPUOP_register_vcpu_info: the new place, already holding a copy of the old contents. Marks everything pending, so that
 * no event is lost between the two. */
void evtchn_set_vcpu_info(struct evtchn *ev, unsigned vcpu, void *info);

/* Raises a VIRQ: `vcpu` is ignored for global ones. Nothing happens when the guest has not bound it. */
void evtchn_raise_virq(struct evtchn *ev, unsigned vcpu, unsigned virq);
/* Whether the guest has bound it there. */
bool evtchn_virq_bound(struct evtchn *ev, unsigned vcpu, unsigned virq);

/* SCHEDOP_poll. begin: true when one of the ports (at most 128, all valid) is pending already, else the vCPU is registered
 * and kicked once one of them is raised, masked or not; -XEN_EINVAL in *error for an invalid port. Of several ports none is
 * remembered: then any port's event ends the poll, as it may on Xen. waits: not kicked yet; who has been will not be again.
 * end: deregister. */
bool evtchn_poll_begin(struct evtchn *ev, unsigned vcpu, const evtchn_port_t *ports, unsigned nr,
		       int *error);
bool evtchn_poll_waits(const struct evtchn *ev, unsigned vcpu);
void evtchn_poll_end(struct evtchn *ev, unsigned vcpu);
bool evtchn_is_pending(struct evtchn *ev, evtchn_port_t port);

/*
 * Internal channels. A handle is >= 0; errors are negative XEN_E*.
 *
 * alloc: makes a guest port that is connected from the start (the console's and xenstore's, whose ports go into start_info).
 * bind: connects to a port that the guest left unbound for domain 0 (a front end's event-channel key). Look at the ring
 *       once afterwards: what the guest sent before is lost.
 * notify: raises the guest's port; false when the guest has closed it, or the handle is negative (not bound, or not any more).
 * unbind: gives the guest's port back as unbound; the handle is free again.
 */
int evtchn_internal_alloc(struct evtchn *ev, evtchn_callback callback, void *ctx,
			  evtchn_port_t *port);
int evtchn_internal_bind(struct evtchn *ev, evtchn_port_t port, evtchn_callback callback,
			 void *ctx);
bool evtchn_internal_notify(struct evtchn *ev, int handle);
void evtchn_internal_unbind(struct evtchn *ev, int handle);
