/* SPDX-License-Identifier: MIT */
#include "host/kvm.h"

#include "abi/hv/msr.h"
#include "host/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define IOAPIC_PINS 24u
#define PIC_LINES   16u
#define VMBUS_SINT  2u
/* Three pages that Intel's real-mode emulation wants, below the APICs and outside of RAM. */
#define TSS_ADDRESS 0xfffbd000ull

static const struct capability {
	int number;
	const char *name;
} needed[] = {
    {KVM_CAP_HYPERV, "HYPERV"},
    {KVM_CAP_HYPERV_SYNIC2, "HYPERV_SYNIC2"},
    {KVM_CAP_HYPERV_VP_INDEX, "HYPERV_VP_INDEX"},
    {KVM_CAP_HYPERV_EVENTFD, "HYPERV_EVENTFD"},
    {KVM_CAP_SYS_HYPERV_CPUID, "SYS_HYPERV_CPUID"},
    {KVM_CAP_IRQFD, "IRQFD"},
    {KVM_CAP_IRQFD_RESAMPLE, "IRQFD_RESAMPLE"},
    {KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
};

static int check_capabilities(const struct kvm *kvm)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (ioctl(kvm->dev, KVM_CHECK_EXTENSION, needed[i].number) <= 0) {
			return say_error(
			    "/dev/kvm lacks %s: this kernel's KVM has no complete Hyper-V support; "
			    "`make run` uses a nested machine instead",
			    needed[i].name);
		}
	}
	return 0;
}

int kvm_open(struct kvm *kvm)
{
	int size;

	*kvm = (struct kvm){.dev = open("/dev/kvm", O_RDWR | O_CLOEXEC), .vm = -1};
	if (kvm->dev < 0) {
		return say_error("/dev/kvm: %s: load kvm-amd or kvm-intel, and belong to its group",
				 strerror(errno));
	}
	if (ioctl(kvm->dev, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		return say_error("/dev/kvm: not the KVM interface of version %d", KVM_API_VERSION);
	}
	size = ioctl(kvm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run)) {
		return say_error("/dev/kvm: no room for a vCPU's state");
	}
	kvm->run_size = (unsigned)size;
	return check_capabilities(kvm);
}

void kvm_close(struct kvm *kvm)
{
	if (kvm->dev >= 0) {
		close(kvm->dev);
		kvm->dev = -1;
	}
}

int kvm_add_memory(struct kvm *kvm, const struct gmem *memory, struct gmem_range range)
{
	struct kvm_userspace_memory_region region = {
	    .slot = kvm->slots,
	    .guest_phys_addr = range.start,
	    .memory_size = range.size,
	    .userspace_addr = (uintptr_t)(memory->base + range.offset),
	};

	if (ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) {
		return -errno;
	}
	kvm->slots++;
	return 0;
}

static int give_memory(struct kvm *kvm, const struct gmem *memory)
{
	int result = 0;

	kvm->slots = 0;
	for (unsigned i = 0; i < memory->ranges && result == 0; i++) {
		result = kvm_add_memory(kvm, memory, memory->range[i]);
	}
	return result;
}

static struct kvm_irq_routing_entry chip_route(unsigned gsi, unsigned chip, unsigned pin)
{
	return (struct kvm_irq_routing_entry){
	    .gsi = gsi,
	    .type = KVM_IRQ_ROUTING_IRQCHIP,
	    .u.irqchip = {.irqchip = chip, .pin = pin},
	};
}

/* ISA lines reach a PIC and the IO-APIC, line 0 at its pin 2 as in every PC; then one line a processor for VMBus. */
static int set_routes(const struct kvm *kvm, unsigned cpus)
{
	unsigned most = PIC_LINES + IOAPIC_PINS + cpus;
	struct kvm_irq_routing *table =
	    calloc(1, sizeof(*table) + most * sizeof(table->entries[0]));
	int result;

	if (!table) {
		return -1;
	}
	for (unsigned line = 0; line < PIC_LINES; line++) {
		unsigned chip = line < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;

		table->entries[table->nr++] = chip_route(line, chip, line % 8);
	}
	for (unsigned line = 0; line < IOAPIC_PINS; line++) {
		if (line != 2) {
			table->entries[table->nr++] =
			    chip_route(line, KVM_IRQCHIP_IOAPIC, line ? line : 2);
		}
	}
	for (unsigned vp = 0; vp < cpus; vp++) {
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		    .gsi = KVM_SINT_GSI + vp,
		    .type = KVM_IRQ_ROUTING_HV_SINT,
		    .u.hv_sint = {.vcpu = vp, .sint = VMBUS_SINT},
		};
	}
	result = ioctl(kvm->vm, KVM_SET_GSI_ROUTING, table);
	free(table);
	return result;
}

int kvm_create_vm(struct kvm *kvm, const struct gmem *memory)
{
	const char *step = "a virtual machine";

	kvm->vm = ioctl(kvm->dev, KVM_CREATE_VM, 0);
	if (kvm->vm < 0) {
		goto fail;
	}
	step = "the task state segment";
	if (ioctl(kvm->vm, KVM_SET_TSS_ADDR, TSS_ADDRESS) < 0) {
		goto fail;
	}
	step = "the interrupt controllers";
	if (ioctl(kvm->vm, KVM_CREATE_IRQCHIP, 0) < 0) {
		goto fail;
	}
	step = "the guest's memory";
	if (give_memory(kvm, memory) < 0) {
		goto fail;
	}
	return 0;
fail:
	say_error("KVM refuses %s: %s", step, strerror(errno));
	kvm_destroy_vm(kvm);
	return -1;
}

int kvm_route_interrupts(const struct kvm *kvm, unsigned cpus)
{
	return set_routes(kvm, cpus) < 0
		   ? say_error("KVM refuses the interrupt routes: %s", strerror(errno))
		   : 0;
}

void kvm_destroy_vm(struct kvm *kvm)
{
	if (kvm->vm >= 0) {
		close(kvm->vm);
		kvm->vm = -1;
	}
}

void kvm_irq_line(const struct kvm *kvm, unsigned gsi, int level)
{
	struct kvm_irq_level line = {.irq = gsi, .level = (unsigned)level};

	ioctl(kvm->vm, KVM_IRQ_LINE, &line);
}

int kvm_irqfd(const struct kvm *kvm, unsigned gsi, int trigger, int resample)
{
	struct kvm_irqfd irqfd = {.fd = (unsigned)trigger, .gsi = gsi};

	if (resample >= 0) {
		irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
		irqfd.resamplefd = (unsigned)resample;
	}
	return ioctl(kvm->vm, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int kvm_hook_signal(const struct kvm *kvm, uint32_t connection, int eventfd)
{
	struct kvm_hyperv_eventfd hook = {.conn_id = connection, .fd = eventfd};

	return ioctl(kvm->vm, KVM_HYPERV_EVENTFD, &hook) < 0 ? -errno : 0;
}

void kvm_unhook_signal(const struct kvm *kvm, uint32_t connection)
{
	struct kvm_hyperv_eventfd hook = {
	    .conn_id = connection, .fd = -1, .flags = KVM_HYPERV_EVENTFD_DEASSIGN};

	ioctl(kvm->vm, KVM_HYPERV_EVENTFD, &hook);
}

bool kvm_take_crash_msrs(const struct kvm *kvm)
{
	struct kvm_enable_cap exits = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
				       .args[0] = KVM_MSR_EXIT_REASON_FILTER};
	uint8_t none[1] = {0};
	struct kvm_msr_filter filter = {
	    .flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
	    .ranges[0] = {.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			  .base = HV_MSR_CRASH_P0,
			  .nmsrs = HV_MSR_CRASH_CTL - HV_MSR_CRASH_P0 + 1,
			  .bitmap = none},
	};

	return ioctl(kvm->vm, KVM_ENABLE_CAP, &exits) == 0 &&
	       ioctl(kvm->vm, KVM_X86_SET_MSR_FILTER, &filter) == 0;
}

/* struct kvm_msrs with room for its entries. */
union msrs {
	struct kvm_msrs head;
	uint8_t room[sizeof(struct kvm_msrs) + KVM_MAX_MSRS * sizeof(struct kvm_msr_entry)];
};

bool kvm_read_msrs(int vcpu, const uint32_t *index, uint64_t *value, unsigned count)
{
	union msrs msrs = {.head.nmsrs = count};

	for (unsigned i = 0; i < count; i++) {
		msrs.head.entries[i].index = index[i];
	}
	if (ioctl(vcpu, KVM_GET_MSRS, &msrs) != (int)count) {
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		value[i] = msrs.head.entries[i].data;
	}
	return true;
}

bool kvm_write_msrs(int vcpu, const uint32_t *index, const uint64_t *value, unsigned count)
{
	union msrs msrs = {.head.nmsrs = count};

	for (unsigned i = 0; i < count; i++) {
		msrs.head.entries[i].index = index[i];
		msrs.head.entries[i].data = value[i];
	}
	return ioctl(vcpu, KVM_SET_MSRS, &msrs) == (int)count;
}
