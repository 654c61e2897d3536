/* SPDX-License-Identifier: MIT */
/*
 * What CPUID says in the partition: KVM's answers for this processor, KVM's own leaves replaced by Viridian's,
 * and a topology of one socket with single-threaded cores. VMX and SVM are hidden, as Hyper-V hides them from a
 * partition that nobody asked to nest: a guest that sees them loads its own KVM.
 */
#include "host/kvm.h"

#include "abi/hv/cpuid.h"
#include "host/say.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define MAX_ENTRIES 256u

/* TLFS, "Hypervisor CPUID leaves": the last leaf of the interface that a partition without nesting needs. */
#define HV_LEAF_LAST HV_CPUID_HARDWARE

#define LEAF1_ECX_VMX          (1u << 5)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_EDX_HTT          (1u << 28)
#define EXT1_ECX_SVM           (1u << 2)

static struct kvm_cpuid2 *new_table(void)
{
	struct kvm_cpuid2 *table =
	    calloc(1, sizeof(*table) + MAX_ENTRIES * sizeof(table->entries[0]));

	if (table) {
		table->nent = MAX_ENTRIES;
	}
	return table;
}

static struct kvm_cpuid2 *ask(const struct kvm *kvm, unsigned long request)
{
	struct kvm_cpuid2 *table = new_table();

	if (table && ioctl(kvm->dev, request, table) < 0) {
		free(table);
		return NULL;
	}
	return table;
}

static bool is_hypervisor_leaf(uint32_t leaf)
{
	return leaf >= 0x40000000u && leaf < 0x50000000u;
}

/* The bits of an APIC id that number the cores of a socket. */
static unsigned core_bits(unsigned cpus)
{
	unsigned bits = 0;

	while ((1u << bits) < cpus) {
		bits++;
	}
	return bits;
}

/* Leaves 0xb and 0x1f: level 0 is the thread (one a core), level 1 the core. */
static void set_extended_topology(struct kvm_cpuid_entry2 *entry, unsigned index, unsigned cpus)
{
	static const unsigned level_type[] = {1, 2};
	unsigned level = entry->index;

	entry->eax = level == 1 ? core_bits(cpus) : 0;
	entry->ebx = level == 0 ? 1 : level == 1 ? cpus : 0;
	entry->ecx = level | (level < 2 ? level_type[level] << 8 : 0);
	entry->edx = index;
}

static void adjust(const struct kvm *kvm, struct kvm_cpuid_entry2 *entry, unsigned index,
		   unsigned cpus)
{
	switch (entry->function) {
	case 0x1:
		entry->ebx = (entry->ebx & 0xffff) | cpus << 16 | index << 24;
		entry->ecx = (entry->ecx & ~LEAF1_ECX_VMX) | CPUID_1_ECX_HYPERVISOR;
		if (ioctl(kvm->dev, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0) {
			entry->ecx |= LEAF1_ECX_TSC_DEADLINE;
		}
		entry->edx = cpus > 1 ? entry->edx | LEAF1_EDX_HTT : entry->edx & ~LEAF1_EDX_HTT;
		break;
	case 0x4: /* Intel's caches: nobody shares one, cpus cores in the package */
		entry->eax = (entry->eax & 0x3fff) | (cpus - 1) << 26;
		break;
	case 0xb:
	case 0x1f: set_extended_topology(entry, index, cpus); break;
	case 0x80000001: entry->ecx &= ~EXT1_ECX_SVM; break;
	case 0x8000000a: /* what SVM can do */
		entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
		break;
	case 0x80000008: /* AMD's core count */
		entry->ecx = (cpus - 1) | core_bits(cpus) << 12;
		break;
	case 0x8000001d: /* AMD's caches: nobody shares one */ entry->eax &= 0x3fff; break;
	case 0x8000001e:
		entry->eax = index;
		entry->ebx = index; /* threads per core − 1 = 0 in bits 15:8 */
		entry->ecx = 0;
		break;
	default: break;
	}
}

static void adjust_hyperv(struct kvm_cpuid_entry2 *entry, unsigned cpus)
{
	switch (entry->function) {
	case HV_CPUID_VENDOR:
		/* KVM signs with its own name; guests look for this one (Linux in ms_hyperv_platform()). */
		memcpy(&entry->ebx, "Micr", 4);
		memcpy(&entry->ecx, "osof", 4);
		memcpy(&entry->edx, "t Hv", 4);
		if (entry->eax > HV_LEAF_LAST) {
			entry->eax = HV_LEAF_LAST; /* no synthetic debugger */
		}
		break;
	case HV_CPUID_LIMITS: entry->eax = cpus; break;
	default: break;
	}
}

static bool append(struct kvm_cpuid2 *table, const struct kvm_cpuid_entry2 *entry)
{
	if (table->nent == MAX_ENTRIES) {
		return false;
	}
	table->entries[table->nent++] = *entry;
	return true;
}

static bool merge(const struct kvm *kvm, struct kvm_cpuid2 *table,
		  const struct kvm_cpuid2 *processor, const struct kvm_cpuid2 *hyperv,
		  unsigned index, unsigned cpus)
{
	table->nent = 0;
	for (unsigned i = 0; i < processor->nent; i++) {
		struct kvm_cpuid_entry2 entry = processor->entries[i];

		adjust(kvm, &entry, index, cpus);
		if (!is_hypervisor_leaf(entry.function) && !append(table, &entry)) {
			return false;
		}
	}
	for (unsigned i = 0; i < hyperv->nent; i++) {
		struct kvm_cpuid_entry2 entry = hyperv->entries[i];

		adjust_hyperv(&entry, cpus);
		if (entry.function <= HV_LEAF_LAST && !append(table, &entry)) {
			return false;
		}
	}
	return true;
}

int kvm_set_cpuid(const struct kvm *kvm, int vcpu, unsigned index, unsigned cpus)
{
	struct kvm_cpuid2 *processor = ask(kvm, KVM_GET_SUPPORTED_CPUID);
	struct kvm_cpuid2 *hyperv = ask(kvm, KVM_GET_SUPPORTED_HV_CPUID);
	struct kvm_cpuid2 *table = new_table();
	int result = -1;

	if (processor && hyperv && table && merge(kvm, table, processor, hyperv, index, cpus)) {
		result = ioctl(vcpu, KVM_SET_CPUID2, table);
	}
	if (result < 0) {
		say_error("KVM refuses the processor's features: %s", strerror(errno));
	}
	free(table);
	free(hyperv);
	free(processor);
	return result;
}
