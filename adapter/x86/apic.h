/* SPDX-License-Identifier: MIT */
/* The local APIC, in x2APIC mode where offered, and the one I/O APIC input that we use. */
#ifndef XENOLITH_X86_APIC_H
#define XENOLITH_X86_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* Boot VP, once: chooses the mode, silences the legacy controllers. */
void apic_boot_init(bool use_x2apic);

/* Every VP, the boot VP included: enables its APIC with all local sources masked but NMI. */
void apic_vp_init(void);

/* Ends the interrupt in service. By way of the hypervisor's assist page where that spares the write (hv/vp.c). */
void apic_eoi(void);

/* Ends it by the register, always. */
void apic_eoi_write(void);

/* Whether an interrupt of this vector is in service. */
bool apic_in_service(unsigned vector);

uint32_t apic_id(void);

/* `icr` is the low word: delivery mode and vector. Stores made before are visible to the receiver. */
void apic_send(uint32_t apic_id, uint32_t icr);

/* The local timer, one-shot; both deliver VECTOR_APIC_TIMER. */
void apic_timer_use_deadline(void); /* armed by writing MSR_TSC_DEADLINE */
void apic_timer_use_count(void);    /* armed by apic_timer_count, divider 1 */
void apic_timer_count(uint32_t ticks);
uint32_t apic_timer_now(void);

/*
 * Routes an ISA interrupt through the I/O APIC at `ioapic_ma` to the VP with this APIC id, edge-triggered unless the
 * firmware said otherwise. False where the controller has no such input.
 */
struct ioapic_route {
	uint64_t ioapic_ma;
	uint32_t input; /* of that controller */
	uint8_t vector;
	uint8_t apic_id;
	bool level, active_low;
};
bool ioapic_route(const struct ioapic_route *route);

#endif
