/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_XEN_EVENTS_H
#define XENOLITH_XEN_EVENTS_H

/* Makes domain.evtchn, once shared_info and the number of vCPUs are known. */
void events_init(void);

#endif
