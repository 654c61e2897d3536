/* SPDX-License-Identifier: MIT */
/* What front ends need: grants of version 1, xenbus's states, and the drivers of a block device, polled. */
#ifndef PV_KIT_DEVICE_H
#define PV_KIT_DEVICE_H

#include "tests/guest/pv/kit/store.h"

#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/ring.h>
#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>
#include <xen/sched.h>

#define GRANT_FRAMES 4
#define GRANT_REFS   (GRANT_FRAMES * 512u)

/* grant.c: of frames by their number, or of pages of the kernel's. */
extern grant_entry_v1_t *const grants;
void grants_init(void);
void grant_frame(grant_ref_t ref, uint64_t mfn, domid_t domid, uint16_t flags);
void grant(grant_ref_t ref, const void *page);
bool grant_in_use(grant_ref_t ref);
/* False, and nothing has changed, where the other side still uses it. */
bool grant_end(grant_ref_t ref);

/* device.c: the front end's side of one device. */
struct device {
	char front[64], back[64];
	evtchn_port_t port;
};
/* Waits for it to be offered, its back end ready. */
void device_find(struct device *d, const char *type, unsigned id);
unsigned device_state(const struct device *d); /* the back end's; 0 where it is gone */
void device_set_state(const struct device *d, enum xenbus_state state);
bool device_wait(const struct device *d, enum xenbus_state state);
void device_write(const struct device *d, const char *key, uint64_t value);
void device_write_text(const struct device *d, const char *key, const char *value);
uint64_t device_read(const struct device *d,
		     const char *key); /* of the back end's; 0 where there is none */
void device_channel(struct device *d); /* a new port, and its node */
void device_notify(const struct device *d);
/* Lets go, and waits until the back end is ready for a new start. */
void device_restart(struct device *d);

/* Parts of a test that uses devices: `after` follows each, and how long it took is said. */
struct part {
	const char *name;
	void (*run)(void);
};
void run_parts(const struct part *parts, unsigned nr, void (*after)(void));

/* blkfront.c */
#define BLOCK_RING 32u /* requests of one page */

struct blkfront {
	struct device bus;
	blkif_sring_t *ring;
	grant_ref_t ring_ref;
	uint32_t prod, cons;
	uint64_t sectors;
	bool read_only;
};
/* `page` becomes the ring, granted by ring_ref. */
void blkfront_init(struct blkfront *f, unsigned number, void *page, grant_ref_t ring_ref);
/* Offers the ring to the back end and waits for it to take it. */
bool blkfront_connect(struct blkfront *f);
/* A request of 112 bytes goes onto the ring, without a notification. */
void blkfront_put(struct blkfront *f, const void *request);
void blkfront_notify(struct blkfront *f);
/* The next response; false where none comes. */
bool blkfront_take(struct blkfront *f, blkif_response_t *response);
/* One request, alone, and the status of its response. */
int blkfront_do(struct blkfront *f, const void *request);

#endif
