/* SPDX-License-Identifier: MIT */
/* The network adapters of a partition, and what the control socket changes of them. */
#include "host/machine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "host/say.h"

/* How long an adapter that goes has to send nothing, and how often that is looked at before it goes all the same. */
#define QUIET_NS   250000000
#define LOOKS_MOST 12u

static bool parse_user(struct machine_net *net, char *options)
{
	char *option;

	net->kind = NET_USER;
	while ((option = strsep(&options, ","))) {
		if (strncmp(option, "hostfwd=", 8) != 0 || net->forwards == MACHINE_MAX_FORWARDS) {
			return false;
		}
		net->forward[net->forwards++] = option + 8;
	}
	return true;
}

bool machine_net_parse(struct machine_net *net, char *words)
{
	char *kind = strsep(&words, ",");

	*net = (struct machine_net){.tap = -1};
	if (strcmp(kind, "user") == 0) {
		return parse_user(net, words);
	}
	if (strncmp(kind, "tap=", 4) != 0 || !kind[4] || words) {
		return false;
	}
	net->kind = NET_TAP;
	net->interface = kind + 4;
	return true;
}

static struct net_backend *create_backend(struct machine *machine, const struct machine_net *net)
{
	if (net->kind == NET_USER) {
		return net_slirp_create(&machine->loop, net->forward, net->forwards);
	}
	return net_tap_create(&machine->loop, net->interface, net->tap);
}

int machine_plug_net(struct machine *machine, unsigned index)
{
	/* Locally administered; the same for every life of the guest. */
	const uint8_t address[6] = {0x02, 'X', 'e', 'n', 'o', (uint8_t)index};
	struct net_backend *backend = create_backend(machine, &machine->config->net[index]);

	if (!backend) {
		return -1;
	}
	machine->netvsp[index] = netvsp_create(machine->vmbus, machine->nets_offered,
					       machine->config->cpus, address, backend);
	if (!machine->netvsp[index]) {
		backend->ops->destroy(backend);
		return say_error("no memory for the network");
	}
	machine->nets_offered++;
	machine->backend[index] = backend;
	return 0;
}

static void forget(struct machine_net *net)
{
	if (net->tap >= 0) {
		close(net->tap);
	}
	free(net->words);
	*net = (struct machine_net){.tap = -1};
}

/* Takes over the words and the tap's file. */
static struct json_object *attach(struct machine *machine, unsigned index, const char *words,
				  struct control_files *files)
{
	struct machine_net *net = &machine->config->net[index];
	char *copy = strdup(words);
	struct json_object *answer;
	bool good =
	    copy && machine_net_parse(net, copy) && files->count == (net->kind == NET_TAP ? 1 : 0);

	net->words = copy;
	if (good && net->kind == NET_TAP) {
		net->tap = files->fd[0];
		files->fd[0] = -1;
	}
	if (!good || machine_plug_net(machine, index) < 0) {
		forget(net);
		return control_refuse(
		    "%s: this network cannot be had; the host's messages tell more", words);
	}
	answer = control_done();
	json_object_object_add(answer, "adapter", json_object_new_int((int)index));
	return answer;
}

struct json_object *machine_attach_net(struct machine *machine, char *argument,
				       struct control_files *files)
{
	for (unsigned i = 0; i < MACHINE_MAX_NETS; i++) {
		if (!machine->netvsp[i]) {
			return attach(machine, i, argument, files);
		}
	}
	return control_refuse("all %u network adapters are taken", MACHINE_MAX_NETS);
}

/* An adapter that is there, or -1. Nothing may follow the number. */
static int adapter(const struct machine *machine, const char *text)
{
	char *end;
	unsigned long index = strtoul(text, &end, 10);

	return end != text && !*end && index < MACHINE_MAX_NETS && machine->netvsp[index]
		   ? (int)index
		   : -1;
}

static void take_away(struct net_leaving *leaving)
{
	netvsp_remove(leaving->adapter);
	leaving->adapter = NULL;
}

static void looks_quiet(void *context, uint32_t events)
{
	struct net_leaving *leaving = context;
	uint64_t messages = netvsp_counts(leaving->adapter).messages;

	(void)events;
	event_take(leaving->timer.fd); /* a timer's count is read in the same way */
	if (leaving->machine->state == MACHINE_PAUSED) {
		leaving->messages = UINT64_MAX; /* a guest that goes on has that time again */
		return;
	}
	if (messages != leaving->messages && ++leaving->looks < LOOKS_MOST) {
		leaving->messages = messages;
		return;
	}
	loop_remove(&leaving->machine->loop, &leaving->timer);
	close(leaving->timer.fd);
	take_away(leaving);
}

static bool watch_leaving(struct machine *machine, struct net_leaving *leaving)
{
	const struct itimerspec every = {{0, QUIET_NS}, {0, QUIET_NS}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	leaving->machine = machine;
	leaving->timer = (struct loop_watch){fd, looks_quiet, leaving};
	if (fd >= 0 && timerfd_settime(fd, 0, &every, NULL) == 0 &&
	    loop_add(&machine->loop, &leaving->timer, EPOLLIN) == 0) {
		return true;
	}
	if (fd >= 0) {
		close(fd);
	}
	return false;
}

/*
 * The cable first. Linux waits for the answers to all that it has sent (rndis_filter_halt_device()), for ever and with its lock of all network
 * devices held, but hears nothing more from a channel once it knows that it is taken back (vmbus_onoffer_rescind()). So its offers go
 * when it has noticed that the cable is out, and sends nothing any more.
 */
static void let_go(struct machine *machine, struct netvsp *adapter)
{
	struct net_leaving *leaving = machine->net_leaving;

	netvsp_unplug(adapter);
	while (leaving->adapter && leaving < &machine->net_leaving[MACHINE_MAX_NETS - 1]) {
		leaving++;
	}
	if (leaving->adapter) {
		netvsp_remove(adapter);
		return;
	}
	*leaving =
	    (struct net_leaving){.adapter = adapter, .messages = netvsp_counts(adapter).messages};
	if (!watch_leaving(machine, leaving)) {
		take_away(leaving);
	}
}

void machine_forget_leaving_nets(struct machine *machine)
{
	for (unsigned i = 0; i < MACHINE_MAX_NETS; i++) {
		struct net_leaving *leaving = &machine->net_leaving[i];

		if (leaving->adapter) {
			close(leaving->timer.fd);
			netvsp_destroy(leaving->adapter);
			leaving->adapter = NULL;
		}
	}
}

struct json_object *machine_detach_net(struct machine *machine, char *argument,
				       struct control_files *files)
{
	int index = adapter(machine, argument);

	(void)files;
	if (index < 0) {
		return control_refuse("%s: no such network adapter; see xenolith info", argument);
	}
	let_go(machine, machine->netvsp[index]);
	machine->netvsp[index] = NULL;
	machine->backend[index]->ops->destroy(machine->backend[index]);
	machine->backend[index] = NULL;
	forget(&machine->config->net[index]);
	return control_done();
}

/* "up" or "down", then perhaps a space and which adapter. */
struct json_object *machine_link(struct machine *machine, char *argument,
				 struct control_files *files)
{
	bool up = strncmp(argument, "up", 2) == 0;
	const char *number = argument + (up ? 2 : strlen("down"));
	int index;

	(void)files;
	if (!up && strncmp(argument, "down", 4) != 0) {
		return control_refuse("%s: up or down is expected", argument);
	}
	index = *number == ' ' ? adapter(machine, number + 1)
		: *number      ? -1
			       : adapter(machine, "0");
	if (index < 0) {
		return control_refuse("no such network adapter");
	}
	netvsp_set_link(machine->netvsp[index], up);
	return control_done();
}
