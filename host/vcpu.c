/* SPDX-License-Identifier: MIT */
#include "host/vcpu.h"

#include "host/crash.h"
#include "host/hypercall.h"
#include "host/say.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MSR_IA32_MISC_ENABLE   0x1a0u
#define MISC_FAST_STRINGS      1u
#define MSR_MTRR_DEFAULT_TYPE  0x2ffu
#define MTRR_ON_AND_WRITE_BACK 0xc06u /* E, FE, type 6: as firmware leaves it */

static __thread struct kvm_run *running;

/* A signal between the check for work and KVM_RUN must not be lost: the flag makes KVM_RUN return at once. */
static void on_kick(int signal_number)
{
	(void)signal_number;
	if (running) {
		__atomic_store_n(&running->immediate_exit, 1, __ATOMIC_RELAXED);
	}
}

static int kick_signal(void)
{
	return SIGRTMIN;
}

void vcpu_install_kick(void)
{
	struct sigaction action = {.sa_handler = on_kick};

	sigaction(kick_signal(), &action, NULL);
}

static bool set_msrs(const struct vcpu *vcpu)
{
	static const uint32_t index[] = {MSR_IA32_MISC_ENABLE, MSR_MTRR_DEFAULT_TYPE};
	static const uint64_t value[] = {MISC_FAST_STRINGS, MTRR_ON_AND_WRITE_BACK};

	return kvm_write_msrs(vcpu->fd, index, value, 2);
}

static void synic_kick(void *context)
{
	vcpu_kick(context);
}

int vcpu_create(struct vcpu *vcpu, unsigned index, unsigned cpus, const struct boot_entry *entry,
		struct loop *loop)
{
	struct kvm_enable_cap synic = {.cap = KVM_CAP_HYPERV_SYNIC2};
	int result;

	vcpu->index = index;
	vcpu->synic =
	    (struct synic_vp){.trigger = -1, .ended = -1, .kick = synic_kick, .context = vcpu};
	vcpu->fd = ioctl(vcpu->kvm->vm, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0) {
		return say_error("KVM refuses processor %u: %s", index, strerror(errno));
	}
	vcpu->run =
	    mmap(NULL, vcpu->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return say_error("processor %u: %s", index, strerror(errno));
	}
	if (kvm_set_cpuid(vcpu->kvm, vcpu->fd, index, cpus) < 0) {
		return -1;
	}
	if (ioctl(vcpu->fd, KVM_ENABLE_CAP, &synic) < 0) {
		return say_error("KVM refuses the SynIC of processor %u: %s", index,
				 strerror(errno));
	}
	result = synic_init(&vcpu->synic, vcpu->memory, loop, vcpu->kvm, index);
	if (result < 0) {
		return say_error("processor %u: no VMBus interrupt: %s", index, strerror(-result));
	}
	if (!set_msrs(vcpu) || (index == 0 && boot_set_registers(vcpu->fd, entry) < 0)) {
		return say_error("KVM refuses the first registers of processor %u: %s", index,
				 strerror(errno));
	}
	return 0;
}

static void do_port(const struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		uint32_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, run->io.size);
			bus_write(vcpu->bus, run->io.port, run->io.size, value);
		} else {
			value = bus_read(vcpu->bus, run->io.port, run->io.size);
			memcpy(data, &value, run->io.size);
		}
	}
}

static void do_hyperv(struct vcpu *vcpu)
{
	struct kvm_hyperv_exit *exit = &vcpu->run->hyperv;

	switch (exit->type) {
	case KVM_EXIT_HYPERV_SYNIC:
		synic_update(&vcpu->synic, exit->u.synic.control, exit->u.synic.msg_page,
			     exit->u.synic.evt_page);
		break;
	case KVM_EXIT_HYPERV_HCALL:
		exit->u.hcall.result =
		    hypercall(vcpu, exit->u.hcall.input, exit->u.hcall.params[0]);
		break;
	default: break;
	}
}

static void report_crash(struct vcpu *vcpu, uint64_t control)
{
	struct crash crash;

	crash_read(vcpu, control, &crash);
	if (crash_is_news(vcpu->crash_msrs)) {
		crash_say(&crash);
		crash_registers(vcpu);
	}
	vcpu->crashed(vcpu->context, &crash, false);
}

static void report_triple_fault(struct vcpu *vcpu)
{
	struct crash crash = {0};

	snprintf(crash.message, sizeof(crash.message), "processor %u: triple fault", vcpu->index);
	crash_say(&crash);
	crash_registers(vcpu);
	vcpu->crashed(vcpu->context, &crash, true);
}

static void do_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN: vcpu->end(vcpu->context, OUTCOME_POWER_OFF); break;
	case KVM_SYSTEM_EVENT_RESET: vcpu->end(vcpu->context, OUTCOME_RESET); break;
	case KVM_SYSTEM_EVENT_CRASH: report_crash(vcpu, vcpu->run->system_event.data[0]); break;
	default: break;
	}
}

/* Only what kvm_take_crash_msrs() has asked for comes here. */
static void do_write_msr(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->msr.error = 0;
	if (run->msr.index != HV_MSR_CRASH_CTL) {
		run->msr.error = !crash_msr_write(vcpu->crash_msrs, run->msr.index, run->msr.data);
	} else if (run->msr.data & HV_CRASH_NOTIFY) {
		report_crash(vcpu, run->msr.data);
	}
}

static void do_read_msr(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t value = 0;

	run->msr.error = !crash_msr_read(vcpu->crash_msrs, run->msr.index, &value);
	run->msr.data = value;
}

/* False where the processor cannot go on: what it would do next is nobody's intention, and told again and again. */
static bool do_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO: do_port(vcpu); break;
	case KVM_EXIT_MMIO: /* nothing is mapped: all ones, and writes are lost */
		if (!run->mmio.is_write) {
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		}
		break;
	case KVM_EXIT_HYPERV: do_hyperv(vcpu); break;
	case KVM_EXIT_SYSTEM_EVENT: do_system_event(vcpu); break;
	case KVM_EXIT_X86_RDMSR: do_read_msr(vcpu); break;
	case KVM_EXIT_X86_WRMSR: do_write_msr(vcpu); break;
	case KVM_EXIT_SHUTDOWN: report_triple_fault(vcpu); return false;
	case KVM_EXIT_FAIL_ENTRY:
	case KVM_EXIT_INTERNAL_ERROR:
	default:
		say_error("processor %u: KVM cannot go on: exit %u, detail %u", vcpu->index,
			  run->exit_reason, run->internal.suberror);
		crash_registers(vcpu);
		vcpu->end(vcpu->context, OUTCOME_FAILED);
		return false;
	}
	return true;
}

void vcpu_gate_init(struct vcpu_gate *gate)
{
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->opened, NULL);
	atomic_store(&gate->closed, false);
}

void vcpu_gate_close(struct vcpu_gate *gate)
{
	atomic_store(&gate->closed, true);
}

void vcpu_gate_open(struct vcpu_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	atomic_store(&gate->closed, false);
	pthread_cond_broadcast(&gate->opened);
	pthread_mutex_unlock(&gate->lock);
}

/* Stopping goes through the gate. */
static void pass_gate(const struct vcpu *vcpu)
{
	struct vcpu_gate *gate = vcpu->gate;

	if (!atomic_load(&gate->closed)) {
		return;
	}
	pthread_mutex_lock(&gate->lock);
	while (atomic_load(&gate->closed) && !atomic_load(&vcpu->stop)) {
		pthread_cond_wait(&gate->opened, &gate->lock);
	}
	pthread_mutex_unlock(&gate->lock);
}

static void *vcpu_thread(void *argument)
{
	struct vcpu *vcpu = argument;

	running = vcpu->run;
	for (;;) {
		int result;

		pass_gate(vcpu);
		if (atomic_load(&vcpu->stop)) {
			break;
		}
		synic_deliver(&vcpu->synic);
		result = ioctl(vcpu->fd, KVM_RUN, 0);
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_RELAXED);
		if (result == 0) {
			if (!do_exit(vcpu)) {
				break;
			}
		} else if (errno != EINTR && errno != EAGAIN) {
			say_error("processor %u: %s", vcpu->index, strerror(errno));
			vcpu->end(vcpu->context, OUTCOME_FAILED);
			break;
		}
	}
	return NULL;
}

int vcpu_start(struct vcpu *vcpu)
{
	int error = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);

	if (error) {
		return say_error("no thread for processor %u: %s", vcpu->index, strerror(error));
	}
	vcpu->started = true;
	return 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	if (vcpu->started) {
		pthread_kill(vcpu->thread, kick_signal());
	}
}

void vcpu_stop(struct vcpu *vcpu)
{
	if (vcpu->started) {
		pthread_mutex_lock(&vcpu->gate->lock);
		atomic_store(&vcpu->stop, true);
		pthread_cond_broadcast(&vcpu->gate->opened);
		pthread_mutex_unlock(&vcpu->gate->lock);
		vcpu_kick(vcpu);
		pthread_join(vcpu->thread, NULL);
		vcpu->started = false;
	}
}

void vcpu_destroy(struct vcpu *vcpu)
{
	synic_destroy(&vcpu->synic);
	if (vcpu->run) {
		munmap(vcpu->run, vcpu->kvm->run_size);
	}
	if (vcpu->fd >= 0) {
		close(vcpu->fd);
	}
}
