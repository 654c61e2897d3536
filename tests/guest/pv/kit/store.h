/* SPDX-License-Identifier: MIT */
/* The guest's end of xenstore. Only for a domU; one caller at a time. What goes wrong in the test itself ends it. */
#ifndef PV_KIT_STORE_H
#define PV_KIT_STORE_H

#include "tests/guest/pv/kit/pv.h"

#include <xen/io/xs_wire.h>
#include <xen/sched.h>

extern struct xenstore_domain_interface *store_ring;

/* The last reply; its payload ends with a zero. */
struct store_reply {
	struct xsd_sockmsg head;
	char payload[XENSTORE_PAYLOAD_MAX + 1];
};
extern struct store_reply store_reply;

void store_init(void);
void store_notify(void);
/* Bytes onto the ring; false where it stays full. */
bool store_put(const void *data, uint32_t length);
bool store_request(uint32_t type, uint32_t transaction, const void *payload, uint32_t length);
/* The next message that is no event, into store_reply. */
void store_receive(void);
/* NULL where it went well, else xenstore's word for what was wrong. */
const char *store_call(uint32_t type, uint32_t transaction, const void *payload, uint32_t length);

/* NULL where there is no such node; else its value, until the next call. */
const char *store_read(const char *path);
void store_write(const char *path, const char *value);

#endif
