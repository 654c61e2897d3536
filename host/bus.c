/* SPDX-License-Identifier: MIT */
#include "host/bus.h"

#include <assert.h>
#include <stddef.h>

void bus_add(struct bus *bus, const struct bus_device *device)
{
	assert(bus->count < BUS_MAX);
	bus->device[bus->count] = *device;
	bus->count++;
}

static const struct bus_device *find(const struct bus *bus, uint16_t port)
{
	for (unsigned i = 0; i < bus->count; i++) {
		const struct bus_device *device = &bus->device[i];

		if (port >= device->port && port - device->port < device->count) {
			return device;
		}
	}
	return NULL;
}

uint32_t bus_read(const struct bus *bus, uint16_t port, unsigned size)
{
	const struct bus_device *device = find(bus, port);

	return device ? device->read(device->device, port - device->port, size) : UINT32_MAX;
}

void bus_write(const struct bus *bus, uint16_t port, unsigned size, uint32_t value)
{
	const struct bus_device *device = find(bus, port);

	if (device) {
		device->write(device->device, port - device->port, size, value);
	}
}
