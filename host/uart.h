/* SPDX-License-Identifier: MIT */
/*
 * A 16550A at COM1, as far as drivers look: registers, FIFOs, loop-back, interrupts. Bytes leave at once.
 * The register side runs on vCPU threads, uart_receive() on the device thread.
 */
#ifndef HOST_UART_H
#define HOST_UART_H

#include "host/bus.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define UART_PORT  0x3f8u
#define UART_IRQ   4u
#define UART_QUEUE 1024u /* received bytes that wait; a power of two */

struct uart {
	/* Taken before `lock` to send: keeps the bytes in order, while `emit` waits for a slow terminal and input goes on. */
	pthread_mutex_t emitting;
	pthread_mutex_t lock;
	void (*emit)(void *context, uint8_t byte);
	void (*interrupt)(void *context, int level);
	void (*drained)(void *context); /* the guest has read all that was received */
	void *context;

	uint8_t ier, lcr, mcr, scratch, fcr;
	uint16_t divisor;
	uint8_t thr_empty_pending; /* the transmit interrupt is due */
	int level;
	uint32_t head, tail; /* of the queue, free running */
	uint8_t queue[UART_QUEUE];
};

/* The callbacks and the context are the caller's; everything else starts as after a reset. */
void uart_attach(struct uart *uart, struct bus *bus);
/* Takes as many of the bytes as there is room for, and returns how many. */
size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t count);

#endif
