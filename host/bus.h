/* SPDX-License-Identifier: MIT */
/*
 * The partition's I/O ports: a table of ranges, each with its device. Ports without one read as all ones and swallow
 * writes, as on a PC. Handlers run on vCPU threads, so each device has its own lock.
 */
#ifndef HOST_BUS_H
#define HOST_BUS_H

#include <stdint.h>

#define BUS_MAX 16u

struct bus_device {
	uint16_t port;
	uint16_t count;
	/* `offset` from `port`; `size` is 1, 2 or 4 bytes. */
	uint32_t (*read)(void *device, uint16_t offset, unsigned size);
	void (*write)(void *device, uint16_t offset, unsigned size, uint32_t value);
	void *device;
};

struct bus {
	unsigned count;
	struct bus_device device[BUS_MAX];
};

/* Before the first vCPU runs; the table is constant afterwards. */
void bus_add(struct bus *bus, const struct bus_device *device);
uint32_t bus_read(const struct bus *bus, uint16_t port, unsigned size);
void bus_write(const struct bus *bus, uint16_t port, unsigned size, uint32_t value);

#endif
