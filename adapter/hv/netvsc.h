/* SPDX-License-Identifier: MIT */
/* Synthetic network adapters of the host (abi/vmbus/netvsp.h), which become the guest's by seam/net.h. */
#ifndef XENOLITH_HV_NETVSC_H
#define XENOLITH_HV_NETVSC_H

/* Boot, before hv_vmbus_connect(). `mtu`: what the host is asked to carry, without the Ethernet header. */
void netvsc_init(unsigned mtu);

#endif
