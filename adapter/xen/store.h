/* SPDX-License-Identifier: MIT */
/*
 * The guest's xenstore: core/xenstore on the ring that start_info names. Everything in it, the device handshakes of core/xenbus and core/xs_control
 * included, runs under one lock. Interrupts are off in the adapter, so the lock may be taken in any of its contexts that do not hold it.
 */
#ifndef XENOLITH_XEN_STORE_H
#define XENOLITH_XEN_STORE_H

#include "core/xen_abi.h"

struct xenstore_domain_interface;

/* Makes the store and connects the ring; returns its event channel. */
unsigned store_init(struct xenstore_domain_interface *ring);

/* Fills it with what a guest expects to find, once start_info has the rings. */
void store_introduce(const struct start_info *si);

struct xs_store;

/* Takes the lock. */
struct xs_store *store_enter(void);
/* Tells the guest of what has changed, drops the lock, and does the work that has come up meanwhile. */
void store_leave(void);

/*
 * Work that needs the lock and comes up where it cannot be taken, or may be held already: store_work_later() takes note, from anywhere; the
 * workers run, all of them and with the lock, at the next store_leave() or store_work(). Who makes a call that may take note, and does
 * not leave the store afterwards, ends with store_work(); so do interrupts of devices, and the event-channel hypercall.
 */
typedef void store_worker(struct xs_store *store);
void store_worker_add(store_worker *worker); /* boot */
void store_work_later(void);
void store_work(void);

#endif
