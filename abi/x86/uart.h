/* SPDX-License-Identifier: MIT */
/* The 16550 UART at COM1: National Semiconductor PC16550D data sheet, "Registers". Offsets from the base port. */
#ifndef XENOLITH_ABI_X86_UART_H
#define XENOLITH_ABI_X86_UART_H

#define UART_COM1     0x3f8
#define UART_COM1_IRQ 4 /* ISA interrupt */

#define UART_DATA     0
#define UART_IER      1
#define UART_FCR      2 /* write */
#define UART_IIR      2 /* read */
#define UART_LCR      3
#define UART_MCR      4
#define UART_LSR      5
#define UART_SCRATCH  7
#define UART_DIV_LOW  0 /* while LCR.DLAB */
#define UART_DIV_HIGH 1

#define UART_IER_RX     0x01
#define UART_FCR_ENABLE 0x01
#define UART_FCR_CLEAR  0x06 /* both FIFOs */
#define UART_FCR_RX_8   0x80 /* interrupt at 8 received bytes, or when they have waited for a while */
#define UART_FIFO_SIZE  16
#define UART_LCR_8N1    0x03
#define UART_LCR_DLAB   0x80
#define UART_MCR_DTR    0x01
#define UART_MCR_RTS    0x02
#define UART_MCR_OUT2   0x08 /* lets the interrupt out on a PC */
#define UART_LSR_READY  0x01
#define UART_LSR_EMPTY  0x20 /* transmit FIFO */

#define UART_DIV_115200 1

#endif
