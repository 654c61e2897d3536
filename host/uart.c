/* SPDX-License-Identifier: MIT */
/* Registers and bits: National Semiconductor PC16550D data sheet, section 8. */
#include "host/uart.h"

#include <stdbool.h>

enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCRATCH };

#define IER_RECEIVED   0x01
#define IER_SENT       0x02
#define IIR_NONE       0x01
#define IIR_SENT       0x02
#define IIR_RECEIVED   0x04
#define IIR_FIFOS      0xc0
#define FCR_ENABLE     0x01
#define FCR_CLEAR_RX   0x02
#define LCR_DLAB       0x80
#define MCR_DTR        0x01
#define MCR_RTS        0x02
#define MCR_OUT1       0x04
#define MCR_OUT2       0x08
#define MCR_LOOP       0x10
#define LSR_DATA_READY 0x01
#define LSR_THR_EMPTY  0x20
#define LSR_IDLE       0x40
#define MSR_CTS        0x10
#define MSR_DSR        0x20
#define MSR_RI         0x40
#define MSR_DCD        0x80

static bool queue_empty(const struct uart *uart)
{
	return uart->head == uart->tail;
}

static void push(struct uart *uart, uint8_t byte)
{
	if (uart->head - uart->tail < UART_QUEUE) {
		uart->queue[uart->head++ % UART_QUEUE] = byte;
	}
}

static uint8_t interrupt_cause(const struct uart *uart)
{
	if ((uart->ier & IER_RECEIVED) && !queue_empty(uart)) {
		return IIR_RECEIVED;
	}
	if ((uart->ier & IER_SENT) && uart->thr_empty_pending) {
		return IIR_SENT;
	}
	return IIR_NONE;
}

static void update_interrupt(struct uart *uart)
{
	int level = interrupt_cause(uart) != IIR_NONE;

	if (level != uart->level) {
		uart->level = level;
		uart->interrupt(uart->context, level);
	}
}

static uint8_t read_data(struct uart *uart)
{
	uint8_t byte;

	if (queue_empty(uart)) {
		return 0;
	}
	byte = uart->queue[uart->tail++ % UART_QUEUE];
	if (queue_empty(uart)) {
		uart->drained(uart->context);
	}
	return byte;
}

static uint8_t read_iir(struct uart *uart)
{
	uint8_t cause = interrupt_cause(uart);

	if (cause == IIR_SENT) {
		uart->thr_empty_pending = 0; /* reading the cause acknowledges this one */
	}
	return cause | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

/* In loop-back the four outputs come back as the four inputs. */
static uint8_t read_msr(const struct uart *uart)
{
	if (!(uart->mcr & MCR_LOOP)) {
		return MSR_CTS | MSR_DSR | MSR_DCD;
	}
	return (uart->mcr & MCR_RTS ? MSR_CTS : 0) | (uart->mcr & MCR_DTR ? MSR_DSR : 0) |
	       (uart->mcr & MCR_OUT1 ? MSR_RI : 0) | (uart->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static uint8_t read_register(struct uart *uart, uint16_t offset)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (offset) {
	case DATA: return dlab ? uart->divisor & 0xff : read_data(uart);
	case IER: return dlab ? uart->divisor >> 8 : uart->ier;
	case IIR_FCR: return read_iir(uart);
	case LCR: return uart->lcr;
	case MCR: return uart->mcr;
	case LSR: return LSR_THR_EMPTY | LSR_IDLE | (queue_empty(uart) ? 0 : LSR_DATA_READY);
	case MSR: return read_msr(uart);
	default: return uart->scratch;
	}
}

/* True where the byte leaves the port. */
static bool write_data(struct uart *uart, uint8_t value)
{
	uart->thr_empty_pending = 1;
	if (uart->mcr & MCR_LOOP) {
		push(uart, value);
		return false;
	}
	return true;
}

/* Who had input ready waits for the queue to become empty, by whatever way. */
static void clear_received(struct uart *uart)
{
	if (!queue_empty(uart)) {
		uart->tail = uart->head;
		uart->drained(uart->context);
	}
}

/* True where `value` is a byte that leaves the port. */
static bool write_register(struct uart *uart, uint16_t offset, uint8_t value)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (offset) {
	case DATA:
		if (dlab) {
			uart->divisor = (uart->divisor & 0xff00) | value;
			break;
		}
		return write_data(uart, value);
	case IER:
		if (dlab) {
			uart->divisor = (uint16_t)(value << 8 | (uart->divisor & 0xff));
		} else {
			if (value & ~uart->ier & IER_SENT) {
				uart->thr_empty_pending = 1; /* enabling it while empty raises it */
			}
			uart->ier = value & 0x0f;
		}
		break;
	case IIR_FCR:
		uart->fcr = value;
		if (value & FCR_CLEAR_RX) {
			clear_received(uart);
		}
		break;
	case LCR: uart->lcr = value; break;
	case MCR: uart->mcr = value & 0x1f; break;
	case SCRATCH: uart->scratch = value; break;
	default: break; /* LSR and MSR are read-only */
	}
	return false;
}

static uint32_t port_read(void *device, uint16_t offset, unsigned size)
{
	struct uart *uart = device;
	uint32_t value;

	(void)size;
	pthread_mutex_lock(&uart->lock);
	value = read_register(uart, offset);
	update_interrupt(uart);
	pthread_mutex_unlock(&uart->lock);
	return value;
}

static void port_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
	struct uart *uart = device;
	bool leaves;

	(void)size;
	if (offset == DATA) {
		pthread_mutex_lock(&uart->emitting);
	}
	pthread_mutex_lock(&uart->lock);
	leaves = write_register(uart, offset, (uint8_t)value);
	update_interrupt(uart);
	pthread_mutex_unlock(&uart->lock);
	if (leaves) {
		uart->emit(uart->context, (uint8_t)value);
	}
	if (offset == DATA) {
		pthread_mutex_unlock(&uart->emitting);
	}
}

size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t count)
{
	size_t room, taken;

	pthread_mutex_lock(&uart->lock);
	room = UART_QUEUE - (uart->head - uart->tail);
	taken = count < room ? count : room;
	for (size_t i = 0; i < taken; i++) {
		push(uart, bytes[i]);
	}
	update_interrupt(uart);
	pthread_mutex_unlock(&uart->lock);
	return taken;
}

void uart_attach(struct uart *uart, struct bus *bus)
{
	const struct bus_device ports = {UART_PORT, 8, port_read, port_write, uart};

	pthread_mutex_init(&uart->emitting, NULL);
	pthread_mutex_init(&uart->lock, NULL);
	bus_add(bus, &ports);
}
