/* SPDX-License-Identifier: MIT */
#include "host/acpi.h"

#include "abi/x86/acpi.h"
#include "host/pm.h"

#include "dsdt.hex" /* dsdt_aml_code[], made by iasl */

#include <assert.h>
#include <string.h>

#define LOCAL_APIC 0xfee00000u
#define IO_APIC    0xfec00000u
#define TABLES     2u /* that the XSDT lists */

/* Where the next table goes; the tables' range is RAM in every partition. */
struct builder {
	uint8_t *base;
	uint64_t used;
};

static void *place(struct builder *builder, uint64_t size)
{
	void *at = builder->base + builder->used;

	assert(builder->used + size <= ACPI_END - ACPI_START);
	builder->used += (size + 63) & ~63ull;
	return memset(at, 0, size);
}

static uint64_t address_of(const struct builder *builder, const void *table)
{
	return ACPI_START + (uint64_t)((const uint8_t *)table - builder->base);
}

/* The value that makes the bytes add up to zero. */
static uint8_t checksum(const void *bytes, uint32_t length)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < length; i++) {
		sum += ((const uint8_t *)bytes)[i];
	}
	return (uint8_t)-sum;
}

static void finish(struct acpi_header *header, const char *signature, uint8_t revision,
		   uint32_t length)
{
	memcpy(header->signature, signature, 4);
	memcpy(header->oem, "XENOLI", 6);
	memcpy(header->oem_table, "PARTITIO", 8);
	memcpy(&header->creator, "XENO", 4);
	header->revision = revision;
	header->length = length;
	header->oem_revision = 1;
	header->creator_revision = 1;
	header->checksum = checksum(header, length);
}

static uint64_t build_dsdt(struct builder *builder)
{
	void *dsdt = place(builder, sizeof(dsdt_aml_code));

	memcpy(dsdt, dsdt_aml_code, sizeof(dsdt_aml_code));
	return address_of(builder, dsdt);
}

static uint64_t build_facs(struct builder *builder)
{
	struct acpi_facs *facs = place(builder, sizeof(*facs));

	memcpy(facs->signature, "FACS", 4);
	facs->length = sizeof(*facs);
	return address_of(builder, facs);
}

static uint64_t build_fadt(struct builder *builder, uint64_t dsdt, uint64_t facs)
{
	struct acpi_fadt *fadt = place(builder, sizeof(*fadt));

	fadt->facs = (uint32_t)facs;
	fadt->dsdt = (uint32_t)dsdt;
	fadt->x_dsdt = dsdt;
	fadt->sci = PM_SCI;
	fadt->pm1a_event = PM_EVENT_PORT;
	fadt->lengths[ACPI_FADT_PM1_EVENT] = PM_EVENT_LENGTH;
	fadt->pm1a_control = PM_CONTROL_PORT;
	fadt->lengths[ACPI_FADT_PM1_CONTROL] = PM_CONTROL_LENGTH;
	fadt->c2_latency = 0xffff; /* no C2, no C3 */
	fadt->c3_latency = 0xffff;
	fadt->rtc[ACPI_FADT_CENTURY] = 0x32;
	fadt->boot_arch = ACPI_BOOT_LEGACY_DEVICES | ACPI_BOOT_NO_VGA;
	fadt->flags = ACPI_FADT_WBINVD | ACPI_FADT_C1 | ACPI_FADT_POWER_BUTTON |
		      ACPI_FADT_SLEEP_BUTTON | ACPI_FADT_RESET_SUPPORTED | ACPI_FADT_HEADLESS;
	fadt->reset = (struct acpi_gas){
	    .space = ACPI_SPACE_IO, .width = 8, .access = 1, .address = PM_RESET_PORT};
	fadt->reset_value = PM_RESET_VALUE;
	fadt->minor = 4;
	memcpy(&fadt->hypervisor, "MsHyperV", 8);
	finish(&fadt->header, "FACP", 6, sizeof(*fadt));
	return address_of(builder, fadt);
}

static uint64_t build_madt(struct builder *builder, unsigned cpus)
{
	uint32_t length = sizeof(struct acpi_madt) + cpus * sizeof(struct acpi_madt_lapic) +
			  sizeof(struct acpi_madt_ioapic) + 2 * sizeof(struct acpi_madt_override);
	struct acpi_madt *madt = place(builder, length);
	struct acpi_madt_lapic *cpu = (void *)(madt + 1);
	struct acpi_madt_ioapic *ioapic = (void *)(cpu + cpus);
	struct acpi_madt_override *override = (void *)(ioapic + 1);

	madt->lapic = LOCAL_APIC;
	madt->flags = ACPI_MADT_HAS_PICS;
	for (unsigned i = 0; i < cpus; i++) {
		cpu[i] = (struct acpi_madt_lapic){
		    {ACPI_MADT_LAPIC, sizeof(*cpu)}, (uint8_t)i, (uint8_t)i, ACPI_MADT_ENABLED};
	}
	*ioapic = (struct acpi_madt_ioapic){.entry = {ACPI_MADT_IOAPIC, sizeof(*ioapic)},
					    .address = IO_APIC};
	override[0] = (struct acpi_madt_override){
	    .entry = {ACPI_MADT_OVERRIDE, sizeof(*override)}, .source = 0, .gsi = 2};
	override[1] = (struct acpi_madt_override){.entry = {ACPI_MADT_OVERRIDE, sizeof(*override)},
						  .source = PM_SCI,
						  .gsi = PM_SCI,
						  .flags = ACPI_MADT_ACTIVE_HIGH_LEVEL};
	finish(&madt->header, "APIC", 5, length);
	return address_of(builder, madt);
}

static uint64_t build_xsdt(struct builder *builder, const uint64_t tables[TABLES])
{
	uint32_t length = sizeof(struct acpi_header) + TABLES * sizeof(uint64_t);
	struct acpi_header *xsdt = place(builder, length);

	memcpy(xsdt + 1, tables, TABLES * sizeof(uint64_t));
	finish(xsdt, "XSDT", 1, length);
	return address_of(builder, xsdt);
}

struct gpa acpi_build(const struct gmem *memory, unsigned cpus)
{
	struct builder builder = {.base = gmem_at(memory, gpa(ACPI_START), ACPI_END - ACPI_START)};
	struct acpi_rsdp *rsdp;
	uint64_t dsdt, facs, tables[TABLES];

	assert(builder.base);
	rsdp = place(&builder, sizeof(*rsdp));
	dsdt = build_dsdt(&builder);
	facs = build_facs(&builder);
	tables[0] = build_fadt(&builder, dsdt, facs);
	tables[1] = build_madt(&builder, cpus);
	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem, "XENOLI", 6);
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = build_xsdt(&builder, tables);
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
	return gpa(address_of(&builder, rsdp));
}
