/* SPDX-License-Identifier: MIT */
/*
 * What the host and the guest want of each other besides data: ending, time, names, memory.
 */
#ifndef XENOLITH_SEAM_CONTROL_H
#define XENOLITH_SEAM_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum control_shutdown { CONTROL_POWER_OFF, CONTROL_REBOOT };

/*
 * Implemented by the Xen side: the end of an interrupt in which calls of these seams, or completions, were made; on any VP, with nothing of the
 * Xen side's held.
 */
void xen_control_interrupt_done(void);

/*
 * Likewise: whether this VP holds nothing that the calls of these seams need. Completions may then come from within a call to the Viridian side,
 * and what else a channel brings.
 */
bool xen_control_free(void);

/* Implemented by the Xen side, like all below. On VP 0. */

/*
 * Asks the guest to end. False where it does not listen to such requests. Else control_shutdown_taken() follows, after this has returned; until
 * then it is not asked again.
 */
bool xen_control_shutdown(enum control_shutdown what);

/* Implemented by the Viridian side. The guest has taken the request or, within ten seconds, it has not: then it was taken back. On VP 0. */
void control_shutdown_taken(bool taken);

/* The wall clock was set anew (clock_set_wall()): the guest shall see it. */
void xen_control_wall_changed(void);

/*
 * A value of the guest's tree, by a path below its own home ("attr/eth0/ip", "data/os_name"), as text. Returns its length without a final zero,
 * cut to `size` - 1, or -1 where there is none.
 */
int xen_control_read(const char *path, char *value, size_t size);
/* Writes one, below the home; NULL removes it. False where there is no room. */
bool xen_control_write(const char *path, const char *value);
/* The `index`-th child of a folder in the home, by name. False past the last. */
bool xen_control_child(const char *path, unsigned index, char *name, size_t size);

/* Asks the guest to come down to, or up to, so many KiB; what it has now. */
void xen_control_memory(uint64_t kib);
uint64_t xen_control_memory_now(void);

/*
 * Pages, by machine frame, that the guest has given up: they wait with the adapter for the guest to want them again, or for the host to take
 * them. What the host has taken is not touched until it gives it back.
 */
uint64_t xen_control_pages_waiting(void);
/* False where none waits. */
bool xen_control_page_take(uint64_t *frame);
/* False for a page that the host has not taken. */
bool xen_control_page_give(uint64_t frame);

/*
 * Whether the guest gets on: a number that grows from call to call while its vCPUs take the events that come to them. It stands still once
 * none of them has done so for some seconds; one that nothing has come to is idle, or computes, and is well.
 */
uint64_t xen_control_progress(void);

#endif
