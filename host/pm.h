/* SPDX-License-Identifier: MIT */
/* Power and reset as a PC has them: the ACPI PM1 block, the reset port, and their numbers for the tables. */
#ifndef HOST_PM_H
#define HOST_PM_H

#include "host/bus.h"

#include <stdint.h>

#define PM_SCI            9u
#define PM_EVENT_PORT     0x400u /* status, enable: 16 bits each */
#define PM_EVENT_LENGTH   4u
#define PM_CONTROL_PORT   0x404u
#define PM_CONTROL_LENGTH 2u
#define PM_RESET_PORT     0xcf9u
#define PM_RESET_VALUE    0x06u
#define PM_SLP_TYPE_OFF   5u /* what \_S5 names */

struct pm {
	_Atomic uint16_t enable;
	void (*power_off)(void *context);
	void (*reset)(void *context);
	void *context;
};

/* The callbacks run on the vCPU thread that asked. */
void pm_attach(struct pm *pm, struct bus *bus);

#endif
