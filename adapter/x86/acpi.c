/* SPDX-License-Identifier: MIT */
#include "adapter/x86/acpi.h"

#include "adapter/x86/log.h"
#include "adapter/x86/madt.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

#define MAPPED_END (1ull << 32) /* what ma_to_va reaches for certain, whatever the kind of memory */
#define TABLE_MAX  (1u << 20)
#define TABLES_MAX 256

static bool initialised;
static struct madt madt;
static struct acpi_power power;
static uint16_t pm_timer;
static bool no_rtc;

static bool sums_to_zero(const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += bytes[i];
	return sum == 0;
}

/* The table at `ma`, checked, or NULL. Its memory belongs to the firmware and does not change. */
static const struct acpi_header *table_at(uint64_t ma)
{
	const struct acpi_header *h;

	if (ma == 0 || ma > MAPPED_END - TABLE_MAX)
		return NULL;
	h = ma_to_va(ma);
	if (h->length < sizeof(*h) || h->length > TABLE_MAX ||
	    !sums_to_zero((const uint8_t *)h, h->length)) {
		log_warning("ACPI: the table at 0x%llx is broken", (unsigned long long)ma);
		return NULL;
	}
	return h;
}

static bool is_rsdp(const struct acpi_rsdp *r)
{
	return !memcmp(r->signature, "RSD PTR ", 8) &&
	       sums_to_zero((const uint8_t *)r, ACPI_RSDP_SIZE_V1);
}

static const struct acpi_rsdp *scan(uint64_t start, uint64_t end)
{
	for (uint64_t ma = start; ma + sizeof(struct acpi_rsdp) <= end; ma += ACPI_RSDP_STEP)
		if (is_rsdp(ma_to_va(ma)))
			return ma_to_va(ma);
	return NULL;
}

static const struct acpi_rsdp *find_rsdp(uint64_t told)
{
	const struct acpi_rsdp *r;
	uint16_t segment;
	uint64_t ebda;

	if (told && told < MAPPED_END - sizeof(*r) && is_rsdp(ma_to_va(told)))
		return ma_to_va(told);
	memcpy(&segment, ma_to_va(ACPI_EBDA_POINTER), sizeof(segment));
	ebda = (uint64_t)segment << 4;
	r = ebda >= 0x80000 && ebda < 0xa0000 ? scan(ebda, ebda + ACPI_EBDA_SIZE) : NULL;
	return r ? r : scan(ACPI_BIOS_START, ACPI_BIOS_END);
}

/* Some fields are in the table twice, as a 32-bit port and as an address with its space; the latter wins where set. */
static uint16_t port_of(uint32_t port, const struct acpi_gas *gas)
{
	if (gas->address && gas->space == ACPI_SPACE_IO)
		return (uint16_t)gas->address;
	return (uint16_t)port;
}

static void look_for_s5(const struct acpi_header *h)
{
	if (h && !power.has_s5)
		power.has_s5 = aml_find_s5(h + 1, h->length - sizeof(*h), &power.s5);
}

static void use_fadt(const struct acpi_header *h)
{
	struct acpi_fadt f = {0};
	uint64_t dsdt;

	memcpy(&f, h, h->length < sizeof(f) ? h->length : sizeof(f));
	dsdt = f.x_dsdt ? f.x_dsdt : f.dsdt;
	pm_timer = port_of(f.pm_timer, &f.x_pm_timer);
	no_rtc = f.boot_arch & ACPI_BOOT_NO_CMOS_RTC;
	power.hw_reduced = f.flags & ACPI_FADT_HW_REDUCED;
	power.sleep_control = f.sleep_control;
	power.pm1a = port_of(f.pm1a_control, &f.x_pm1a_control);
	power.pm1b = port_of(f.pm1b_control, &f.x_pm1b_control);
	power.smi_cmd = (uint16_t)f.smi_cmd;
	power.acpi_enable = f.acpi_enable;
	power.has_reset = f.flags & ACPI_FADT_RESET_SUPPORTED && f.reset.address;
	power.reset = f.reset;
	power.reset_value = f.reset_value;
	look_for_s5(table_at(dsdt));
}

static void use_table(const struct acpi_header *h)
{
	if (!h)
		return;
	if (!memcmp(h->signature, "FACP", 4)) {
		use_fadt(h);
	} else if (!memcmp(h->signature, "APIC", 4)) {
		if (!madt_parse(&madt, h, h->length))
			log_warning("ACPI: the MADT is broken after %u processors", madt.nr_cpus);
		if (madt.left_out)
			log_warning("ACPI: %u processors are left out", madt.left_out);
	} else if (!memcmp(h->signature, "SSDT", 4)) {
		look_for_s5(h);
	}
}

/* The XSDT holds 64-bit addresses, the RSDT 32-bit ones. */
static bool use_root(uint64_t ma, unsigned entry_size)
{
	const struct acpi_header *root = table_at(ma);
	const uint8_t *entries = (const uint8_t *)(root + 1);
	size_t n;

	if (!root)
		return false;
	n = (root->length - sizeof(*root)) / entry_size;
	for (size_t i = 0; i < n && i < TABLES_MAX; i++) {
		uint64_t address = 0;

		memcpy(&address, entries + i * entry_size, entry_size);
		use_table(table_at(address));
	}
	return true;
}

void acpi_init(uint64_t told)
{
	const struct acpi_rsdp *r;

	if (initialised)
		return;
	initialised = true;
	r = find_rsdp(told);
	if (!r) {
		log_warning("ACPI: no tables");
		return;
	}
	if (r->revision >= 2 && sums_to_zero((const uint8_t *)r, sizeof(*r)) &&
	    use_root(r->xsdt, sizeof(uint64_t)))
		return;
	use_root(r->rsdt, sizeof(uint32_t));
}

unsigned acpi_cpu_count(void)
{
	return madt.nr_cpus;
}

uint32_t acpi_cpu_apic_id(unsigned n)
{
	return madt.cpu[n];
}

bool acpi_isa_route(unsigned irq, struct acpi_route *route)
{
	if (irq >= ISA_IRQS ||
	    !madt_find_ioapic(&madt, madt.isa[irq].gsi, &route->ioapic_ma, &route->input))
		return false;
	route->level = madt.isa[irq].level;
	route->active_low = madt.isa[irq].active_low;
	return true;
}

uint16_t acpi_pm_timer_port(void)
{
	return pm_timer;
}

bool acpi_no_rtc(void)
{
	return no_rtc;
}

const struct acpi_power *acpi_power(void)
{
	return &power;
}
