/* SPDX-License-Identifier: MIT */
/*
 * The guest's connection to its xenstore: the ring page of <xen/io/xs_wire.h> and the requests on it.
 *
 * Same lock as core/xenstore.h. The ring is the guest's memory: its indices are read once and checked, the server's own are
 * kept here. Memory is fixed: one request in the making and XS_OUT_SIZE bytes of replies and events. While a guest does not
 * read its replies, its requests wait, and events that find no room are merged into one for each watch.
 *
 * A guest that breaks the ring (bad index, payload over XENSTORE_PAYLOAD_MAX) finds the reason in the page's error field
 * and is not served until it asks for a reconnection.
 */
#pragma once

#include "core/xenstore.h"

struct xs_conn;

/* What xs_service() found. */
enum {
	XS_NOTIFY = 1, /* raise the guest's xenstore event channel */
	XS_MORE = 2,   /* requests are left: call again soon, they will not be announced again */
};

/* Connects a guest. The ring page must be zeroed, and stay until xs_conn_close(). NULL when memory is short. */
struct xs_conn *xs_conn_open(struct xs_store *store, domid_t domid,
			     struct xenstore_domain_interface *ring);
void xs_conn_close(struct xs_conn *conn);

/* Does what there is to do: requests, replies, events, callbacks of local watches. Call it when the guest notifies and
 * after changes by xs_local_*. Bounded work; returns XS_NOTIFY and XS_MORE. */
unsigned xs_service(struct xs_conn *conn);
