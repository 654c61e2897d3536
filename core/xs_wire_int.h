/* SPDX-License-Identifier: MIT */
/* Between the ring (xs_wire.c) and the requests (xs_request.c). */
#pragma once

#include "core/xenstore_int.h"
#include "core/xs_wire.h"

/* A whole message. */
struct xs_msg {
	struct xsd_sockmsg hdr;
	char payload[XENSTORE_PAYLOAD_MAX];
};

_Static_assert(sizeof(struct xsd_sockmsg) == 16, "xs_wire.h: four 32-bit words");
#define XS_MSG_MAX  sizeof(struct xs_msg)
#define XS_OUT_SIZE 16384 /* a power of two; three messages of any size */

struct xs_conn {
	struct xs_peer peer; /* first: a peer of this kind is its connection */
	struct xenstore_domain_interface *ring;
	uint32_t req_cons,
	    rsp_prod; /* the ring's fields of these names are only copies for the guest */
	bool dead;
	uint32_t in_len; /* bytes of `in` received */
	struct xs_msg in;
	struct xs_msg reply;
	uint32_t out_head, out_tail; /* free-running */
	char out[XS_OUT_SIZE];
	char path[XS_HOME_MAX + 1 + XENSTORE_ABS_PATH_MAX +
		  1]; /* the request's path, made absolute */
};

/* Carries out conn->in and leaves the answer in conn->reply. A watch just registered is returned, for its first event. */
struct xs_watch *xs_request(struct xs_conn *conn);
