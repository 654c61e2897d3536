/* SPDX-License-Identifier: MIT */
/* The serial port between a guest's driver and a terminal that may be slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <semaphore.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include "host/uart.h"

enum { DATA, IER, FCR, LCR, MCR };
#define FCR_ENABLE_AND_CLEAR 0x03
#define MCR_LOOP             0x10

struct world {
	struct bus bus;
	struct uart uart;
	unsigned drained, emitted;
	bool slow;
	sem_t waits, goes_on;
};

static void emit(void *context, uint8_t byte)
{
	struct world *w = context;

	(void)byte;
	w->emitted++;
	if (w->slow) {
		sem_post(&w->waits);
		sem_wait(&w->goes_on);
	}
}

static void interrupt(void *context, int level)
{
	(void)context, (void)level;
}

static void drained(void *context)
{
	((struct world *)context)->drained++;
}

static void begin(struct world *w)
{
	*w = (struct world){
	    .uart = {.emit = emit, .interrupt = interrupt, .drained = drained, .context = w}};
	sem_init(&w->waits, 0, 0);
	sem_init(&w->goes_on, 0, 0);
	uart_attach(&w->uart, &w->bus);
}

static uint32_t in(struct world *w, unsigned port)
{
	return bus_read(&w->bus, (uint16_t)(UART_PORT + port), 1);
}

static void out(struct world *w, unsigned port, uint8_t value)
{
	bus_write(&w->bus, (uint16_t)(UART_PORT + port), 1, value);
}

static void input_that_is_read_makes_room_for_more(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	assert_int_equal(uart_receive(&w.uart, (const uint8_t *)"ab", 2), 2);
	assert_int_equal(in(&w, DATA), 'a');
	assert_int_equal(w.drained, 0);
	assert_int_equal(in(&w, DATA), 'b');
	assert_int_equal(w.drained, 1);
}

/* As Linux's driver does when the port is opened: what was typed before is gone, what is typed afterwards must come. */
static void input_that_a_driver_throws_away_makes_room_for_more(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	assert_int_equal(uart_receive(&w.uart, (const uint8_t *)"ab", 2), 2);
	out(&w, FCR, FCR_ENABLE_AND_CLEAR);
	assert_int_equal(w.drained, 1);
	out(&w, FCR, FCR_ENABLE_AND_CLEAR);
	assert_int_equal(w.drained, 1);
}

static void looped_bytes_come_back_and_do_not_leave(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	out(&w, MCR, MCR_LOOP);
	out(&w, DATA, 'x');
	assert_int_equal(w.emitted, 0);
	assert_int_equal(in(&w, DATA), 'x');
}

static void *send_one(void *context)
{
	out(context, DATA, 'x');
	return NULL;
}

/* The thread that serves the terminal is the one that brings input. */
static void input_comes_while_a_byte_waits_to_leave(void **state)
{
	struct world w;
	pthread_t thread;

	(void)state;
	begin(&w);
	w.slow = true;
	pthread_create(&thread, NULL, send_one, &w);
	sem_wait(&w.waits);
	assert_int_equal(uart_receive(&w.uart, (const uint8_t *)"a", 1), 1);
	assert_int_equal(in(&w, DATA), 'a');
	sem_post(&w.goes_on);
	pthread_join(thread, NULL);
	assert_int_equal(w.emitted, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(input_that_is_read_makes_room_for_more),
	    cmocka_unit_test(input_that_a_driver_throws_away_makes_room_for_more),
	    cmocka_unit_test(looped_bytes_come_back_and_do_not_leave),
	    cmocka_unit_test(input_comes_while_a_byte_waits_to_leave),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
