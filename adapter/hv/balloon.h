/* SPDX-License-Identifier: MIT */
/*
 * Dynamic memory: the host's wishes become the target of the guest's own balloon driver (memory/target), and the pages that it gives up
 * become the host's. Memory that the guest did not start with cannot be added. All on VP 0.
 */
#ifndef XENOLITH_HV_BALLOON_H
#define XENOLITH_HV_BALLOON_H

/* Boot, before hv_vmbus_connect(). */
void balloon_init(void);

#endif
