/* SPDX-License-Identifier: MIT */
/*
 * What the host asks of the guest through xenstore, as Xen's toolstack does: control/shutdown, control/sysrq, memory/target and
 * cpu/<n>/availability. Under the store's lock; xs_service() afterwards pushes the watches to the guest.
 */
#pragma once

#include "core/xenstore.h"

enum xs_shutdown {
	XS_SHUTDOWN_POWEROFF,
	XS_SHUTDOWN_REBOOT,
	XS_SHUTDOWN_HALT,
	XS_SHUTDOWN_SUSPEND
};

struct xs_control {
	struct xs_store *store;
	domid_t domid;
	void (*acknowledged)(
	    void *ctx); /* the guest has taken the request; not called for a request it ignores */
	void *ctx;
	bool asked; /* and not acknowledged yet */
};

/* Watches for acknowledgements. 0 or a negative XEN_E*. */
int xs_control_init(struct xs_control *control, struct xs_store *store, domid_t domid,
		    void (*acknowledged)(void *ctx), void *ctx);
void xs_control_destroy(struct xs_control *control);

/* Whether the guest has said that it listens (control/feature-poweroff and its like; Linux does, GRUB does not). */
bool xs_control_can(const struct xs_control *control, enum xs_shutdown what);
/* Asks; replaces a request that was not taken yet. */
int xs_control_shutdown(struct xs_control *control, enum xs_shutdown what);
/* Takes a request back that the guest did not take: true when it had not. */
bool xs_control_withdraw(struct xs_control *control);

/* The balloon's target, in KiB. */
int xs_control_memory(struct xs_control *control, uint64_t kib);
/* Asks the guest to use the vCPU or to let go of it. */
int xs_control_vcpu(struct xs_control *control, unsigned vcpu, bool online);
/* Magic SysRq. */
int xs_control_sysrq(struct xs_control *control, char key);
