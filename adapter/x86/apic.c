/* SPDX-License-Identifier: MIT */
#include "adapter/x86/apic.h"

#include "abi/x86/apic.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/irq.h"
#include "adapter/x86/mem.h"

static bool x2;
static volatile uint32_t *mmio; /* xAPIC mode; the same machine address on every VP */

static uint32_t apic_read(unsigned reg)
{
	return x2 ? (uint32_t)rdmsr(APIC_MSR(reg)) : mmio[reg / 4];
}

static void apic_write(unsigned reg, uint32_t value)
{
	if (x2)
		wrmsr(APIC_MSR(reg), value);
	else
		mmio[reg / 4] = value;
}

void apic_boot_init(bool use_x2apic)
{
	/* A virtual machine without these controllers ignores the writes. */
	outb(PIC_MASTER_MASK, 0xff);
	outb(PIC_SLAVE_MASK, 0xff);
	x2 = use_x2apic;
	if (!x2)
		mmio = map_mmio(rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS, APIC_MMIO_SIZE);
}

/* From x2APIC mode the way back leads only through "disabled" (SDM, "x2APIC State Transitions"). */
static void set_mode(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (!x2 && base & APIC_BASE_X2) {
		base &= ~(APIC_BASE_X2 | APIC_BASE_ENABLE);
		wrmsr(MSR_APIC_BASE, base);
	}
	if (!(base & APIC_BASE_ENABLE)) {
		base |= APIC_BASE_ENABLE;
		wrmsr(MSR_APIC_BASE, base);
	}
	if (x2 && !(base & APIC_BASE_X2))
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2);
}

/* The task priority stays as it is, 0 after reset: writing it can crash an emulator (docs, the lab). */
void apic_vp_init(void)
{
	set_mode();
	apic_write(APIC_SPURIOUS, APIC_SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
	apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
	apic_write(APIC_LVT_LINT1, APIC_LVT_NMI);
	apic_write(APIC_LVT_ERROR, APIC_LVT_MASKED);
}

void apic_eoi_write(void)
{
	apic_write(APIC_EOI, 0);
}

bool apic_in_service(unsigned vector)
{
	return apic_read(APIC_ISR + vector / 32 * 16) >> vector % 32 & 1;
}

uint32_t apic_id(void)
{
	uint32_t id = apic_read(APIC_ID);

	return x2 ? id : id >> 24;
}

void apic_send(uint32_t id, uint32_t icr)
{
	/* An x2APIC write does not order earlier stores (SDM, "MSR Access in x2APIC Mode"). */
	asm volatile("mfence; lfence" : : : "memory");
	if (x2) {
		wrmsr(APIC_MSR(APIC_ICR), (uint64_t)id << 32 | icr | APIC_ICR_ASSERT);
		return;
	}
	while (apic_read(APIC_ICR) & APIC_ICR_PENDING)
		cpu_relax();
	apic_write(APIC_ICR_HIGH, id << 24);
	apic_write(APIC_ICR, icr | APIC_ICR_ASSERT);
}

void apic_timer_use_deadline(void)
{
	apic_write(APIC_LVT_TIMER, APIC_LVT_TSC_DEADLINE | VECTOR_APIC_TIMER);
	/* In xAPIC mode the deadline must not overtake the mode (SDM, "TSC-Deadline Mode"). */
	asm volatile("mfence" : : : "memory");
}

void apic_timer_use_count(void)
{
	apic_write(APIC_TIMER_DIV, APIC_TIMER_DIV_1);
	apic_write(APIC_LVT_TIMER, VECTOR_APIC_TIMER);
}

void apic_timer_count(uint32_t ticks)
{
	apic_write(APIC_TIMER_INIT, ticks);
}

uint32_t apic_timer_now(void)
{
	return apic_read(APIC_TIMER_NOW);
}

static uint32_t ioapic_read(volatile uint32_t *io, uint32_t reg)
{
	io[IOAPIC_INDEX / 4] = reg;
	return io[IOAPIC_DATA / 4];
}

static void ioapic_write(volatile uint32_t *io, uint32_t reg, uint32_t value)
{
	io[IOAPIC_INDEX / 4] = reg;
	io[IOAPIC_DATA / 4] = value;
}

bool ioapic_route(const struct ioapic_route *r)
{
	volatile uint32_t *io = map_mmio(r->ioapic_ma, IOAPIC_MMIO_SIZE);
	uint32_t highest = ioapic_read(io, IOAPIC_VERSION) >> 16 & 0xff;
	uint32_t low = r->vector;

	if (r->input > highest)
		return false;
	if (r->level)
		low |= IOAPIC_LEVEL;
	if (r->active_low)
		low |= IOAPIC_ACTIVE_LOW;
	ioapic_write(io, IOAPIC_ENTRY(r->input), IOAPIC_MASKED);
	ioapic_write(io, IOAPIC_ENTRY(r->input) + 1, (uint32_t)r->apic_id << 24);
	ioapic_write(io, IOAPIC_ENTRY(r->input), low);
	return true;
}
