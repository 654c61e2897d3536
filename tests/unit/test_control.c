/* SPDX-License-Identifier: MIT */
/* The control socket: lines in pieces, files that come along, clients that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/control.h"

struct world {
	struct loop loop;
	struct control *control;
	int listener, client;
	char name[32];
	char verb[64], argument[256];
	unsigned obeyed, files, keep;
	int kept;
	size_t room; /* for the console's input */
	char got[8192];
};

#define MUCH (1u << 20)

/* More than a socket takes at once. */
static struct json_object *much(void)
{
	struct json_object *object = control_done();
	char *text = malloc(MUCH + 1);

	memset(text, 'm', MUCH);
	text[MUCH] = '\0';
	json_object_object_add(object, "much", json_object_new_string(text));
	free(text);
	return object;
}

static struct json_object *obey(void *context, const char *verb, char *argument,
				struct control_files *files)
{
	struct world *w = context;

	snprintf(w->verb, sizeof(w->verb), "%s", verb);
	snprintf(w->argument, sizeof(w->argument), "%.255s", argument);
	w->obeyed++;
	w->files = files->count;
	if (w->keep && files->count) {
		w->kept = files->fd[0];
		files->fd[0] = -1;
	}
	if (strcmp(verb, "much") == 0) {
		return much();
	}
	return strcmp(verb, "no") == 0 ? control_refuse("not %d", 7) : control_done();
}

static size_t input(void *context, const uint8_t *bytes, size_t count)
{
	struct world *w = context;

	count = count < w->room ? count : w->room;
	strncat(w->got, (const char *)bytes, count);
	w->room -= count;
	return count;
}

static int join(const struct world *w)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char folder[64];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(control_folder(folder, sizeof(folder), false), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", folder, w->name);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void pump(struct world *w)
{
	while (loop_turn(&w->loop, 0)) {
	}
}

static const struct control_ops ops = {.obey = obey, .input = input};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	w->kept = -1;
	w->room = sizeof(w->got);
	snprintf(w->name, sizeof(w->name), "test-%d", (int)getpid());
	assert_int_equal(loop_init(&w->loop), 0);
	w->listener = control_listen(w->name);
	assert_true(w->listener >= 0);
	w->control = control_create(&w->loop, w->listener, &ops, w);
	assert_non_null(w->control);
	w->client = join(w);
	pump(w);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	close(w->client);
	control_destroy(w->control);
	control_unlisten(w->listener, w->name);
	loop_destroy(&w->loop);
	free(w);
	return 0;
}

static void say(struct world *w, const char *text)
{
	assert_int_equal(send(w->client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	pump(w);
}

static void assert_hears(struct world *w, const char *line)
{
	char text[256];
	ssize_t count = recv(w->client, text, sizeof(text) - 1, MSG_DONTWAIT);

	assert_true(count > 0);
	text[count] = '\0';
	assert_string_equal(text, line);
}

static void a_line_may_come_in_pieces(void **state)
{
	struct world *w = *state;

	say(w, "att");
	assert_int_equal(w->obeyed, 0);
	say(w, "ach some file, with spaces\nno\n");
	assert_int_equal(w->obeyed, 2);
	assert_hears(w, "{\"ok\":true}\n{\"error\":\"not 7\"}\n");
	say(w, "attach some file, with spaces\n");
	assert_string_equal(w->verb, "attach");
	assert_string_equal(w->argument, "some file, with spaces");
}

/* One answer of much(); `more` of what follows it. */
static void hear_much(struct world *w, const char *more)
{
	static const char head[] = "{\"ok\":true,\"much\":\"", tail[] = "\"}\n";
	size_t size = strlen(head) + MUCH + strlen(tail) + strlen(more), got = 0;
	char *text = malloc(size + 2);
	ssize_t count;

	while ((count = recv(w->client, text + got, size + 1 - got, MSG_DONTWAIT)) > 0) {
		got += (size_t)count;
		pump(w);
	}
	assert_int_equal(got, size);
	text[got] = '\0';
	assert_memory_equal(text, head, strlen(head));
	assert_int_equal(strspn(text + strlen(head), "m"), MUCH);
	assert_memory_equal(text + strlen(head) + MUCH, tail, strlen(tail));
	assert_string_equal(text + size - strlen(more), more);
	free(text);
}

static void an_answer_comes_whole_however_long(void **state)
{
	struct world *w = *state;

	say(w, "much\n");
	hear_much(w, "");
	/* What else was asked meanwhile waits, and what is half asked is not lost. */
	say(w, "much\nno\nn");
	assert_int_equal(w->obeyed, 2);
	say(w, "o\n");
	assert_int_equal(w->obeyed, 2);
	hear_much(w, "{\"error\":\"not 7\"}\n{\"error\":\"not 7\"}\n");
	assert_int_equal(w->obeyed, 4);
}

static void no_console_comes_within_an_answer(void **state)
{
	struct world *w = *state;

	say(w, "much\nconsole\nroot");
	control_console(w->control, (const uint8_t *)"lost", 4);
	control_input_drained(w->control);
	assert_string_equal(w->got, "");
	hear_much(w, "{\"ok\":true}\n");
	assert_string_equal(w->got, "root");
	control_console(w->control, (const uint8_t *)"login: ", 7);
	assert_hears(w, "login: ");
}

static void who_leaves_within_an_answer_is_gone(void **state)
{
	struct world *w = *state;

	say(w, "much\nlast\n");
	close(w->client);
	pump(w);
	assert_string_equal(w->verb, "last");
	w->client = join(w);
	say(w, "much\n");
	control_destroy(w->control);
	w->control = NULL;
}

static void a_line_without_end_ends_the_connection(void **state)
{
	struct world *w = *state;
	static char text[CONTROL_LINE_MAX + 1];

	memset(text, 'x', sizeof(text) - 1);
	say(w, text);
	assert_int_equal(recv(w->client, text, 1, MSG_DONTWAIT), 0);
	assert_int_equal(w->obeyed, 0);
}

static void send_files(struct world *w, const char *text, int fd, unsigned count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(64 * sizeof(int))];
	} control = {.head = {CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {(char *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int))};

	for (unsigned i = 0; i < count; i++) {
		memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &fd, sizeof(int));
	}
	assert_int_equal(sendmsg(w->client, &message, MSG_NOSIGNAL), strlen(text));
	pump(w);
}

/* How many ends of a pipe are open elsewhere shows when our own is closed. */
static bool still_open(int reader)
{
	char byte;

	return read(reader, &byte, 1) < 0;
}

static void files_that_nobody_takes_are_closed(void **state)
{
	struct world *w = *state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	w->keep = 1;
	send_files(w, "attach\n", ends[1], 2);
	assert_int_equal(w->files, 2);
	close(ends[1]);
	assert_true(still_open(ends[0]));
	close(w->kept);
	assert_false(still_open(ends[0]));
	close(ends[0]);
}

#define LIMIT 64

struct files {
	struct rlimit limit;
	int held[LIMIT + CONTROL_KEPT];
	unsigned count;
};

static void limit_files(const struct files *files, unsigned most)
{
	struct rlimit few = files->limit;

	few.rlim_cur = most;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

/* What the process may still open, and `kept` of those that it keeps for clients. */
static void take_files(struct files *files, int any, unsigned kept)
{
	files->count = 0;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files->limit), 0);
	limit_files(files, LIMIT + kept);
	while ((files->held[files->count] = dup(any)) >= 0)
		files->count++;
	limit_files(files, LIMIT);
}

static void give_files_back(struct files *files)
{
	while (files->count)
		close(files->held[--files->count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files->limit), 0);
}

static void hears(struct world *w, int client, const char *line, const char *verb)
{
	assert_int_equal(send(client, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	pump(w);
	assert_string_equal(w->verb, verb);
}

/* However many connections it has. */
static void a_guest_leaves_clients_their_files(void **state)
{
	struct world *w = *state;
	struct files files;
	int late = join(w);
	char byte;

	take_files(&files, late, 0);
	pump(w);
	hears(w, late, "destroy\n", "destroy");
	assert_int_equal(recv(late, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(dup(late), -1);
	give_files_back(&files);
	close(late);
}

/* A client that stays at the door would be told of for ever: pump() would not end. */
static void without_file_descriptors_clients_are_turned_away(void **state)
{
	struct world *w = *state;
	struct files files;
	int late = join(w);
	char byte;

	take_files(&files, late, CONTROL_KEPT);
	assert_true(loop_turn(&w->loop, 0));
	assert_false(loop_turn(&w->loop, 0));
	give_files_back(&files);
	assert_int_equal(recv(late, &byte, 1, MSG_DONTWAIT), 0);
	close(late);
	late = join(w);
	pump(w);
	hears(w, late, "list\n", "list");
	close(late);
}

/* Others of the process may take the file descriptor that is kept for that: here it lies beyond what is allowed anew. */
static void with_not_even_one_nobody_asks_for_ever(void **state)
{
	struct world *w = *state;
	struct files files;
	int first, second;

	control_destroy(w->control);
	first = join(w);
	take_files(&files, first, CONTROL_KEPT);
	limit_files(&files, LIMIT + CONTROL_KEPT + 1);
	w->control = control_create(&w->loop, w->listener, &ops, w);
	limit_files(&files, LIMIT);
	loop_turn(&w->loop, 0);
	assert_false(loop_turn(&w->loop, 0));
	give_files_back(&files);
	second = join(w);
	pump(w);
	hears(w, first, "first\n", "first");
	hears(w, second, "second\n", "second");
	close(first);
	close(second);
}

static void more_files_than_fit_are_closed_too(void **state)
{
	struct world *w = *state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	send_files(w, "att", ends[1], CONTROL_MAX_FILES);
	send_files(w, "ach\n", ends[1], CONTROL_MAX_FILES);
	assert_int_equal(w->files, CONTROL_MAX_FILES);
	close(ends[1]);
	assert_false(still_open(ends[0]));
	close(ends[0]);
}

static void files_of_a_client_that_leaves_are_closed(void **state)
{
	struct world *w = *state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	send_files(w, "att", ends[1], 1);
	close(ends[1]);
	assert_true(still_open(ends[0]));
	shutdown(w->client, SHUT_RDWR);
	pump(w);
	assert_false(still_open(ends[0]));
	close(ends[0]);
}

static void after_console_the_connection_carries_it(void **state)
{
	struct world *w = *state;

	say(w, "console\n");
	assert_hears(w, "{\"ok\":true}\n");
	control_console(w->control, (const uint8_t *)"login: ", 7);
	assert_hears(w, "login: ");
	say(w, "root");
	assert_string_equal(w->got, "root");
	assert_int_equal(w->obeyed, 0);
}

/* What is pasted is more than the guest's port holds. */
static void input_waits_for_the_guest_and_comes_whole(void **state)
{
	struct world *w = *state;
	char text[5000];
	unsigned times = 0;

	for (unsigned i = 0; i < sizeof(text); i++) {
		text[i] = (char)('a' + i % 26);
	}
	text[sizeof(text) - 1] = '\0';
	w->room = 3;
	say(w, "console\nfirst");
	assert_string_equal(w->got, "fir");
	say(w, text);
	while (strlen(w->got) < 5 + strlen(text) && times++ < 100) {
		w->room = 100;
		control_input_drained(w->control);
		pump(w);
	}
	assert_memory_equal(w->got, "first", 5);
	assert_string_equal(w->got + 5, text);
}

static int type_one_key(struct world *w)
{
	int fd = join(w);

	assert_int_equal(send(fd, "console\nx", 9, MSG_NOSIGNAL), 9);
	pump(w);
	return fd;
}

/* The guest does not read, so nobody would look whether they are there still. */
static void clients_that_typed_and_left_keep_nobody_out(void **state)
{
	struct world *w = *state;
	int first = w->client;

	w->room = 0;
	for (unsigned i = 0; i < 2 * CONTROL_MAX_CLIENTS; i++) {
		close(type_one_key(w));
		control_console(w->control, (const uint8_t *)"tick", 4);
	}
	w->client = join(w);
	say(w, "late\n");
	assert_hears(w, "{\"ok\":true}\n");
	assert_string_equal(w->verb, "late");
	close(first);
}

static void clients_that_typed_and_stay_keep_their_places(void **state)
{
	struct world *w = *state;
	int fd[CONTROL_MAX_CLIENTS - 1], late;
	char text[64];

	w->room = 0;
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS - 1; i++) {
		fd[i] = type_one_key(w);
	}
	late = join(w);
	pump(w);
	assert_int_equal(recv(late, text, 1, MSG_DONTWAIT), 0);
	close(late);
	w->room = sizeof(w->got);
	control_input_drained(w->control);
	assert_string_equal(w->got, "xxxxxxxxxxxxxxx");
	control_console(w->control, (const uint8_t *)"tick", 4);
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS - 1; i++) {
		assert_int_equal(recv(fd[i], text, sizeof(text), MSG_DONTWAIT), 12 + 4);
		close(fd[i]);
	}
}

/* A script's way: it says what it has to say, and leaves. */
static void what_one_that_left_had_typed_comes_all_the_same(void **state)
{
	struct world *w = *state;

	w->room = 0;
	close(type_one_key(w));
	control_console(w->control, (const uint8_t *)"tick", 4);
	w->room = 1;
	control_input_drained(w->control);
	assert_string_equal(w->got, "x");
}

static void a_name_is_one_guests_alone(void **state)
{
	struct world *w = *state;

	assert_int_equal(control_listen(w->name), -1);
}

/* A reset: who comes in between waits, and the name is nobody else's meanwhile. */
static void a_name_stays_a_guests_through_its_resets(void **state)
{
	static const struct control_ops ops = {.obey = obey, .input = input};
	struct world *w = *state;

	control_destroy(w->control);
	assert_int_equal(control_listen(w->name), -1);
	close(w->client);
	w->client = join(w);
	w->control = control_create(&w->loop, w->listener, &ops, w);
	say(w, "no\n");
	assert_hears(w, "{\"error\":\"not 7\"}\n");
}

static void what_a_killed_host_left_is_in_nobodys_way(void **state)
{
	struct world *w = *state;

	control_destroy(w->control);
	close(w->listener);
	w->listener = control_listen(w->name);
	assert_true(w->listener >= 0);
	w->control = NULL;
}

/* An attached disk is an open file that is handed over: not to whoever made the folder first. */
static void nobody_asks_in_a_folder_that_others_can_enter(void **state)
{
	char folder[] = "/tmp/control-test.XXXXXX", path[64];
	struct sockaddr_un address;

	(void)state;
	assert_non_null(mkdtemp(folder));
	/* The owner's folder is by the user's environment, root's is not. */
	chmod(folder, 0711);
	if (geteuid() == 0) {
		assert_int_equal(chown(folder, 65534, 65534), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	setenv("XDG_RUNTIME_DIR", folder, 1);
	snprintf(path, sizeof(path), "%s/xenolith", folder);
	assert_int_equal(control_address("guest", &address), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(control_address("guest", &address), -1);
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(control_address("guest", &address), 0);
	assert_int_equal(rmdir(path), 0);
	if (getuid() == 0) {
		assert_int_equal(seteuid(0), 0);
	}
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_line_may_come_in_pieces),
	    TEST(an_answer_comes_whole_however_long),
	    TEST(no_console_comes_within_an_answer),
	    TEST(who_leaves_within_an_answer_is_gone),
	    TEST(a_line_without_end_ends_the_connection),
	    TEST(files_that_nobody_takes_are_closed),
	    TEST(more_files_than_fit_are_closed_too),
	    TEST(a_guest_leaves_clients_their_files),
	    TEST(without_file_descriptors_clients_are_turned_away),
	    TEST(with_not_even_one_nobody_asks_for_ever),
	    TEST(files_of_a_client_that_leaves_are_closed),
	    TEST(after_console_the_connection_carries_it),
	    TEST(input_waits_for_the_guest_and_comes_whole),
	    TEST(clients_that_typed_and_left_keep_nobody_out),
	    TEST(clients_that_typed_and_stay_keep_their_places),
	    TEST(what_one_that_left_had_typed_comes_all_the_same),
	    TEST(a_name_is_one_guests_alone),
	    TEST(a_name_stays_a_guests_through_its_resets),
	    TEST(what_a_killed_host_left_is_in_nobodys_way),
	    cmocka_unit_test(nobody_asks_in_a_folder_that_others_can_enter),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
