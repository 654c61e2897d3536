/* SPDX-License-Identifier: MIT */
/*
 * Local APIC and I/O APIC. Intel SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)"; Intel 82093AA
 * data sheet. Offsets are of the memory-mapped form; in x2APIC mode register r is MSR 0x800 + r / 16.
 */
#ifndef XENOLITH_ABI_X86_APIC_H
#define XENOLITH_ABI_X86_APIC_H

#define APIC_ID          0x020
#define APIC_TPR         0x080
#define APIC_EOI         0x0b0
#define APIC_SPURIOUS    0x0f0
#define APIC_ISR         0x100 /* in service: eight registers of 32 vectors */
#define APIC_ESR         0x280
#define APIC_LVT_CMCI    0x2f0
#define APIC_ICR         0x300 /* 64 bits in x2APIC mode */
#define APIC_ICR_HIGH    0x310 /* xAPIC: destination in 31:24 */
#define APIC_LVT_TIMER   0x320
#define APIC_LVT_THERMAL 0x330
#define APIC_LVT_PERF    0x340
#define APIC_LVT_LINT0   0x350
#define APIC_LVT_LINT1   0x360
#define APIC_LVT_ERROR   0x370
#define APIC_TIMER_INIT  0x380
#define APIC_TIMER_NOW   0x390
#define APIC_TIMER_DIV   0x3e0
#define APIC_MMIO_SIZE   0x1000

#define APIC_MSR(reg) (0x800u + (reg) / 16)

#define APIC_BASE_X2      (1ull << 10)
#define APIC_BASE_ENABLE  (1ull << 11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull

#define APIC_SPURIOUS_ENABLE (1u << 8)

#define APIC_LVT_MASKED       (1u << 16)
#define APIC_LVT_NMI          (4u << 8)
#define APIC_LVT_TSC_DEADLINE (2u << 17)
#define APIC_TIMER_DIV_1      0xbu

#define APIC_ICR_FIXED   (0u << 8)
#define APIC_ICR_NMI     (4u << 8)
#define APIC_ICR_INIT    (5u << 8)
#define APIC_ICR_STARTUP (6u << 8)
#define APIC_ICR_PENDING (1u << 12)
#define APIC_ICR_ASSERT  (1u << 14)
#define APIC_ICR_LEVEL   (1u << 15)

#define MSR_TSC_DEADLINE 0x6e0u

/* I/O APIC: an index and a data register; two registers an input from 0x10 on. */
#define IOAPIC_INDEX      0x00
#define IOAPIC_DATA       0x10
#define IOAPIC_MMIO_SIZE  0x20
#define IOAPIC_VERSION    0x01 /* 23:16: highest input */
#define IOAPIC_ENTRY(n)   (0x10 + 2 * (n))
#define IOAPIC_ACTIVE_LOW (1u << 13)
#define IOAPIC_LEVEL      (1u << 15)
#define IOAPIC_MASKED     (1u << 16)

/* The legacy interrupt controllers' mask registers. */
#define PIC_MASTER_MASK 0x21
#define PIC_SLAVE_MASK  0xa1

#endif
