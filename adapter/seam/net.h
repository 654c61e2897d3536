/* SPDX-License-Identifier: MIT */
/*
 * Network adapters come from the Viridian side and become the guest's. Packets from the guest go by core/net.h; packets to it come by here.
 */
#ifndef XENOLITH_SEAM_NET_H
#define XENOLITH_SEAM_NET_H

#include "core/net.h"

/* Implemented by the Xen side; called on VP 0. The device stays valid until net_forgotten(). */
void xen_net_add(struct net_device *device, unsigned max_queues);
/* Whether there is a carrier. Until the first call there is. */
void xen_net_link(struct net_device *device, bool up);
/* The device is gone: packets that it still gets, it must answer, until net_forgotten(). */
void xen_net_remove(struct net_device *device);

enum xen_net_received {
	XEN_NET_TAKEN,   /* or dropped: the pieces are not needed any more */
	XEN_NET_NO_ROOM, /* net_room() follows */
};

/* A packet for the guest, on any VP; `queue` is below max_queues. The pieces are copied. */
enum xen_net_received xen_net_receive(struct net_device *device, unsigned queue,
				      const struct net_offload *offload,
				      const struct net_piece *pieces, unsigned nr_pieces);

/* What large packets of TCP that queue's front end takes now, to be segmented: bits 1 << NET_GSO_*. It may have changed when one comes, which is lost then. */
unsigned xen_net_large(struct net_device *device, unsigned queue);

/* Implemented by the Viridian side. The guest may have room again on that queue, after XEN_NET_NO_ROOM; on any VP. */
void net_room(struct net_device *device, unsigned queue);
/* The same for all queues, soon: the guest's end of the device has gone. On any VP, under any lock of the Xen side's. */
void net_room_later(struct net_device *device);
/* Nobody knows the device any more. On any VP. */
void net_forgotten(struct net_device *device);

#endif
