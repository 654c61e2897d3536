/* SPDX-License-Identifier: MIT */
/* Firmware tables of any content: parsed without a fault, and what comes out is within its bounds. */
#include <stdint.h>
#include <stdlib.h>

#include "abi/x86/acpi.h"
#include "adapter/x86/aml.h"
#include "adapter/x86/madt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct aml_s5 s5;
	struct madt m;
	uint64_t ma;
	uint32_t input;

	if (aml_find_s5(data, size, &s5) &&
	    (s5.typ_a > ACPI_SLP_TYP_MAX || s5.typ_b > ACPI_SLP_TYP_MAX))
		abort();
	madt_parse(&m, data, size);
	if (m.nr_cpus > MADT_CPUS_MAX || m.nr_ioapics > MADT_IOAPICS_MAX)
		abort();
	for (unsigned i = 0; i < ISA_IRQS; i++)
		if (madt_find_ioapic(&m, m.isa[i].gsi, &ma, &input) && input > m.isa[i].gsi)
			abort();
	return 0;
}
