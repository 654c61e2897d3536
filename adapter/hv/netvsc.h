/* SPDX-License-Identifier: MIT */
/* Synthetic network adapters of the host (abi/vmbus/netvsp.h), which become the guest's by seam/net.h. */
#ifndef XENOLITH_HV_NETVSC_H
#define XENOLITH_HV_NETVSC_H

/* Boot, before hv_vmbus_connect(). `mtu`: what the host is asked to carry, without the Ethernet header. */
void netvsc_init(unsigned mtu);

/*
 * The guest is about to start: it gets the adapters that are ready, in the order of the host's offers, whichever was ready first, so that its eth0 is
 * always the same; and from now on each as it gets ready. On VP 0.
 */
void netvsc_begin(void);

#endif
