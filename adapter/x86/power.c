/* SPDX-License-Identifier: MIT */
#include "adapter/x86/power.h"

#include <stdbool.h>

#include "adapter/hv/crash.h"
#include "adapter/hv/vmbus.h"
#include "adapter/seam/power.h"
#include "adapter/x86/acpi.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"

#define RESET_PORT         0xcf9 /* chipset reset control: bit 1 full reset, bit 2 does it */
#define KEYBOARD_COMMAND   0x64
#define KEYBOARD_PULSE_CPU 0xfe

enum crash_action crash_action = CRASH_OFF;

/* Long enough for a host to act on a register write; no clock is certain to work here. */
static void linger(void)
{
	for (unsigned i = 0; i < 1000; i++)
		inb(0x80);
}

static _Noreturn void halt(void)
{
	for (;;)
		asm volatile("cli; hlt");
}

/* Byte-wide registers only: the reset and the sleep control register are that by specification. */
static void gas_write(const struct acpi_gas *gas, uint8_t value)
{
	if (gas->space == ACPI_SPACE_IO) {
		outb((uint16_t)gas->address, value);
	} else if (gas->space == ACPI_SPACE_MEMORY) {
		volatile uint8_t *reg = map_mmio(gas->address, 1);

		*reg = value;
	}
}

/* While the firmware still has the power registers to itself, ask for them. */
static void acpi_take_over(const struct acpi_power *p)
{
	if (inw(p->pm1a) & ACPI_PM1_SCI_ENABLED || !p->smi_cmd || !p->acpi_enable)
		return;
	outb(p->smi_cmd, p->acpi_enable);
	for (unsigned i = 0; i < 100000 && !(inw(p->pm1a) & ACPI_PM1_SCI_ENABLED); i++)
		cpu_relax();
}

static void pm1_sleep(uint16_t port, uint8_t typ)
{
	uint16_t keep = inw(port) & ~(ACPI_SLP_TYP_MAX << ACPI_PM1_SLP_TYP_SHIFT | ACPI_PM1_SLP_EN);

	outw(port, keep | (uint16_t)(typ << ACPI_PM1_SLP_TYP_SHIFT) | ACPI_PM1_SLP_EN);
}

static void acpi_off(const struct acpi_power *p)
{
	if (!p->has_s5)
		return;
	if (p->hw_reduced) {
		if (p->sleep_control.address)
			gas_write(&p->sleep_control,
				  (uint8_t)(p->s5.typ_a << ACPI_SLEEP_TYP_SHIFT) | ACPI_SLEEP_EN);
		return;
	}
	if (!p->pm1a)
		return;
	acpi_take_over(p);
	pm1_sleep(p->pm1a, p->s5.typ_a);
	if (p->pm1b)
		pm1_sleep(p->pm1b, p->s5.typ_b);
}

void power_off(void)
{
	irq_disable();
	hv_vmbus_unload();
	acpi_init(0);
	acpi_off(acpi_power());
	linger();
	log_error("this machine does not say how to power it off: halted");
	halt();
}

/* An interrupt without a table to look it up in: the processor gives up, the machine resets. */
static _Noreturn void triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none;

	asm volatile("lidt %0; int3" : : "m"(none));
	halt();
}

void power_reset(void)
{
	const struct acpi_power *p = acpi_power();

	irq_disable();
	hv_vmbus_unload();
	hv_reset();
	linger();
	if (p->has_reset) {
		gas_write(&p->reset, p->reset_value);
		linger();
	}
	outb(RESET_PORT, 0x02);
	outb(RESET_PORT, 0x06);
	linger();
	outb(KEYBOARD_COMMAND, KEYBOARD_PULSE_CPU);
	linger();
	triple_fault();
}

void power_crash(const uint64_t params[5], const char *message, size_t length)
{
	irq_disable();
	hv_crash(params, message, length);
	switch (crash_action) {
	case CRASH_OFF: power_off();
	case CRASH_RESET: power_reset();
	case CRASH_HALT: break;
	}
	halt();
}
