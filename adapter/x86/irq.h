/* SPDX-License-Identifier: MIT */
/*
 * Interrupt vectors of the adapter. The guest's kernel never sees one: it gets event channels.
 * A handler runs on the VP's own stack, in ring 0, with interrupts off, and must acknowledge its interrupt (apic_eoi).
 */
#ifndef XENOLITH_X86_IRQ_H
#define XENOLITH_X86_IRQ_H

#include <stdint.h>

enum irq_vector {
	VECTOR_KICK = 0xf0,  /* wake up and look at your event channels: nothing else to do */
	VECTOR_CALL = 0xf1,  /* run the function that another VP asked for (TLB fallback, stop) */
	VECTOR_TIMER = 0xf2, /* synthetic timer, direct mode */
	VECTOR_SINT_MSG = 0xf3, /* SynIC messages: timer expiry without direct mode, VMBus */
	VECTOR_SINT_VMBUS = 0xf4,
	VECTOR_UART = 0xf5,
	VECTOR_APIC_TIMER = 0xf6,
	VECTOR_SPURIOUS = 0xff,
};

typedef void irq_handler_t(void);

/* Boot time only, before other VPs start. */
void irq_register(enum irq_vector vector, irq_handler_t *handler);

#endif
