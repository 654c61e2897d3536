/* SPDX-License-Identifier: MIT */
/* What the control socket asks of a partition, and how its consoles join. */
#include "host/machine_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEARTBEAT_LATE 5 /* s without an answer */

static time_t monotonic_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static struct json_object *do_shutdown(struct machine *machine, char *argument,
				       struct control_files *files)
{
	(void)files;
	return ic_shutdown(&machine->ic.shutdown, strcmp(argument, "restart") == 0)
		   ? control_done()
		   : control_refuse("the guest is not ready to be asked; destroy ends it at once");
}

static struct json_object *do_reset(struct machine *machine, char *argument,
				    struct control_files *files)
{
	(void)argument, (void)files;
	machine_end(machine, OUTCOME_RESET);
	return control_done();
}

static struct json_object *do_destroy(struct machine *machine, char *argument,
				      struct control_files *files)
{
	(void)argument, (void)files;
	machine_end(machine, OUTCOME_KILLED);
	return control_done();
}

static struct json_object *do_pause(struct machine *machine, char *argument,
				    struct control_files *files)
{
	(void)argument, (void)files;
	machine_pause(machine);
	return control_done();
}

static struct json_object *do_resume(struct machine *machine, char *argument,
				     struct control_files *files)
{
	(void)argument, (void)files;
	if (machine->dead) {
		return control_refuse("it crashed and cannot go on: reset or destroy it");
	}
	machine_resume(machine);
	return control_done();
}

static struct json_object *do_memory(struct machine *machine, char *argument,
				     struct control_files *files)
{
	const struct machine_config *config = machine->config;
	char *end;
	uint64_t size = strtoull(argument, &end, 10) & ~(uint64_t)(GMEM_PAGE_SIZE - 1);

	(void)files;
	if (*end || size < MACHINE_LEAST_MEMORY || size > config->memory_most) {
		return control_refuse("from %llu MiB to %llu MiB, as it was started",
				      MACHINE_LEAST_MEMORY >> 20,
				      (unsigned long long)config->memory_most >> 20);
	}
	return balloon_set_target(&machine->balloon, size)
		   ? control_done()
		   : control_refuse("the guest has no driver for dynamic memory, or not yet");
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

	for (unsigned i = 0; i < MACHINE_MAX_DISKS; i++) {
		struct json_object *disk;

		if (!machine->config->disk[i].path) {
			continue;
		}
		disk = json_object_new_object();
		if (i < MACHINE_MAX_LUNS) {
			add_number(disk, "lun", i);
		} else {
			add_number(disk, "ide", i - MACHINE_MAX_LUNS);
		}
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

static struct json_object *nets_info(const struct machine *machine)
{
	struct json_object *nets = json_object_new_array();

	for (unsigned i = 0; i < MACHINE_MAX_NETS; i++) {
		const struct machine_net *config = &machine->config->net[i];
		struct netvsp_counts counts;
		struct json_object *net;

		if (!machine->netvsp[i]) {
			continue;
		}
		counts = netvsp_counts(machine->netvsp[i]);
		net = json_object_new_object();
		add_number(net, "adapter", i);
		add_string(net, "kind", config->kind == NET_TAP ? "tap" : "user");
		if (config->interface) {
			add_string(net, "interface", config->interface);
		}
		add_number(net, "sent", counts.sent);
		add_number(net, "sent_large", counts.large);
		add_number(net, "received", counts.received);
		add_string(net, "link", netvsp_link(machine->netvsp[i]) ? "up" : "down");
		json_object_array_add(nets, net);
	}
	return nets;
}

static struct json_object *crash_info(struct machine *machine)
{
	struct json_object *crash = json_object_new_object();
	struct json_object *parameters = json_object_new_array();
	char text[32];

	pthread_mutex_lock(&machine->crash_lock);
	for (unsigned i = 0; machine->crash.parameters && i < HV_CRASH_PARAMS; i++) {
		snprintf(text, sizeof(text), "%#llx",
			 (unsigned long long)machine->crash.parameter[i]);
		json_object_array_add(parameters, json_object_new_string(text));
	}
	json_object_object_add(crash, "parameters", parameters);
	add_string(crash, "message", machine->crash.message);
	pthread_mutex_unlock(&machine->crash_lock);
	return crash;
}

static struct json_object *do_info(struct machine *machine, char *argument,
				   struct control_files *files)
{
	struct json_object *info = json_object_new_object();
	uint32_t version = vmbus_version(machine->vmbus);
	char text[16];

	(void)argument, (void)files;
	snprintf(text, sizeof(text), "%u.%u", version >> 16, version & 0xffff);
	add_string(info, "name", machine->config->name);
	add_number(info, "pid", (uint64_t)getpid());
	add_number(info, "cpus", machine->config->cpus);
	add_number(info, "memory", balloon_assigned(&machine->balloon));
	if (machine->balloon.ready) {
		add_number(info, "memory_target", machine->balloon.target * GMEM_PAGE_SIZE);
		add_number(info, "memory_available",
			   machine->balloon.status.available * GMEM_PAGE_SIZE);
		add_number(info, "memory_committed",
			   machine->balloon.status.committed * GMEM_PAGE_SIZE);
	}
	add_number(info, "uptime", (uint64_t)(monotonic_seconds() - machine->started));
	add_string(info, "state", machine->state == MACHINE_PAUSED ? "paused" : "running");
	add_string(info, "vmbus", version ? text : "none");
	add_string(info, "heartbeat", heartbeat_state(machine));
	add_string(info, "disk_io", machine->config->ring ? "io_uring" : "threads");
	json_object_object_add(info, "disks", disks_info(machine));
	json_object_object_add(info, "nets", nets_info(machine));
	if (machine->crashed) {
		json_object_object_add(info, "crash", crash_info(machine));
	}
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

static void console_drained(void *context)
{
	struct machine *machine = context;

	if (machine->control) {
		control_input_drained(machine->control);
	}
}

static struct json_object *obey(void *context, const char *verb, char *argument,
				struct control_files *files)
{
	static const struct {
		const char *verb;
		struct json_object *(*run)(struct machine *machine, char *argument,
					   struct control_files *files);
	} verbs[] = {{"attach-net", machine_attach_net},
		     {"detach-net", machine_detach_net},
		     {"attach", machine_attach},
		     {"destroy", do_destroy},
		     {"detach", machine_detach},
		     {"info", do_info},
		     {"link", machine_link},
		     {"memory", do_memory},
		     {"pause", do_pause},
		     {"reset", do_reset},
		     {"resize", machine_resize},
		     {"resume", do_resume},
		     {"shutdown", do_shutdown}};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].verb, verb) == 0) {
			return verbs[i].run(context, argument, files);
		}
	}
	return control_refuse("%s: the host knows no such verb", verb);
}

int machine_init_control(struct machine *machine)
{
	static const struct control_ops ops = {.obey = obey, .input = do_input};

	machine->started = monotonic_seconds();
	machine->console.tap = console_tap;
	machine->console.drained_too = console_drained;
	machine->control = control_create(&machine->loop, machine->config->control, &ops, machine);
	return machine->control ? 0 : -1;
}
