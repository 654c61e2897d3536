/* SPDX-License-Identifier: MIT */
/*
 * Which disk the guest meets first, for that is its xvda. Xen's toolstack gives each disk its name; Viridian gives each a place, which stays the same,
 * and answers in whatever order. Pure functions of their arguments; run hosted too.
 */
#ifndef XENOLITH_HV_STORVSC_ORDER_H
#define XENOLITH_HV_STORVSC_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct storvsc_place {
	bool ide; /* of a generation 1 machine */
	uint8_t
	    controller; /* IDE: 0 primary, 1 secondary; SCSI: by the order of the host's offers, from 0 */
	uint8_t unit; /* IDE: 0 master, 1 slave; SCSI: the LUN */
};

#define STORVSC_PLACE_TEXT 16 /* bytes of a place as text, with NUL */
void storvsc_place_text(struct storvsc_place place, char text[STORVSC_PLACE_TEXT]);

#define STORVSC_ORDER_MAX 16
struct storvsc_order {
	unsigned nr;
	struct storvsc_place place[STORVSC_ORDER_MAX];
};

/*
 * Reads places separated by commas, as storvsc_place_text() writes them; an empty list is one. False: `reason` says in a line what is wrong, cut to
 * `size`.
 */
bool storvsc_order_parse(struct storvsc_order *order, const char *list, char *reason, size_t size);

/* Of two disks the one of the smaller key comes first: those in the list, as they stand there; then disks, then CD-ROMs, IDE before SCSI. */
uint32_t storvsc_order_key(const struct storvsc_order *order, struct storvsc_place place,
			   bool cdrom);

#endif
