/* SPDX-License-Identifier: MIT */
#include "host/machine_internal.h"

#include "host/acpi.h"
#include "host/say.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define DISK_THREADS 4u

void machine_end(struct machine *machine, enum outcome outcome)
{
	enum outcome none = OUTCOME_NONE;

	if (atomic_compare_exchange_strong(&machine->outcome, &none, outcome)) {
		event_signal(machine->end_watch.fd);
	}
}

static void end(void *context, enum outcome outcome)
{
	machine_end(context, outcome);
}

static void power_off(void *context)
{
	end(context, OUTCOME_POWER_OFF);
}

static void reset(void *context)
{
	end(context, OUTCOME_RESET);
}

static void quit(void *context)
{
	end(context, OUTCOME_KILLED);
}

/* On the processor's thread. It waits at the gate where the partition is to stay as it is. */
static void crashed(void *context, const struct crash *crash, bool dead)
{
	struct machine *machine = context;
	enum crash_policy policy = machine->config->on_crash;
	bool stays = policy == CRASH_PAUSE || (policy == CRASH_KEEP && dead);

	pthread_mutex_lock(&machine->crash_lock);
	machine->crash = *crash;
	machine->crashed = true;
	machine->dead = machine->dead || dead;
	pthread_mutex_unlock(&machine->crash_lock);
	if (stays) {
		vcpu_gate_close(&machine->gate);
		event_signal(machine->crash_watch.fd);
	} else if (policy != CRASH_KEEP) {
		end(context, OUTCOME_CRASH);
	}
}

void machine_pause(struct machine *machine)
{
	machine->state = MACHINE_PAUSED;
	vcpu_gate_close(&machine->gate);
	for (unsigned i = 0; i < machine->config->cpus; i++) {
		vcpu_kick(&machine->vcpu[i]);
	}
}

void machine_resume(struct machine *machine)
{
	machine->state = MACHINE_RUNNING;
	vcpu_gate_open(&machine->gate);
}

static void crash_told(void *context, uint32_t events)
{
	struct machine *machine = context;

	(void)events;
	event_take(machine->crash_watch.fd);
	machine_pause(machine);
	say_error("the guest is paused as it crashed: xenolith reset %s or destroy %s",
		  machine->config->name, machine->config->name);
}

static void ended(void *context, uint32_t events)
{
	struct machine *machine = context;

	(void)events;
	loop_stop(&machine->loop);
}

static void signalled(void *context, uint32_t events)
{
	(void)events;
	end(context, OUTCOME_KILLED);
}

static void uart_emit(void *context, uint8_t byte)
{
	struct machine *machine = context;

	console_put(&machine->console, byte);
}

static void uart_interrupt(void *context, int level)
{
	struct machine *machine = context;

	kvm_irq_line(machine->kvm, UART_IRQ, level);
}

static void uart_drained(void *context)
{
	struct machine *machine = context;

	console_input_drained(&machine->console);
}

static uint16_t post_message(void *context, uint32_t connection, uint32_t type, const void *payload,
			     uint32_t length)
{
	struct machine *machine = context;

	return inbox_post(&machine->inbox, connection, type, payload, length);
}

static bool vmbus_post(void *context, unsigned vp, const void *message, uint32_t length)
{
	struct machine *machine = context;

	return synic_post(&machine->vcpu[vp].synic, VMBUS_MESSAGE_TYPE, message, length);
}

static void vmbus_signal(void *context, unsigned vp, unsigned flag)
{
	struct machine *machine = context;

	synic_signal(&machine->vcpu[vp].synic, flag);
}

static int vmbus_hook(void *context, uint32_t connection, int eventfd)
{
	struct machine *machine = context;

	return kvm_hook_signal(machine->kvm, connection, eventfd);
}

static void vmbus_unhook(void *context, uint32_t connection)
{
	struct machine *machine = context;

	kvm_unhook_signal(machine->kvm, connection);
}

/* The termination signals come through the loop, on every thread's behalf: vCPU threads inherit the mask. */
static int watch_signals(struct machine *machine)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	machine->signal_watch =
	    (struct loop_watch){signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), signalled, machine};
	return machine->signal_watch.fd < 0
		   ? -1
		   : loop_add(&machine->loop, &machine->signal_watch, EPOLLIN);
}

static int init_loop(struct machine *machine)
{
	if (loop_init(&machine->loop) < 0) {
		return -1;
	}
	machine->end_watch = (struct loop_watch){event_create(), ended, machine};
	if (machine->end_watch.fd < 0 ||
	    loop_add(&machine->loop, &machine->end_watch, EPOLLIN) < 0) {
		return -1;
	}
	machine->crash_watch = (struct loop_watch){event_create(), crash_told, machine};
	if (machine->crash_watch.fd < 0 ||
	    loop_add(&machine->loop, &machine->crash_watch, EPOLLIN) < 0) {
		return -1;
	}
	return watch_signals(machine);
}

static int init_board(struct machine *machine)
{
	machine->pm = (struct pm){.power_off = power_off, .reset = reset, .context = machine};
	machine->uart = (struct uart){.emit = uart_emit,
				      .interrupt = uart_interrupt,
				      .drained = uart_drained,
				      .context = machine};
	pm_attach(&machine->pm, &machine->bus);
	rtc_attach(&machine->rtc, &machine->bus);
	uart_attach(&machine->uart, &machine->bus);
	machine->console.quit = quit;
	machine->console.context = machine;
	return console_init(&machine->console, &machine->loop, &machine->uart,
			    machine->config->output);
}

static int init_memory(struct machine *machine)
{
	int result =
	    gmem_create(&machine->memory, machine->config->memory, machine->config->memory_most);

	return result < 0 ? say_error("no memory for the guest: %s", strerror(-result)) : 0;
}

static int init_vmbus(struct machine *machine)
{
	const struct vmbus_host host = {
	    .memory = &machine->memory,
	    .loop = &machine->loop,
	    .cpus = machine->config->cpus,
	    .post = vmbus_post,
	    .signal = vmbus_signal,
	    .hook = vmbus_hook,
	    .unhook = vmbus_unhook,
	    .context = machine,
	    .threads = true,
	};

	machine->vmbus = vmbus_create(&host);
	if (!machine->vmbus || inbox_init(&machine->inbox, machine->vmbus, &machine->loop) < 0) {
		return say_error("no memory for the VMBus");
	}
	return 0;
}

static int init_disks(struct machine *machine)
{
	const struct machine_config *config = machine->config;
	int result;

	result = block_pool_init(&machine->block_pool, &machine->loop, DISK_THREADS, config->ring);
	if (result < 0) {
		return say_error("no events for the disks: %s", strerror(-result));
	}
	machine->storvsp = storvsp_create(machine->vmbus, 0, config->cpus);
	if (!machine->storvsp) {
		return say_error("no memory for the disks");
	}
	for (unsigned i = 0; i < MACHINE_MAX_DISKS; i++) {
		struct xd_error error;

		if (config->disk[i].path && machine_open_disk(machine, i, &error) < 0) {
			return say_error("%s", error.message);
		}
	}
	return 0;
}

static int init_nets(struct machine *machine)
{
	for (unsigned i = 0; i < MACHINE_MAX_NETS; i++) {
		if (machine->config->net[i].kind != NET_NONE && machine_plug_net(machine, i) < 0) {
			return -1;
		}
	}
	return 0;
}

static void destroy_nets(struct machine *machine)
{
	for (unsigned i = 0; i < MACHINE_MAX_NETS; i++) {
		if (machine->backend[i]) {
			machine->backend[i]->ops->destroy(machine->backend[i]);
		}
		netvsp_destroy(machine->netvsp[i]);
	}
	machine_forget_leaving_nets(machine);
}

/* KVM counts the partition's reference time on this clock too; nothing here needs it finer than a message's way takes. */
static uint64_t reference_time(void *context)
{
	const struct machine *machine = context;
	struct kvm_clock_data clock;

	return ioctl(machine->kvm->vm, KVM_GET_CLOCK, &clock) < 0 ? 0 : clock.clock / 100;
}

static bool add_memory(void *context, struct gmem_range range)
{
	struct machine *machine = context;

	return kvm_add_memory(machine->kvm, &machine->memory, range) == 0;
}

static int init_balloon(struct machine *machine)
{
	machine->balloon =
	    (struct balloon){.memory = &machine->memory, .add = add_memory, .context = machine};
	return balloon_offer(&machine->balloon, machine->vmbus) < 0
		   ? say_error("no memory for the balloon")
		   : 0;
}

static int init_ic(struct machine *machine)
{
	machine->ic.timesync.reference = reference_time;
	machine->ic.timesync.context = machine;
	return ic_services_init(&machine->ic, machine->vmbus, &machine->loop) < 0
		   ? say_error("no memory for the integration services")
		   : 0;
}

static int init_vcpus(struct machine *machine)
{
	unsigned cpus = machine->config->cpus;
	struct boot_entry entry;
	struct gpa rsdp = acpi_build(&machine->memory, cpus);

	if (boot_load(&machine->memory, &machine->config->files, rsdp, &entry) < 0) {
		return -1;
	}
	machine->crash_msrs.ours = kvm_take_crash_msrs(machine->kvm);
	for (unsigned i = 0; i < cpus; i++) {
		struct vcpu *vcpu = &machine->vcpu[i];

		vcpu->kvm = machine->kvm;
		vcpu->memory = &machine->memory;
		vcpu->bus = &machine->bus;
		vcpu->post_message = post_message;
		vcpu->end = end;
		vcpu->crashed = crashed;
		vcpu->gate = &machine->gate;
		vcpu->crash_msrs = &machine->crash_msrs;
		vcpu->context = machine;
		if (vcpu_create(vcpu, i, cpus, &entry, &machine->loop) < 0) {
			return -1;
		}
	}
	return kvm_route_interrupts(machine->kvm, cpus);
}

static int start(struct machine *machine)
{
	for (unsigned i = 0; i < machine->config->cpus; i++) {
		if (vcpu_start(&machine->vcpu[i]) < 0) {
			return -1;
		}
	}
	return 0;
}

static void destroy(struct machine *machine)
{
	/* First nobody runs the guest, then nobody serves it; the memory of both goes last. */
	if (machine->console.loop) {
		console_close(&machine->console);
	}
	for (unsigned i = 0; i < MACHINE_MAX_CPUS; i++) {
		vcpu_stop(&machine->vcpu[i]);
	}
	inbox_destroy(&machine->inbox);
	control_destroy(machine->control);
	machine->control = NULL;
	ic_services_destroy(&machine->ic);
	vmbus_destroy(machine->vmbus);
	balloon_destroy(&machine->balloon);
	destroy_nets(machine);
	storvsp_destroy(machine->storvsp);
	for (unsigned i = 0; i < MACHINE_MAX_IDE; i++) {
		storvsp_destroy(machine->ide[i]);
	}
	for (unsigned i = 0; i < MACHINE_MAX_DISKS; i++) {
		block_close(&machine->block[i], NULL);
	}
	block_pool_destroy(&machine->block_pool);
	for (unsigned i = 0; i < MACHINE_MAX_CPUS; i++) {
		vcpu_destroy(&machine->vcpu[i]);
	}
	if (machine->console.loop) {
		console_destroy(&machine->console);
	}
	kvm_destroy_vm(machine->kvm);
	gmem_destroy(&machine->memory);
	if (machine->signal_watch.fd > 0) {
		close(machine->signal_watch.fd);
	}
	if (machine->end_watch.fd > 0) {
		close(machine->end_watch.fd);
	}
	if (machine->crash_watch.fd > 0) {
		close(machine->crash_watch.fd);
	}
	loop_destroy(&machine->loop);
}

enum outcome machine_run(struct machine_config *config, struct kvm *kvm)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	enum outcome outcome = OUTCOME_REFUSED;

	if (!machine) {
		return OUTCOME_FAILED;
	}
	machine->config = config;
	machine->kvm = kvm;
	machine->memory.fd = -1;
	machine->loop.epoll = -1;
	vcpu_gate_init(&machine->gate);
	pthread_mutex_init(&machine->crash_lock, NULL);
	for (unsigned i = 0; i < MACHINE_MAX_CPUS; i++) {
		machine->vcpu[i].fd = -1;
		machine->vcpu[i].synic.trigger = machine->vcpu[i].synic.ended = -1;
	}
	if (init_loop(machine) == 0 && init_memory(machine) == 0 &&
	    kvm_create_vm(kvm, &machine->memory) == 0 && init_board(machine) == 0 &&
	    init_vmbus(machine) == 0 && init_disks(machine) == 0 && init_nets(machine) == 0 &&
	    init_ic(machine) == 0 && init_balloon(machine) == 0 &&
	    machine_init_control(machine) == 0 && init_vcpus(machine) == 0 && start(machine) == 0) {
		loop_run(&machine->loop);
		outcome = atomic_load(&machine->outcome);
	}
	destroy(machine);
	free(machine);
	return outcome;
}
