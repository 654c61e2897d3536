/* SPDX-License-Identifier: MIT */
/*
 * The Viridian side, for adapter/boot. The order of calls:
 *
 *   hv_discover()      hv/discover.h: is there a hypervisor, what does it offer
 *   acpi_init()        x86/acpi.h: which VPs there are, how to power off
 *   hv_boot_init()     boot VP: hypercalls, clock, the table of VPs. From here on clock_now() and vps_*() work
 *   hv_vp_init(n)      on each VP n in turn, the boot VP first, on its own stack, with its IDT loaded. From here on
 *                      kick() and timer_*() work on it
 *   hv_console_init()  boot VP, after its hv_vp_init: console input by interrupt, or by polling from the timer
 *   storvsc_configure() hv/storvsc.h, at any time before the next
 *   hv_devices_init()  boot VP, once the Xen side can take devices: finds those that the host offers on VMBus, and waits until the
 *                      guest can have them, for a few seconds at most
 */
#ifndef XENOLITH_HV_HV_H
#define XENOLITH_HV_HV_H

void hv_boot_init(void);
void hv_vp_init(unsigned vp);
void hv_console_init(void);
void hv_devices_init(unsigned mtu);

#endif
