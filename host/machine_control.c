/* SPDX-License-Identifier: MIT */
/* What the control socket asks of a partition, and how its consoles join. */
#include "host/machine_internal.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define HEARTBEAT_LATE 5 /* s without an answer */

static time_t monotonic_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static const char *do_shutdown(void *context, bool restart)
{
	struct machine *machine = context;

	return ic_shutdown(&machine->ic.shutdown, restart)
		   ? NULL
		   : "the guest is not ready to be asked; destroy ends it at once";
}

static void do_reset(void *context)
{
	machine_end(context, OUTCOME_RESET);
}

static void do_destroy(void *context)
{
	machine_end(context, OUTCOME_KILLED);
}

static const char *heartbeat_state(const struct machine *machine)
{
	const struct ic_heartbeat_service *heartbeat = &machine->ic.heartbeat;

	if (!heartbeat->last) {
		return "never";
	}
	return monotonic_seconds() - heartbeat->last > HEARTBEAT_LATE ? "lost" : "ok";
}

static void add_string(struct json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, json_object_new_string(value));
}

static void add_number(struct json_object *to, const char *key, uint64_t value)
{
	json_object_object_add(to, key, json_object_new_int64((int64_t)value));
}

static struct json_object *disks_info(const struct machine *machine)
{
	struct json_object *disks = json_object_new_array();

	for (unsigned i = 0; i < machine->config->disks; i++) {
		struct json_object *disk = json_object_new_object();

		add_string(disk, "file", machine->config->disk[i].path);
		add_number(disk, "bytes", machine->block[i].size);
		json_object_object_add(disk, "read_only",
				       json_object_new_boolean(machine->block[i].read_only));
		json_object_array_add(disks, disk);
	}
	return disks;
}

static struct json_object *guest_info(const struct machine *machine)
{
	struct json_object *guest = json_object_new_object();

	for (unsigned i = 0; i < machine->ic.kvp.count; i++) {
		add_string(guest, machine->ic.kvp.item[i].key, machine->ic.kvp.item[i].value);
	}
	return guest;
}

static struct json_object *do_info(void *context)
{
	const struct machine *machine = context;
	struct json_object *info = json_object_new_object();
	uint32_t version = vmbus_version(machine->vmbus);
	char text[16];

	snprintf(text, sizeof(text), "%u.%u", version >> 16, version & 0xffff);
	add_string(info, "name", machine->config->name);
	add_number(info, "pid", (uint64_t)getpid());
	add_number(info, "cpus", machine->config->cpus);
	add_number(info, "memory", machine->config->memory);
	add_number(info, "uptime", (uint64_t)(monotonic_seconds() - machine->started));
	add_string(info, "vmbus", version ? text : "none");
	add_string(info, "heartbeat", heartbeat_state(machine));
	json_object_object_add(info, "disks", disks_info(machine));
	json_object_object_add(info, "guest", guest_info(machine));
	return info;
}

static size_t do_input(void *context, const uint8_t *bytes, size_t count)
{
	struct machine *machine = context;

	return uart_receive(&machine->uart, bytes, count);
}

static void console_tap(void *context, const uint8_t *bytes, size_t count)
{
	struct machine *machine = context;

	if (machine->control) {
		control_console(machine->control, bytes, count);
	}
}

int machine_init_control(struct machine *machine)
{
	static const struct control_ops ops = {.shutdown = do_shutdown,
					       .reset = do_reset,
					       .destroy = do_destroy,
					       .info = do_info,
					       .input = do_input};

	machine->started = monotonic_seconds();
	machine->console.tap = console_tap;
	machine->control = control_create(&machine->loop, machine->config->name, &ops, machine);
	return machine->control ? 0 : -1;
}
