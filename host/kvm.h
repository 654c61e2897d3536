/* SPDX-License-Identifier: MIT */
/*
 * The kernel's side of the partition: /dev/kvm, one VM, its memory, interrupt chips and routes.
 * Source for every ioctl: Linux, Documentation/virt/kvm/api.rst.
 */
#ifndef HOST_KVM_H
#define HOST_KVM_H

#include "host/gmem.h"

#include <linux/kvm.h>

/* Interrupt lines 0–23 are the IO-APIC's; from here on, line KVM_SINT_GSI + vp is the VMBus SINT of that processor. */
#define KVM_SINT_GSI 24u

struct kvm {
	int dev; /* /dev/kvm; outlives resets */
	int vm;
	unsigned run_size; /* bytes of each vCPU's shared struct kvm_run */
	unsigned slots;    /* of memory */
};

/* Opens /dev/kvm and checks for every capability that the partition needs. Says what is missing; 0 or -1. */
int kvm_open(struct kvm *kvm);
void kvm_close(struct kvm *kvm);

/* A VM with `memory`, PICs, IO-APIC and local APICs, but no vCPU yet. Says why not; 0 or -1. */
int kvm_create_vm(struct kvm *kvm, const struct gmem *memory);
/* One more range of `memory` for the guest. 0 or -errno. */
int kvm_add_memory(struct kvm *kvm, const struct gmem *memory, struct gmem_range range);
/*
 * Lines to interrupt controllers and SINTs. Once all vCPUs have their SynIC: for one that has none yet KVM takes the route, but
 * then never tells of the end of its interrupts (kvm_hv_irq_routing_update() notes the line in the SynIC).
 */
int kvm_route_interrupts(const struct kvm *kvm, unsigned cpus);
void kvm_destroy_vm(struct kvm *kvm);

/* Level of an IO-APIC line. */
void kvm_irq_line(const struct kvm *kvm, unsigned gsi, int level);
/* Writing `trigger` raises the line; the kernel writes `resample` (where not -1) when the guest ends the interrupt. */
int kvm_irqfd(const struct kvm *kvm, unsigned gsi, int trigger, int resample);
/* HvSignalEvent to `connection` writes to `eventfd`, without an exit. Undone by kvm_unhook_signal(). 0 or -errno. */
int kvm_hook_signal(const struct kvm *kvm, uint32_t connection, int eventfd);
void kvm_unhook_signal(const struct kvm *kvm, uint32_t connection);

/* From now on the guest's accesses to the crash MSRs are exits. False where KVM cannot do that, and keeps them itself. */
bool kvm_take_crash_msrs(const struct kvm *kvm);

#define KVM_MAX_MSRS 8u
/* Several MSRs of a vCPU at once, KVM_MAX_MSRS at most, on its own thread or before it runs. False where KVM refuses one. */
bool kvm_read_msrs(int vcpu, const uint32_t *index, uint64_t *value, unsigned count);
bool kvm_write_msrs(int vcpu, const uint32_t *index, const uint64_t *value, unsigned count);

/* CPUID of virtual processor `index` of `cpus`: the processor's own, less what the partition has not, and Viridian's leaves. */
int kvm_set_cpuid(const struct kvm *kvm, int vcpu, unsigned index, unsigned cpus);

#endif
