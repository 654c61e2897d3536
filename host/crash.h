/* SPDX-License-Identifier: MIT */
/* What a dead guest leaves behind, told on stderr. Both run on the thread of the processor they speak of. */
#ifndef HOST_CRASH_H
#define HOST_CRASH_H

struct vcpu;

/* The crash MSRs and the message that they may point to. */
void crash_report(struct vcpu *vcpu);
/* The processor's registers. */
void crash_registers(struct vcpu *vcpu);

#endif
