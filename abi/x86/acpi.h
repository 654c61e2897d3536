/* SPDX-License-Identifier: MIT */
/* ACPI tables: Advanced Configuration and Power Interface Specification 6.5, the sections named. Little-endian, unaligned. */
#ifndef XENOLITH_ABI_X86_ACPI_H
#define XENOLITH_ABI_X86_ACPI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* 5.2.5.3. Lies on a 16-byte boundary in the EBDA's first KiB or in 0xe0000 to 0xfffff. */
struct acpi_rsdp {
	char signature[8]; /* "RSD PTR " */
	uint8_t checksum;  /* of the first 20 bytes */
	char oem[6];
	uint8_t revision; /* 2 and more: all fields are there */
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 5.2.5.3");
#define ACPI_RSDP_SIZE_V1 20
#define ACPI_RSDP_STEP    16
#define ACPI_BIOS_START   0xe0000
#define ACPI_BIOS_END     0x100000
#define ACPI_EBDA_POINTER 0x40e /* 16-bit real-mode segment */
#define ACPI_EBDA_SIZE    1024

/* 5.2.6. All tables but the RSDP and the FACS begin so; the bytes of `length` sum to 0. */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	uint32_t creator;
	uint32_t creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");

/* 5.2.3.2 */
struct acpi_gas {
	uint8_t space;
	uint8_t width;
	uint8_t offset;
	uint8_t access;
	uint64_t address;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_gas) == 12, "ACPI 5.2.3.2");
#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_IO     1

/* 5.2.9. Older tables are shorter: `length` says which fields are there. */
struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved1;
	uint8_t profile;
	uint16_t sci;
	uint32_t smi_cmd;
	uint8_t acpi_enable;
	uint8_t acpi_disable;
	uint8_t s4bios;
	uint8_t pstate;
	uint32_t pm1a_event, pm1b_event;
	uint32_t pm1a_control, pm1b_control;
	uint32_t pm2_control;
	uint32_t pm_timer;
	uint32_t gpe0, gpe1;
	uint8_t lengths[8];
	uint16_t c2_latency, c3_latency;
	uint16_t flush_size, flush_stride;
	uint8_t duty[2];
	uint8_t rtc[3];
	uint16_t boot_arch;
	uint8_t reserved2;
	uint32_t flags;
	struct acpi_gas reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct acpi_gas x_pm1a_event, x_pm1b_event;
	struct acpi_gas x_pm1a_control, x_pm1b_control;
	struct acpi_gas x_pm2_control;
	struct acpi_gas x_pm_timer;
	struct acpi_gas x_gpe0, x_gpe1;
	struct acpi_gas sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, dsdt) == 40, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, smi_cmd) == 48, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, pm1a_control) == 64, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, pm_timer) == 76, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, boot_arch) == 109, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, reset) == 116, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_pm1a_control) == 172, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_pm_timer) == 208, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, sleep_control) == 244, "ACPI 5.2.9");
/* Of `lengths`; the last two are GPE1's base and CST control. */
#define ACPI_FADT_PM1_EVENT   0
#define ACPI_FADT_PM1_CONTROL 1
/* Of `rtc`. */
#define ACPI_FADT_CENTURY         2
#define ACPI_FADT_WBINVD          (1u << 0)
#define ACPI_FADT_C1              (1u << 2)
#define ACPI_FADT_POWER_BUTTON    (1u << 4) /* not as a fixed event */
#define ACPI_FADT_SLEEP_BUTTON    (1u << 5)
#define ACPI_FADT_RESET_SUPPORTED (1u << 10)
#define ACPI_FADT_HEADLESS        (1u << 12)
#define ACPI_FADT_HW_REDUCED      (1u << 20)
#define ACPI_BOOT_LEGACY_DEVICES  (1u << 0)
#define ACPI_BOOT_NO_VGA          (1u << 2)
#define ACPI_BOOT_NO_CMOS_RTC     (1u << 5)

/* 5.2.10. It has no checksum. */
struct acpi_facs {
	char signature[4];
	uint32_t length;
	uint8_t rest[56];
};
_Static_assert(sizeof(struct acpi_facs) == 64, "ACPI 5.2.10");

/* 4.8.3.2.1 and 4.8.3.7 */
#define ACPI_PM1_SCI_ENABLED   (1u << 0)
#define ACPI_PM1_SLP_TYP_SHIFT 10
#define ACPI_PM1_SLP_EN        (1u << 13)
#define ACPI_SLEEP_TYP_SHIFT   2
#define ACPI_SLEEP_EN          (1u << 5)
#define ACPI_SLP_TYP_MAX       7
#define ACPI_PM_TIMER_HZ       3579545
#define ACPI_PM_TIMER_MASK     0xffffffu /* 24 bits are always there */

/* 5.2.12 */
struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic;
	uint32_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt) == 44, "ACPI 5.2.12");

struct acpi_madt_entry {
	uint8_t type;
	uint8_t length;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt_entry) == 2, "ACPI 5.2.12");

#define ACPI_MADT_HAS_PICS (1u << 0) /* of acpi_madt.flags */
#define ACPI_MADT_LAPIC    0
#define ACPI_MADT_IOAPIC   1
#define ACPI_MADT_OVERRIDE 2
#define ACPI_MADT_X2APIC   9
#define ACPI_MADT_ENABLED  (1u << 0)

struct acpi_madt_lapic {
	struct acpi_madt_entry entry;
	uint8_t uid;
	uint8_t id;
	uint32_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt_lapic) == 8, "ACPI 5.2.12.2");

struct acpi_madt_ioapic {
	struct acpi_madt_entry entry;
	uint8_t id;
	uint8_t reserved;
	uint32_t address;
	uint32_t gsi_base;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt_ioapic) == 12, "ACPI 5.2.12.3");

struct acpi_madt_override {
	struct acpi_madt_entry entry;
	uint8_t bus; /* 0: ISA */
	uint8_t source;
	uint32_t gsi;
	uint16_t
	    flags; /* 1:0 polarity, 3:2 trigger: 0 the bus's own, 1 high or edge, 3 low or level */
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt_override) == 10, "ACPI 5.2.12.5");
#define ACPI_MADT_ACTIVE_HIGH_LEVEL 0x000d

struct acpi_madt_x2apic {
	struct acpi_madt_entry entry;
	uint16_t reserved;
	uint32_t id;
	uint32_t flags;
	uint32_t uid;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt_x2apic) == 16, "ACPI 5.2.12.12");

/* 20.2: the AML opcodes in the definition of \_S5_. */
#define AML_ZERO        0x00
#define AML_ONE         0x01
#define AML_NAME        0x08
#define AML_BYTE        0x0a
#define AML_WORD        0x0b
#define AML_DWORD       0x0c
#define AML_PACKAGE     0x12
#define AML_ROOT_PREFIX 0x5c

#endif
