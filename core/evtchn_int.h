/* SPDX-License-Identifier: MIT */
/* Inside the event channels: the state word, and what the two ABIs do. */
#pragma once

#include "core/evtchn.h"
#include "core/string.h"

enum evtchn_state {
	EVTCHN_FREE,
	EVTCHN_UNBOUND,     /* arg: the domain that may bind */
	EVTCHN_INTERDOMAIN, /* arg: the other port of this guest */
	EVTCHN_INTERNAL,    /* arg: the handle */
	EVTCHN_VIRQ,        /* arg: the VIRQ */
	EVTCHN_IPI,
};

/*
 * All that a sender must know, in one word, so that it reads one consistent state without a lock:
 *   bits 0-3 state, 4-7 FIFO priority, 16-31 vCPU to notify, 32-63 argument
 */
static inline uint64_t evtchn_word(enum evtchn_state state, unsigned vcpu, uint32_t arg)
{
	return state | EVTCHN_FIFO_PRIORITY_DEFAULT << 4 | (uint64_t)vcpu << 16 |
	       (uint64_t)arg << 32;
}

static inline enum evtchn_state evtchn_state(uint64_t word)
{
	return word & 0xf;
}

static inline unsigned evtchn_priority(uint64_t word)
{
	return word >> 4 & 0xf;
}

static inline unsigned evtchn_vcpu(uint64_t word)
{
	return word >> 16 & 0xffff;
}

static inline uint32_t evtchn_arg(uint64_t word)
{
	return word >> 32;
}

/* Timer and debug VIRQs are each vCPU's own, the others global. */
static inline bool evtchn_per_vcpu(uint32_t virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF ||
	       virq == VIRQ_XENPMU;
}

/* The port's state word; 0 (free) for a number that is no port. */
static inline uint64_t evtchn_word_of(const struct evtchn *ev, evtchn_port_t port)
{
	return port && port < ev->limit ? ev->c.ports[port].word : 0;
}

static inline bool evtchn_valid(const struct evtchn *ev, evtchn_port_t port)
{
	return evtchn_state(evtchn_word_of(ev, port)) != EVTCHN_FREE;
}

/* After a change of the ABI: sets the limit. */
void evtchn_set_limit(struct evtchn *ev);
/* With the lock: the lowest free port, now in the state of `word`, or EVTCHN_NO_PORT. */
evtchn_port_t evtchn_take_port(struct evtchn *ev, uint64_t word);
/* Makes the port pending, in whatever ABI, and wakes who polls it. */
void evtchn_raise(struct evtchn *ev, evtchn_port_t port, uint64_t word);

/* The guest sends on an internal channel; it closes one, with the lock held. */
void evtchn_internal_call(struct evtchn *ev, uint32_t handle, evtchn_port_t port);
void evtchn_internal_free(struct evtchn *ev, uint32_t handle);
/* Without the lock: tells those whose channels the guest has closed. */
void evtchn_internal_tell_closed(struct evtchn *ev);

/* Sets the vCPU's evtchn_upcall_pending and kicks it if that is new. */
void evtchn_mark_upcall(struct evtchn *ev, unsigned vcpu);

/* Each ABI. raise: true when the event was not pending before. unmask: raises again what is pending. */
bool evtchn_2l_raise(struct evtchn *ev, evtchn_port_t port, unsigned vcpu);
void evtchn_2l_unmask(struct evtchn *ev, evtchn_port_t port, unsigned vcpu);
bool evtchn_2l_is_pending(struct evtchn *ev, evtchn_port_t port);
void evtchn_2l_clear(struct evtchn *ev, evtchn_port_t port);
unsigned evtchn_2l_ports(const struct evtchn *ev);

bool evtchn_fifo_raise(struct evtchn *ev, evtchn_port_t port, uint64_t word);
void evtchn_fifo_unmask(struct evtchn *ev, evtchn_port_t port, uint64_t word);
bool evtchn_fifo_is_pending(struct evtchn *ev, evtchn_port_t port);
void evtchn_fifo_clear(struct evtchn *ev, evtchn_port_t port);
bool evtchn_fifo_is_busy(struct evtchn *ev, evtchn_port_t port);
void evtchn_fifo_destroy(struct evtchn *ev);
