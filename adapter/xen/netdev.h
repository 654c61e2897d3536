/* SPDX-License-Identifier: MIT */
/* The guest's network interfaces: what adapter/seam/net.h brings, as virtual interfaces of core/vif. */
#ifndef XENOLITH_XEN_NETDEV_H
#define XENOLITH_XEN_NETDEV_H

#define NETDEVS_MAX 8

/* Boot, after store_init(). */
void netdev_init(void);

#endif
