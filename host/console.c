/* SPDX-License-Identifier: MIT */
#include "host/console.h"

#include "host/say.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define PIECES        16u
#define LAST_WORDS_MS 1000

/* For the exit paths that no object survives to: exit(), fatal signals. */
static struct termios saved;
static volatile sig_atomic_t is_saved;

static void restore_terminal(void)
{
	if (is_saved) {
		is_saved = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	}
}

static void restore_and_die(int signal_number)
{
	restore_terminal();
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void make_raw(struct console *console)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGFPE, SIGSYS};
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) < 0) {
		return;
	}
	is_saved = 1;
	console->raw = true;
	atexit(restore_terminal);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		signal(fatal[i], restore_and_die);
	}
	raw = saved;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* Where the terminal takes no more now, this is fewer than `count`; the device thread has others to serve. */
static size_t write_some(const struct console *console, const uint8_t *bytes, size_t count)
{
	size_t done = 0;

	while (done < count) {
		ssize_t written = write(console->out, bytes + done, count - done);

		if (written < 0 && errno == EAGAIN) {
			break;
		}
		if (written < 0 && errno != EINTR) {
			return count; /* nobody listens: the guest's output is lost, the guest is not */
		}
		done += written > 0 ? (size_t)written : 0;
	}
	return done;
}

/* One piece of what waits, to all who listen. False where there was nothing, or the terminal takes no more. */
static bool flush_piece(struct console *console)
{
	uint8_t bytes[4096];
	size_t count, written;

	pthread_mutex_lock(&console->lock);
	count = console->used < sizeof(bytes) ? console->used : sizeof(bytes);
	memcpy(bytes, console->buffer, count);
	pthread_mutex_unlock(&console->lock);
	written = write_some(console, bytes, count);
	pthread_mutex_lock(&console->lock);
	console->used -= written;
	memmove(console->buffer, console->buffer + written, console->used);
	pthread_cond_broadcast(&console->room);
	pthread_mutex_unlock(&console->lock);
	if (console->tap && written) {
		console->tap(console->context, bytes, written);
	}
	console->full = written < count;
	return count && !console->full;
}

static void watch_terminal(struct console *console)
{
	if (loop_add(console->loop, &console->terminal, EPOLLOUT) < 0) {
		console->full = false; /* nothing to wait for: again in the next turn */
		event_signal(console->output.fd);
	}
}

/* Bounded, so that a guest which never stops talking leaves the others their turn. */
static void output_ready(void *context, uint32_t events)
{
	struct console *console = context;
	unsigned pieces = 0;

	(void)events;
	event_take(console->output.fd);
	if (console->full) {
		return;
	}
	while (pieces < PIECES && flush_piece(console)) {
		pieces++;
	}
	if (console->full) {
		watch_terminal(console);
	} else if (pieces == PIECES) {
		event_signal(console->output.fd);
	}
}

static void terminal_ready(void *context, uint32_t events)
{
	struct console *console = context;

	(void)events;
	loop_remove(console->loop, &console->terminal);
	console->full = false;
	event_signal(console->output.fd);
}

/* The last words: a terminal that takes none of them for this long keeps nobody. */
static void flush_all(struct console *console)
{
	struct pollfd terminal = {.fd = console->out, .events = POLLOUT};

	while (flush_piece(console) || (console->full && poll(&terminal, 1, LAST_WORDS_MS) > 0)) {
	}
}

/* A pipe whose writer has gone tells of it for as long as it is watched, for whatever events. */
static void set_reading(struct console *console, bool on)
{
	if (on && !console->reading) {
		console->reading = loop_add(console->loop, &console->input, EPOLLIN) == 0;
	} else if (!on && console->reading) {
		console->reading = false;
		loop_remove(console->loop, &console->input);
	}
}

static void stop_input(struct console *console)
{
	set_reading(console, false);
	console->input.fd = -1;
}

/* Clients of the control socket fill the UART too: what finds no room there stays for `drained`. */
static void give_keys(struct console *console)
{
	size_t taken = uart_receive(console->uart, console->keys, console->keys_used);

	console->keys_used -= taken;
	memmove(console->keys, console->keys + taken, console->keys_used);
}

/*
 * A terminal is read even if the guest reads nothing, as in raw mode the escape key is the only way out; keys beyond the
 * buffer are lost. Others wait until all that came before is with the guest.
 */
static void input_ready(void *context, uint32_t events)
{
	struct console *console = context;
	size_t room = sizeof(console->keys) - console->keys_used;
	uint8_t bytes[UART_QUEUE / 2];
	ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));

	(void)events;
	/* Another reader of the terminal's, or of a pipe's that was made not to wait, may have been first. */
	if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (count <= 0) {
		stop_input(console);
		return;
	}
	if (console->raw && memchr(bytes, CONSOLE_ESCAPE, (size_t)count)) {
		console->quit(console->context);
		return;
	}
	room = (size_t)count < room ? (size_t)count : room;
	memcpy(console->keys + console->keys_used, bytes, room);
	console->keys_used += room;
	give_keys(console);
	set_reading(console, console->raw);
}

static void input_drained(void *context, uint32_t events)
{
	struct console *console = context;

	(void)events;
	event_take(console->drained.fd);
	if (console->keys_used) {
		give_keys(console);
	}
	if (console->drained_too) {
		console->drained_too(console->context);
	}
	if (console->input.fd >= 0 && !console->keys_used) {
		set_reading(console, true);
	}
}

int console_open_output(void)
{
	struct stat stat;

	if (fstat(STDOUT_FILENO, &stat) < 0 || !(S_ISFIFO(stat.st_mode) || S_ISCHR(stat.st_mode))) {
		return -1;
	}
	return open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int console_init(struct console *console, struct loop *loop, struct uart *uart, int output)
{
	console->loop = loop;
	console->uart = uart;
	console->out = output < 0 ? STDOUT_FILENO : output;
	console->terminal = (struct loop_watch){console->out, terminal_ready, console};
	console->input = (struct loop_watch){STDIN_FILENO, input_ready, console};
	console->output = (struct loop_watch){event_create(), output_ready, console};
	console->drained = (struct loop_watch){event_create(), input_drained, console};
	pthread_mutex_init(&console->lock, NULL);
	pthread_cond_init(&console->room, NULL);
	if (console->output.fd < 0 || console->drained.fd < 0) {
		return -ENOMEM;
	}
	make_raw(console);
	set_reading(console, true);
	if (!console->reading) {
		console->input.fd = -1; /* a file or /dev/null: there is nothing to wait for */
	}
	loop_add(loop, &console->output, EPOLLIN);
	return loop_add(loop, &console->drained, EPOLLIN);
}

void console_close(struct console *console)
{
	pthread_mutex_lock(&console->lock);
	console->closed = true;
	pthread_cond_broadcast(&console->room);
	pthread_mutex_unlock(&console->lock);
}

void console_destroy(struct console *console)
{
	flush_all(console);
	if (console->input.fd >= 0) {
		stop_input(console);
	}
	loop_remove(console->loop, &console->terminal);
	loop_remove(console->loop, &console->output);
	loop_remove(console->loop, &console->drained);
	close(console->output.fd);
	close(console->drained.fd);
	restore_terminal();
}

void console_put(struct console *console, uint8_t byte)
{
	bool was_empty;

	pthread_mutex_lock(&console->lock);
	while (console->used == CONSOLE_BUFFER && !console->closed) {
		pthread_cond_wait(&console->room, &console->lock);
	}
	was_empty = console->used == 0;
	if (console->used < CONSOLE_BUFFER) {
		console->buffer[console->used++] = byte;
	}
	pthread_mutex_unlock(&console->lock);
	if (was_empty) {
		event_signal(console->output.fd);
	}
}

void console_input_drained(struct console *console)
{
	event_signal(console->drained.fd);
}
