/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LOOP_CLIENT_NETVSC_H
#define TESTS_LOOP_CLIENT_NETVSC_H

#include <stdbool.h>

struct net_device;

/* netvsc_init() of a new life, in which so many VPs have started; adapters appear as they get ready. */
void client_netvsc_start(unsigned vps, unsigned mtu);
/* ... or wait for netvsc_begin(). */
void client_netvsc_hold(void);
/* Whether every packet, section and completion of a device's queues is accounted for, nothing being under way. */
bool client_netvsc_is_at_rest(struct net_device *device);

#endif
