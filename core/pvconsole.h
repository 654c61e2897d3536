/* SPDX-License-Identifier: MIT */
/*
 * The back end of a guest's PV console (hvc0): one page with two byte rings, <xen/io/console.h>.
 *
 * The page is the guest's memory: its indices are read once and checked, our own are kept here. While the guest's indices
 * make no sense nothing is transferred; once they do again, service goes on. Not thread-safe: one lock of the caller's for each
 * console. Nothing allocates.
 */
#pragma once

#include <stdbool.h>

#include "core/xen_abi.h"
#include <xen/io/console.h>

struct pvconsole {
	struct xencons_interface *ring;
	uint32_t out_cons, in_prod; /* the ring's fields of these names are copies for the guest */
};

/* Results, or'ed. */
enum {
	PVCONSOLE_NOTIFY = 1, /* raise the guest's console event channel */
	PVCONSOLE_MORE = 2,   /* output is left: the sink took less than it was offered */
	PVCONSOLE_BAD = 4,    /* the guest's index is out of range */
};

/* Takes up to len bytes (1 to PVCONSOLE_CHUNK) and returns how many it took. */
typedef size_t (*pvconsole_sink)(void *ctx, const char *data, size_t len);
#define PVCONSOLE_CHUNK 128

/* Starts where the rings stand: at 0 on a zeroed page. The page stays the caller's. */
void pvconsole_init(struct pvconsole *console, struct xencons_interface *ring);
/* Gives the sink what the guest has written up to now, at most one ring's worth. */
unsigned pvconsole_drain(struct pvconsole *console, pvconsole_sink sink, void *ctx);
/* Queues input; *taken says how many bytes there was room for. The rest must be offered again when the guest notifies. */
unsigned pvconsole_push(struct pvconsole *console, const char *data, size_t len, size_t *taken);
