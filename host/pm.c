/* SPDX-License-Identifier: MIT */
#include "host/pm.h"

/* ACPI 6.4, 4.8.3.2: SCI_EN is always set, the partition has no legacy mode. */
#define PM1_SCI_EN    (1u << 0)
#define PM1_SLP_TYPE  10u
#define PM1_SLP_EN    (1u << 13)
#define ENABLE_OFFSET 2u

/* No fixed event ever happens, so the status half reads as zero. */
static uint32_t read_event(void *device, uint16_t offset, unsigned size)
{
	struct pm *pm = device;
	uint32_t both = (uint32_t)pm->enable << 16;

	(void)size;
	return both >> (offset * 8);
}

static void write_event(void *device, uint16_t offset, unsigned size, uint32_t value)
{
	struct pm *pm = device;

	if (offset == ENABLE_OFFSET && size == 2) {
		pm->enable = (uint16_t)value;
	}
}

static uint32_t read_control(void *device, uint16_t offset, unsigned size)
{
	(void)device, (void)size;
	return offset ? 0 : PM1_SCI_EN;
}

static void write_control(void *device, uint16_t offset, unsigned size, uint32_t value)
{
	struct pm *pm = device;

	if (offset == 0 && size >= 2 && (value & PM1_SLP_EN) &&
	    ((value >> PM1_SLP_TYPE) & 7) == PM_SLP_TYPE_OFF) {
		pm->power_off(pm->context);
	}
}

static uint32_t read_reset(void *device, uint16_t offset, unsigned size)
{
	(void)device, (void)offset, (void)size;
	return 0;
}

/* Bit 2 asks for the reset itself, bit 1 for a hard one, as in every chipset since the 82371. */
static void write_reset(void *device, uint16_t offset, unsigned size, uint32_t value)
{
	struct pm *pm = device;

	(void)offset, (void)size;
	if (value & 4) {
		pm->reset(pm->context);
	}
}

void pm_attach(struct pm *pm, struct bus *bus)
{
	const struct bus_device devices[] = {
	    {PM_EVENT_PORT, PM_EVENT_LENGTH, read_event, write_event, pm},
	    {PM_CONTROL_PORT, PM_CONTROL_LENGTH, read_control, write_control, pm},
	    {PM_RESET_PORT, 1, read_reset, write_reset, pm},
	};

	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		bus_add(bus, &devices[i]);
	}
}
