/* SPDX-License-Identifier: MIT */
#include "host/crash.h"

#include "abi/hv/msr.h"
#include "host/say.h"
#include "host/vcpu.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

/* Linux tells of one crash twice. */
#define TOLD_FREELY 8u

/* The text is the guest's: only what a terminal may see goes through. */
static void read_message(const struct vcpu *vcpu, uint64_t address, uint64_t length, char *to)
{
	if (length > HV_CRASH_MESSAGE_MAX || !gmem_read(vcpu->memory, gpa(address), to, length)) {
		return;
	}
	for (uint64_t i = 0; i < length; i++) {
		to[i] = isprint((unsigned char)to[i]) || to[i] == '\n' ? to[i] : '?';
	}
	to[length] = '\0';
}

bool crash_msr_read(const struct crash_msrs *msrs, uint32_t index, uint64_t *value)
{
	if (index == HV_MSR_CRASH_CTL) {
		*value = HV_CRASH_NOTIFY | HV_CRASH_MESSAGE; /* what is offered */
		return true;
	}
	if (index - HV_MSR_CRASH_P0 >= HV_CRASH_PARAMS) {
		return false;
	}
	*value = atomic_load(&msrs->parameter[index - HV_MSR_CRASH_P0]);
	return true;
}

bool crash_msr_write(struct crash_msrs *msrs, uint32_t index, uint64_t value)
{
	if (index - HV_MSR_CRASH_P0 >= HV_CRASH_PARAMS) {
		return false;
	}
	atomic_store(&msrs->parameter[index - HV_MSR_CRASH_P0], value);
	return true;
}

static bool read_parameters(const struct vcpu *vcpu, uint64_t *parameter)
{
	static const uint32_t index[HV_CRASH_PARAMS] = {HV_MSR_CRASH_P0, HV_MSR_CRASH_P0 + 1,
							HV_MSR_CRASH_P0 + 2, HV_MSR_CRASH_P0 + 3,
							HV_MSR_CRASH_P0 + 4};

	if (!vcpu->crash_msrs->ours) {
		return kvm_read_msrs(vcpu->fd, index, parameter, HV_CRASH_PARAMS);
	}
	for (unsigned i = 0; i < HV_CRASH_PARAMS; i++) {
		parameter[i] = atomic_load(&vcpu->crash_msrs->parameter[i]);
	}
	return true;
}

void crash_read(const struct vcpu *vcpu, uint64_t control, struct crash *crash)
{
	memset(crash, 0, sizeof(*crash));
	crash->parameters = read_parameters(vcpu, crash->parameter);
	if (crash->parameters && (control & HV_CRASH_MESSAGE)) {
		read_message(vcpu, crash->parameter[3], crash->parameter[4], crash->message);
	}
}

bool crash_is_news(struct crash_msrs *msrs)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return atomic_exchange(&msrs->told, now.tv_sec) != now.tv_sec ||
	       atomic_fetch_add(&msrs->times, 1) < TOLD_FREELY;
}

void crash_say(const struct crash *crash)
{
	const uint64_t *p = crash->parameter;
	const char *line = crash->message;

	if (crash->parameters) {
		say_error("the guest crashed: %#llx %#llx %#llx %#llx %#llx",
			  (unsigned long long)p[0], (unsigned long long)p[1],
			  (unsigned long long)p[2], (unsigned long long)p[3],
			  (unsigned long long)p[4]);
	} else {
		say_error("the guest crashed");
	}
	while (*line) {
		size_t length = strcspn(line, "\n");

		if (length) {
			say_error("  %.*s", (int)length, line);
		}
		line += length + (line[length] == '\n');
	}
}

void crash_registers(struct vcpu *vcpu)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &r) < 0 || ioctl(vcpu->fd, KVM_GET_SREGS, &s) < 0) {
		return;
	}
	say_error("  rip %04x:%016llx rsp %016llx rflags %08llx", s.cs.selector, r.rip, r.rsp,
		  r.rflags);
	say_error("  rax %016llx rbx %016llx rcx %016llx rdx %016llx", r.rax, r.rbx, r.rcx, r.rdx);
	say_error("  rsi %016llx rdi %016llx rbp %016llx r8  %016llx", r.rsi, r.rdi, r.rbp, r.r8);
	say_error("  r9  %016llx r10 %016llx r11 %016llx r12 %016llx", r.r9, r.r10, r.r11, r.r12);
	say_error("  r13 %016llx r14 %016llx r15 %016llx", r.r13, r.r14, r.r15);
	say_error("  cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx efer %llx", s.cr0, s.cr2, s.cr3,
		  s.cr4, s.efer);
}
