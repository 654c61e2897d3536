/* SPDX-License-Identifier: MIT */
#include "host/crash.h"

#include "abi/hv/msr.h"
#include "host/say.h"
#include "host/vcpu.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* The text is the guest's: only what a terminal may see goes through. */
static void say_message(const struct vcpu *vcpu, uint64_t address, uint64_t length)
{
	char text[HV_CRASH_MESSAGE_MAX + 1];

	if (length > HV_CRASH_MESSAGE_MAX || !gmem_read(vcpu->memory, gpa(address), text, length)) {
		return;
	}
	text[length] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		for (char *c = line; *c; c++) {
			*c = isprint((unsigned char)*c) ? *c : '?';
		}
		say_error("  %s", line);
	}
}

void crash_report(struct vcpu *vcpu)
{
	static const uint32_t index[HV_CRASH_PARAMS] = {HV_MSR_CRASH_P0, HV_MSR_CRASH_P0 + 1,
							HV_MSR_CRASH_P0 + 2, HV_MSR_CRASH_P0 + 3,
							HV_MSR_CRASH_P0 + 4};
	uint64_t control = vcpu->run->system_event.data[0];
	uint64_t p[HV_CRASH_PARAMS];

	if (!kvm_read_msrs(vcpu->fd, index, p, HV_CRASH_PARAMS)) {
		say_error("the guest crashed");
		return;
	}
	say_error("the guest crashed: %#llx %#llx %#llx %#llx %#llx", (unsigned long long)p[0],
		  (unsigned long long)p[1], (unsigned long long)p[2], (unsigned long long)p[3],
		  (unsigned long long)p[4]);
	if (control & HV_CRASH_MESSAGE) {
		say_message(vcpu, p[3], p[4]);
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
