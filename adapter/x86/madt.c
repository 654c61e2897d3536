/* SPDX-License-Identifier: MIT */
#include "adapter/x86/madt.h"

#include "abi/x86/acpi.h"
#include "core/string.h"

static void add_cpu(struct madt *m, uint32_t id, uint32_t flags)
{
	if (!(flags & ACPI_MADT_ENABLED))
		return;
	/* Firmware may list a processor in both forms. */
	for (unsigned i = 0; i < m->nr_cpus; i++)
		if (m->cpu[i] == id)
			return;
	if (m->nr_cpus == MADT_CPUS_MAX)
		m->left_out++;
	else
		m->cpu[m->nr_cpus++] = id;
}

static void add_ioapic(struct madt *m, const struct acpi_madt_ioapic *io)
{
	if (m->nr_ioapics == MADT_IOAPICS_MAX)
		return;
	m->ioapic[m->nr_ioapics].ma = io->address;
	m->ioapic[m->nr_ioapics].gsi_base = io->gsi_base;
	m->nr_ioapics++;
}

static void add_override(struct madt *m, const struct acpi_madt_override *o)
{
	if (o->bus != 0 || o->source >= ISA_IRQS)
		return;
	m->isa[o->source].gsi = o->gsi;
	m->isa[o->source].active_low = (o->flags & 3) == 3;
	m->isa[o->source].level = (o->flags >> 2 & 3) == 3;
}

/* `entry` holds `length` bytes. An entry that is too short for its type is as good as unknown. */
static void add_entry(struct madt *m, const uint8_t *entry, uint8_t length)
{
	union {
		struct acpi_madt_lapic lapic;
		struct acpi_madt_ioapic ioapic;
		struct acpi_madt_override override;
		struct acpi_madt_x2apic x2apic;
	} u = {0};

	memcpy(&u, entry, length < sizeof(u) ? length : sizeof(u));
	if (entry[0] == ACPI_MADT_LAPIC && length >= sizeof(u.lapic) && u.lapic.id != 0xff)
		add_cpu(m, u.lapic.id, u.lapic.flags);
	else if (entry[0] == ACPI_MADT_X2APIC && length >= sizeof(u.x2apic))
		add_cpu(m, u.x2apic.id, u.x2apic.flags);
	else if (entry[0] == ACPI_MADT_IOAPIC && length >= sizeof(u.ioapic))
		add_ioapic(m, &u.ioapic);
	else if (entry[0] == ACPI_MADT_OVERRIDE && length >= sizeof(u.override))
		add_override(m, &u.override);
}

bool madt_parse(struct madt *m, const void *table, size_t length)
{
	const uint8_t *bytes = table;
	size_t at = sizeof(struct acpi_madt);

	*m = (struct madt){0};
	for (unsigned i = 0; i < ISA_IRQS; i++)
		m->isa[i].gsi = i;
	while (at + sizeof(struct acpi_madt_entry) <= length) {
		uint8_t size = bytes[at + 1];

		if (size < sizeof(struct acpi_madt_entry) || size > length - at)
			return false;
		add_entry(m, bytes + at, size);
		at += size;
	}
	return at == length;
}

bool madt_find_ioapic(const struct madt *m, uint32_t gsi, uint64_t *ma, uint32_t *input)
{
	bool found = false;

	for (unsigned i = 0; i < m->nr_ioapics; i++) {
		uint32_t base = m->ioapic[i].gsi_base;

		if (base > gsi || (found && gsi - base >= *input))
			continue;
		*ma = m->ioapic[i].ma;
		*input = gsi - base;
		found = true;
	}
	return found;
}
