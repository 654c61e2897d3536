/* SPDX-License-Identifier: MIT */
/* When console input is looked for. The UART itself is x86/uart.c. */
#include "abi/x86/uart.h"
#include "adapter/hv/hv.h"
#include "adapter/hv/timer.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/console.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/acpi.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/irq.h"
#include "adapter/x86/log.h"
#include "adapter/x86/uart.h"

#define POLL_NS 20000000ull

static void poll(void)
{
	if (uart_poll())
		xen_console_input();
}

static void poll_again(void);
static struct hv_alarm polling = {.ring = poll_again};

static void poll_again(void)
{
	hv_alarm_set(&polling, clock_now() + POLL_NS);
	poll();
}

/* Taking the bytes first lets the line fall, and the next one raise it again, before the interrupt ends. */
static void uart_interrupt(void)
{
	poll();
	apic_eoi();
}

static bool route_irq(void)
{
	struct acpi_route r;

	/* Without interrupt remapping an I/O APIC reaches only ids of eight bits. */
	if (vps_apic_id(0) > 0xfe || !acpi_isa_route(UART_COM1_IRQ, &r))
		return false;
	return ioapic_route(&(struct ioapic_route){
	    .ioapic_ma = r.ioapic_ma,
	    .input = r.input,
	    .vector = VECTOR_UART,
	    .apic_id = (uint8_t)vps_apic_id(0),
	    .level = r.level,
	    .active_low = r.active_low,
	});
}

void hv_console_init(void)
{
	irq_register(VECTOR_UART, uart_interrupt);
	if (route_irq()) {
		uart_irq_on();
	} else {
		log_info("console input is polled: no I/O APIC");
		poll_again();
	}
}
