/* SPDX-License-Identifier: MIT */
/*
 * The guest's console on this terminal: output gathered from the vCPU threads and written by the device thread, input in
 * raw mode with an escape key. The terminal is put back on every way out.
 */
#ifndef HOST_CONSOLE_H
#define HOST_CONSOLE_H

#include "host/loop.h"
#include "host/uart.h"

#include <pthread.h>

#define CONSOLE_BUFFER 65536u
#define CONSOLE_KEYS   16384u /* more than is pasted at once */
#define CONSOLE_ESCAPE 0x1d   /* Ctrl-] */

struct console {
	struct loop *loop;
	struct uart *uart;
	void (*quit)(void *context); /* the escape key */
	void *context;
	/* Every byte that the guest wrote, after this terminal has it; NULL: nobody else listens. */
	void (*tap)(void *context, const uint8_t *bytes, size_t count);
	/* The guest has read all input; NULL: nobody else has any. */
	void (*drained_too)(void *context);

	struct loop_watch input;
	struct loop_watch output;   /* eventfd: the buffer is no longer empty */
	struct loop_watch drained;  /* eventfd: the guest has read its input */
	struct loop_watch terminal; /* while `full`: it takes output again */
	int out;                    /* stdout, or the same without waiting */
	bool reading, raw, full;
	size_t keys_used; /* input that the UART has no room for yet */
	uint8_t keys[CONSOLE_KEYS];
	pthread_mutex_t lock;
	pthread_cond_t room;
	bool closed; /* nobody empties the buffer any more */
	size_t used;
	uint8_t buffer[CONSOLE_BUFFER];
};

/*
 * Once, before the sandbox: standard output opened anew so that writing does not wait, where it is a terminal or a pipe. The description that
 * we were given may be shared with a shell, which would not expect it to change. -1: write to standard output as it is.
 */
int console_open_output(void);
/* `quit` and `context` are the caller's, and so is `output`, from console_open_output(). 0 or -errno. */
int console_init(struct console *console, struct loop *loop, struct uart *uart, int output);
/* From now on console_put() waits no more. Before the vCPU threads are joined. */
void console_close(struct console *console);
/* Writes what is left, as far as the terminal takes it, and restores the terminal. */
void console_destroy(struct console *console);
/* From a vCPU thread: one byte of output; waits where the terminal is slower than the guest. */
void console_put(struct console *console, uint8_t byte);
/* From a vCPU thread, in the UART's lock. */
void console_input_drained(struct console *console);

#endif
