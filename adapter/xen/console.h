/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_XEN_CONSOLE_H
#define XENOLITH_XEN_CONSOLE_H

/* Connects the console ring; returns its event channel. Page and channel go into start_info. */
struct xencons_interface;
unsigned console_init(struct xencons_interface *ring);

/* Writes out what the guest has left in the ring: before the partition ends. */
void console_drain(void);

#endif
