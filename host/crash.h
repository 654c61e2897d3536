/* SPDX-License-Identifier: MIT */
/* What is told of a guest that crashes: by the crash MSRs (TLFS 6.0b, "Partition crash enlightenment") or without them. */
#ifndef HOST_CRASH_H
#define HOST_CRASH_H

#include "abi/hv/msr.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct crash {
	bool parameters; /* there are any */
	uint64_t parameter[HV_CRASH_PARAMS];
	/* The guest's last words, printable; lines end with \n. "": none. */
	char message[HV_CRASH_MESSAGE_MAX + 1];
};

/* The partition's crash MSRs, kept by the host where KVM lets it: KVM's own do not offer the guest to leave a message. */
struct crash_msrs {
	bool ours;
	atomic_uint times;    /* that the guest crashed */
	_Atomic int64_t told; /* the last time that was told, in seconds */
	_Atomic uint64_t parameter[HV_CRASH_PARAMS];
};

/* False: no crash MSR. */
bool crash_msr_read(const struct crash_msrs *msrs, uint32_t index, uint64_t *value);
/* Not for HV_MSR_CRASH_CTL, which asks for crash_read(). */
bool crash_msr_write(struct crash_msrs *msrs, uint32_t index, uint64_t value);

struct vcpu;

/* On the processor's thread, after the guest wrote `control`. */
void crash_read(const struct vcpu *vcpu, uint64_t control, struct crash *crash);
/* False for a guest that goes on and crashes all the time: after the first few times once a second is enough. */
bool crash_is_news(struct crash_msrs *msrs);
void crash_say(const struct crash *crash);
void crash_registers(struct vcpu *vcpu);

#endif
