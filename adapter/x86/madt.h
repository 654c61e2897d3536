/* SPDX-License-Identifier: MIT */
/* The MADT: processors and interrupt controllers. Pure; runs hosted too. */
#ifndef XENOLITH_X86_MADT_H
#define XENOLITH_X86_MADT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MADT_CPUS_MAX    64
#define MADT_IOAPICS_MAX 8
#define ISA_IRQS         16

struct madt {
	unsigned nr_cpus;            /* enabled ones */
	unsigned left_out;           /* enabled ones that did not fit */
	uint32_t cpu[MADT_CPUS_MAX]; /* APIC ids, in the table's order, each once */
	unsigned nr_ioapics;
	struct {
		uint64_t ma;
		uint32_t gsi_base;
	} ioapic[MADT_IOAPICS_MAX];
	struct {
		uint32_t gsi;
		bool level, active_low;
	} isa[ISA_IRQS]; /* identity, edge, high where nothing else was said */
};

/* `table` is the whole table, header included, `length` its length. False where its structure is broken. */
bool madt_parse(struct madt *m, const void *table, size_t length);

/* The controller that serves a GSI and its input there. With controllers side by side the highest base below wins. */
bool madt_find_ioapic(const struct madt *m, uint32_t gsi, uint64_t *ma, uint32_t *input);

#endif
