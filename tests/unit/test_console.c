/* SPDX-License-Identifier: MIT */
/*
 * The console on a terminal that is slow, or that nobody reads: it holds up the guest's output, and nothing else. And its
 * input for a guest that is slow, or that does not read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/console.h"

struct world {
	struct loop loop;
	struct uart uart;
	struct console console;
	int reader, saved;
	pthread_t writer;
	atomic_bool stop;
	atomic_ulong put, other_turns;
	struct loop_watch other;
	struct bus bus;
	int keys, saved_keys; /* our end of what is standard input, and what that was */
	unsigned quits;
};

static void interrupt(void *context, int level)
{
	(void)context, (void)level;
}

static void drained(void *context)
{
	console_input_drained(&((struct world *)context)->console);
}

static void quit(void *context)
{
	((struct world *)context)->quits++;
}

static int setup(void **state)
{
	struct world *w = *state ? *state : calloc(1, sizeof(*w));
	int ends[2];

	*state = w;
	w->uart = (struct uart){.interrupt = interrupt, .drained = drained, .context = w};
	uart_attach(&w->uart, &w->bus);
	w->console.quit = quit;
	w->console.context = w;
	assert_int_equal(pipe(ends), 0);
	w->saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	fflush(stdout);
	dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
	w->reader = ends[0];
	assert_int_equal(loop_init(&w->loop), 0);
	assert_int_equal(console_init(&w->console, &w->loop, &w->uart, console_open_output()), 0);
	return 0;
}

static int setup_with_keys(void **state, int ours, int theirs)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	w->keys = ours;
	w->saved_keys = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	dup2(theirs, STDIN_FILENO);
	close(theirs);
	return setup(state);
}

static int setup_pipe(void **state)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	return setup_with_keys(state, ends[1], ends[0]);
}

static int setup_terminal(void **state)
{
	int ours = posix_openpt(O_RDWR | O_NOCTTY);

	assert_true(ours >= 0);
	assert_int_equal(grantpt(ours), 0);
	assert_int_equal(unlockpt(ours), 0);
	return setup_with_keys(state, ours, open(ptsname(ours), O_RDWR | O_NOCTTY));
}

static int teardown(void **state)
{
	struct world *w = *state;

	dup2(w->saved, STDOUT_FILENO);
	close(w->saved);
	close(w->reader);
	loop_destroy(&w->loop);
	free(w);
	return 0;
}

static int teardown_keys(void **state)
{
	struct world *w = *state;

	console_destroy(&w->console);
	close(w->console.out);
	dup2(w->saved_keys, STDIN_FILENO);
	close(w->saved_keys);
	return teardown(state);
}

static void *talk(void *context)
{
	struct world *w = context;

	while (!atomic_load(&w->stop)) {
		console_put(&w->console, (uint8_t)atomic_fetch_add(&w->put, 1));
	}
	return NULL;
}

static void end(struct world *w)
{
	int out = w->console.out;

	atomic_store(&w->stop, true);
	console_close(&w->console);
	pthread_join(w->writer, NULL);
	console_destroy(&w->console);
	close(out);
}

/* Until the guest has said `bytes`, which it must within the time that a busy machine may take. */
static void turn_until(struct world *w, unsigned long bytes)
{
	alarm(30);
	while (atomic_load(&w->put) < bytes) {
		loop_turn(&w->loop, 1);
	}
	alarm(0);
}

static bool buffer_is_full(struct world *w)
{
	bool full;

	pthread_mutex_lock(&w->console.lock);
	full = w->console.used == CONSOLE_BUFFER;
	pthread_mutex_unlock(&w->console.lock);
	return full && w->console.full;
}

static void a_pipe_that_nobody_reads_holds_up_the_guest_alone(void **state)
{
	struct world *w = *state;
	unsigned long said;

	pthread_create(&w->writer, NULL, talk, w);
	alarm(30);
	while (!buffer_is_full(w)) {
		loop_turn(&w->loop, 1);
	}
	alarm(0);
	said = atomic_load(&w->put);
	for (unsigned i = 0; i < 10; i++) {
		loop_turn(&w->loop, 1);
	}
	/* But for the byte that was on its way. */
	assert_true(atomic_load(&w->put) <= said + 1);
	end(w);
}

static void what_waited_comes_whole_once_it_is_read(void **state)
{
	struct world *w = *state;
	uint8_t bytes[4096];
	unsigned long got = 0;

	pthread_create(&w->writer, NULL, talk, w);
	turn_until(w, CONSOLE_BUFFER);
	fcntl(w->reader, F_SETFL, O_NONBLOCK);
	alarm(30);
	while (got < 3 * CONSOLE_BUFFER) {
		ssize_t count = read(w->reader, bytes, sizeof(bytes));

		for (ssize_t i = 0; i < count; i++) {
			assert_int_equal(bytes[i], (uint8_t)got++);
		}
		loop_turn(&w->loop, 0);
	}
	alarm(0);
	end(w);
}

static void other_ready(void *context, uint32_t events)
{
	struct world *w = context;

	(void)events;
	event_take(w->other.fd);
	atomic_fetch_add(&w->other_turns, 1);
}

/* Output without an end, taken as fast as it comes: what is to say is always something. */
static void a_guest_that_never_stops_leaves_others_their_turn(void **state)
{
	struct world *w = *state;

	w->other = (struct loop_watch){event_create(), other_ready, w};
	loop_add(&w->loop, &w->other, EPOLLIN);
	dup2(open("/dev/null", O_WRONLY), w->console.out);
	pthread_create(&w->writer, NULL, talk, w);
	turn_until(w, 1);
	for (unsigned i = 0; i < 50; i++) {
		event_signal(w->other.fd);
		alarm(30);
		loop_turn(&w->loop, 1);
	}
	alarm(0);
	assert_true(atomic_load(&w->other_turns) >= 10);
	end(w);
	close(w->other.fd);
}

static void pump(struct world *w)
{
	alarm(30);
	while (loop_turn(&w->loop, 0)) {
	}
	alarm(0);
}

static void type(struct world *w, unsigned from, unsigned count)
{
	for (unsigned i = from; i < from + count; i++) {
		uint8_t byte = (uint8_t)('a' + i % 26);

		assert_int_equal(write(w->keys, &byte, 1), 1);
	}
}

/* The guest reads until it has `count` bytes, which are in order, and there are no more. */
static void guest_reads(struct world *w, unsigned count)
{
	unsigned got = 0;

	alarm(30);
	while (got < count) {
		while (bus_read(&w->bus, UART_PORT + 5, 1) & 1) {
			assert_int_equal(bus_read(&w->bus, UART_PORT, 1), 'a' + got++ % 26);
		}
		loop_turn(&w->loop, 1);
	}
	alarm(0);
	assert_int_equal(got, count);
	assert_false(bus_read(&w->bus, UART_PORT + 5, 1) & 1);
}

/* What comes from a file is more than the port holds, and its writer does not wait for the guest. */
static void what_a_writer_left_in_a_pipe_comes_whole(void **state)
{
	struct world *w = *state;

	type(w, 0, 3000);
	close(w->keys);
	/* A pipe without a writer tells of it for as long as it is watched. */
	pump(w);
	guest_reads(w, 3000);
	pump(w);
}

/* Clients of the control socket type too. */
static void what_finds_the_port_full_comes_later(void **state)
{
	struct world *w = *state;
	uint8_t others[UART_QUEUE - 100];

	for (unsigned i = 0; i < sizeof(others); i++) {
		others[i] = (uint8_t)('a' + i % 26);
	}
	assert_int_equal(uart_receive(&w->uart, others, sizeof(others)), sizeof(others));
	type(w, sizeof(others), 2000);
	pump(w);
	guest_reads(w, sizeof(others) + 2000);
	close(w->keys);
}

/* Of a pipe that does not wait, and that somebody else reads too: what made it ready may be gone. */
static void an_empty_read_is_not_the_end(void **state)
{
	struct world *w = *state;

	assert_int_equal(fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK), 0);
	w->console.input.ready(w->console.input.context, 0);
	type(w, 0, 3000);
	close(w->keys);
	pump(w);
	guest_reads(w, 3000);
}

static void type_escape(struct world *w)
{
	const uint8_t escape = CONSOLE_ESCAPE;
	unsigned quits = w->quits;

	assert_int_equal(write(w->keys, &escape, 1), 1);
	alarm(30);
	while (w->quits == quits) {
		loop_turn(&w->loop, 1);
	}
	alarm(0);
}

/* In raw mode it is the only key that gets one out. */
static void the_escape_key_works_though_the_guest_reads_nothing(void **state)
{
	struct world *w = *state;

	type(w, 0, 1);
	loop_turn(&w->loop, 1000);
	assert_int_equal(w->quits, 0);
	type_escape(w);
	for (unsigned i = 0; i < 2 * CONSOLE_KEYS; i += 1000) {
		type(w, i, 1000);
		type_escape(w);
	}
	close(w->keys);
}

/* The kernel passes on what is written to a terminal when it likes. */
static void what_is_pasted_comes_whole(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 5000; i += 1000) {
		type(w, i, 1000);
		loop_turn(&w->loop, 10);
	}
	guest_reads(w, 5000);
	close(w->keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_pipe_that_nobody_reads_holds_up_the_guest_alone,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(what_waited_comes_whole_once_it_is_read, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_guest_that_never_stops_leaves_others_their_turn,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(what_a_writer_left_in_a_pipe_comes_whole, setup_pipe,
					    teardown_keys),
	    cmocka_unit_test_setup_teardown(an_empty_read_is_not_the_end, setup_pipe,
					    teardown_keys),
	    cmocka_unit_test_setup_teardown(what_finds_the_port_full_comes_later, setup_pipe,
					    teardown_keys),
	    cmocka_unit_test_setup_teardown(the_escape_key_works_though_the_guest_reads_nothing,
					    setup_terminal, teardown_keys),
	    cmocka_unit_test_setup_teardown(what_is_pasted_comes_whole, setup_terminal,
					    teardown_keys),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
