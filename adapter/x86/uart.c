/* SPDX-License-Identifier: MIT */
#include "adapter/x86/uart.h"

#include <stddef.h>

#include "abi/x86/uart.h"
#include "adapter/seam/console.h"
#include "adapter/x86/asm.h"
#include "core/lock.h"

/*
 * Each port access leaves the VM, so a million polls are seconds. A host that takes no more output (a named pipe that
 * nobody reads) costs this once, then again only after it has taken a byte.
 */
#define TX_POLLS 1000000

#define RX_SIZE 256 /* a power of two */

enum uart_state { UART_UNKNOWN, UART_ABSENT, UART_PRESENT, UART_STUCK };

static enum uart_state state;
static unsigned tx_room; /* bytes that the transmit FIFO certainly takes */
static int tx_lock;

/* The receive buffer. Any VP fills and empties it: the one that takes the interrupt, and each whose guest's console asks for input. */
static char rx[RX_SIZE];
static unsigned rx_head, rx_tail;
static struct lock rx_lock;
static bool rx_irq;   /* the interrupt is in use */
static bool rx_quiet; /* and off, because the buffer is full */

static uint8_t reg_read(unsigned reg)
{
	return inb(UART_COM1 + reg);
}

static void reg_write(unsigned reg, uint8_t value)
{
	outb(UART_COM1 + reg, value);
}

/* An empty port reads as all ones and keeps nothing. */
static bool present(void)
{
	reg_write(UART_SCRATCH, 0x5a);
	if (reg_read(UART_SCRATCH) != 0x5a)
		return false;
	reg_write(UART_SCRATCH, 0xa5);
	return reg_read(UART_SCRATCH) == 0xa5;
}

void uart_init(void)
{
	if (!present()) {
		state = UART_ABSENT;
		return;
	}
	reg_write(UART_IER, 0);
	reg_write(UART_LCR, UART_LCR_DLAB);
	reg_write(UART_DIV_LOW, UART_DIV_115200);
	reg_write(UART_DIV_HIGH, 0);
	reg_write(UART_LCR, UART_LCR_8N1);
	/* QEMU takes no more bytes in than the trigger level says: with a level of one, each is an interrupt of its own. */
	reg_write(UART_FCR, UART_FCR_ENABLE | UART_FCR_RX_8);
	reg_write(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	state = UART_PRESENT;
}

void uart_irq_on(void)
{
	if (state != UART_PRESENT && state != UART_STUCK)
		return;
	rx_irq = true;
	reg_write(UART_IER, UART_IER_RX);
}

static bool tx_wait(void)
{
	unsigned polls = state == UART_STUCK ? 1 : TX_POLLS;

	for (; polls; polls--) {
		uint8_t lsr = reg_read(UART_LSR);

		if (lsr == 0xff)
			break;
		if (lsr & UART_LSR_EMPTY) {
			state = UART_PRESENT;
			tx_room = UART_FIFO_SIZE;
			return true;
		}
		cpu_relax();
	}
	state = UART_STUCK;
	return false;
}

static void tx(char c)
{
	if (!tx_room && !tx_wait())
		return;
	reg_write(UART_DATA, (uint8_t)c);
	tx_room--;
}

static char tx_last; /* under tx_lock, as far as that goes */

/* Gives up after a while: a VP that stopped inside must not silence the one that says why. */
static bool tx_take(void)
{
	for (unsigned i = 0; i < 10000000; i++) {
		if (!__atomic_exchange_n(&tx_lock, 1, __ATOMIC_ACQUIRE))
			return true;
		cpu_relax();
	}
	return false;
}

void console_write(const char *text, size_t length)
{
	bool taken;

	if (state == UART_UNKNOWN)
		uart_init();
	if (state == UART_ABSENT)
		return;
	taken = tx_take();
	for (size_t i = 0; i < length; i++) {
		/* A guest's terminal has put the return there already. */
		if (text[i] == '\n' && tx_last != '\r')
			tx('\r');
		tx(text[i]);
		tx_last = text[i];
	}
	if (taken)
		__atomic_store_n(&tx_lock, 0, __ATOMIC_RELEASE);
}

static bool rx_fill(void)
{
	if (state != UART_PRESENT && state != UART_STUCK)
		return false;
	while (rx_head - rx_tail < RX_SIZE) {
		uint8_t lsr = reg_read(UART_LSR);

		if (!(lsr & UART_LSR_READY) || lsr == 0xff)
			break;
		rx[rx_head++ % RX_SIZE] = (char)reg_read(UART_DATA);
	}
	/* What is left stays in the UART; a line that is level-triggered would storm meanwhile. */
	if (rx_irq && !rx_quiet && rx_head - rx_tail == RX_SIZE) {
		rx_quiet = true;
		reg_write(UART_IER, 0);
	}
	return rx_head != rx_tail;
}

bool uart_poll(void)
{
	bool any;

	lock_take(&rx_lock);
	any = rx_fill();
	lock_drop(&rx_lock);
	return any;
}

size_t console_read(char *buffer, size_t size)
{
	size_t n = 0;

	lock_take(&rx_lock);
	rx_fill();
	while (n < size && rx_tail != rx_head)
		buffer[n++] = rx[rx_tail++ % RX_SIZE];
	/* If bytes wait, this raises the line, on either kind of trigger. */
	if (rx_quiet && n) {
		rx_quiet = false;
		reg_write(UART_IER, UART_IER_RX);
	}
	lock_drop(&rx_lock);
	return n;
}
