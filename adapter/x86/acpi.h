/* SPDX-License-Identifier: MIT */
/* What the firmware's tables say: processors, interrupt routing, power. Needs nothing but the direct map. */
#ifndef XENOLITH_X86_ACPI_H
#define XENOLITH_X86_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/x86/acpi.h"
#include "adapter/x86/aml.h"

/*
 * `rsdp` is its machine address as the boot loader gave it, or 0 to look for it where a BIOS puts it. Broken tables are
 * passed over with a warning. A second call does nothing.
 */
void acpi_init(uint64_t rsdp);

/* Enabled processors of the MADT, in its order; 0 where there is none. */
unsigned acpi_cpu_count(void);
uint32_t acpi_cpu_apic_id(unsigned n);

/* Where an ISA interrupt arrives; false where the tables do not say. */
struct acpi_route {
	uint64_t ioapic_ma;
	uint32_t input;
	bool level, active_low;
};
bool acpi_isa_route(unsigned irq, struct acpi_route *route);

/* I/O port of the ACPI timer, 0: none. */
uint16_t acpi_pm_timer_port(void);

/* The tables say that there is no CMOS real-time clock. */
bool acpi_no_rtc(void);

/* What x86/power.c needs; fields that the table does not have are 0. */
struct acpi_power {
	bool has_s5;
	struct aml_s5 s5;
	bool hw_reduced;
	struct acpi_gas sleep_control; /* HW-reduced machines */
	uint16_t pm1a, pm1b;           /* control registers' ports */
	uint16_t smi_cmd;
	uint8_t acpi_enable;
	bool has_reset;
	struct acpi_gas reset;
	uint8_t reset_value;
};
const struct acpi_power *acpi_power(void);

#endif
