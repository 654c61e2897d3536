/* SPDX-License-Identifier: MIT */
/* The ACPI tables of the partition: RSDP, XSDT, FADT, FACS, MADT and the DSDT that iasl made of dsdt.dsl. */
#ifndef HOST_ACPI_H
#define HOST_ACPI_H

#include "host/gmem.h"

/* The range that the tables live in; the memory map calls it reserved. */
#define ACPI_START 0xe0000ull
#define ACPI_END   0x100000ull

/* Writes the tables for `cpus` processors and returns the address of the RSDP. */
struct gpa acpi_build(const struct gmem *memory, unsigned cpus);

#endif
