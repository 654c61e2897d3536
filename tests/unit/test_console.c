/* SPDX-License-Identifier: MIT */
/* The console on a terminal that is slow, or that nobody reads: it holds up the guest's output, and nothing else. */
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
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int ends[2];

	*state = w;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_pipe_that_nobody_reads_holds_up_the_guest_alone,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(what_waited_comes_whole_once_it_is_read, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_guest_that_never_stops_leaves_others_their_turn,
					    setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
