/* SPDX-License-Identifier: MIT */
/* COM1, a 16550. Output is seam/console.h's console_write and works without any initialisation. */
#ifndef XENOLITH_X86_UART_H
#define XENOLITH_X86_UART_H

#include <stdbool.h>
#include <stdint.h>

/* Boot VP, first thing: finds out whether there is a COM1 and sets it to 115200 8n1 with FIFOs. */
void uart_init(void);

/* Lets received bytes interrupt with VECTOR_UART; the caller has routed the line. */
void uart_irq_on(void);

/* Takes what has arrived into the input buffer; true when there is input for console_read. */
bool uart_poll(void);

#endif
