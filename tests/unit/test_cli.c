/* SPDX-License-Identifier: MIT */
/* How sizes are read on the command line, and a guest's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/adapter_path.h"
#include "cli/cli.h"
#include "cli/disk_argument.h"
#include "cli/guest.h"
#include "host/control.h"

static void sizes_of_memory_count_mebibytes_unless_they_say_else(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {{"512", 512ull << 20}, {"512M", 512ull << 20}, {"1.5G", 1536ull << 20},
		    {"1GiB", 1ull << 30},  {"64g", 64ull << 30},   {"0", 0},
		    {"1024b", 1024}};
	static const char *const bad[] = {"",
					  "M",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "1.5",
					  "0x10",
					  "8796093022208",
					  "99999999999999999999",
					  "1Q"};
	uint64_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(cli_read_memory(good[i].text, &size));
		assert_true(size == good[i].size);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(cli_read_memory(bad[i], &size));
}

static void touch(const char *folder, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(access(path, F_OK), 0);
}

static void make_folders(const char *root, const char *const folders[], size_t count)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
}

/* From whatever folder it is started. */
static void the_adapter_is_the_one_that_came_with_the_program(void **state)
{
	static const char *const folders[] = {"bin", "lib", "lib/xenolith", "bin/adapter"};
	char root[] = "/tmp/xenolith-cli.XXXXXX", program[PATH_MAX], expected[PATH_MAX],
	     path[PATH_MAX];

	(void)state;
	assert_non_null(mkdtemp(root));
	make_folders(root, folders, sizeof(folders) / sizeof(folders[0]));
	snprintf(program, sizeof(program), "%s/bin/xenolith", root);
	snprintf(expected, sizeof(expected), "%s/bin/../lib/xenolith/xenolith.elf", root);
	adapter_path(program, path);
	assert_string_equal(path, expected); /* for the message that it is not there */
	touch(root, "lib/xenolith/xenolith.elf");
	adapter_path(program, path);
	assert_string_equal(path, expected);
	touch(root, "bin/adapter/xenolith.elf");
	snprintf(expected, sizeof(expected), "%s/bin/adapter/xenolith.elf", root);
	adapter_path(program, path);
	assert_string_equal(path, expected);
	snprintf(path, sizeof(path), "rm -r %s", root);
	assert_int_equal(system(path), 0);
}

static void a_disk_has_the_format_that_is_said_in_any_order(void **state)
{
	static const struct {
		const char *text;
		enum xd_format format;
		bool cdrom;
	} good[] = {{"a", XD_FORMAT_RAW, false},
		    {"a.VHD", XD_FORMAT_VHD, false},
		    {"a.vhdx,ro", XD_FORMAT_VHDX, false},
		    {"a.vhd,format=raw", XD_FORMAT_RAW, false},
		    {"a.vhd,cdrom", XD_FORMAT_RAW, true},
		    {"a,cdrom,format=vhd", XD_FORMAT_VHD, true},
		    {"a,format=vhd,cdrom", XD_FORMAT_VHD, true}};
	struct machine_disk disk;
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "%s", good[i].text);
		assert_int_equal(disk_argument(&disk, text), 0);
		assert_int_equal(disk.format, good[i].format);
		assert_int_equal(disk.cdrom, good[i].cdrom);
	}
}

struct host {
	int fd;
	const char *answer;
	pthread_t thread;
};

/* As a host: whole answers, though the socket takes them in pieces, and then its console. */
static void *speak(void *context)
{
	const struct host *host = context;
	size_t length = strlen(host->answer), sent = 0;

	while (sent < length) {
		ssize_t count = send(host->fd, host->answer + sent, length - sent, MSG_NOSIGNAL);

		if (count < 0) {
			break;
		}
		sent += (size_t)count;
	}
	return NULL;
}

static struct json_object *ask(const char *answer, char *rest, size_t size)
{
	struct host host = {.answer = answer};
	struct json_object *object;
	ssize_t count;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	host.fd = ends[1];
	pthread_create(&host.thread, NULL, speak, &host);
	object = guest_ask(ends[0], "test", "info");
	if (object) {
		pthread_join(host.thread, NULL);
		count = recv(ends[0], rest, size - 1, MSG_DONTWAIT);
		rest[count > 0 ? count : 0] = '\0';
		close(ends[0]);
	} else {
		close(ends[0]);
		pthread_join(host.thread, NULL);
	}
	close(ends[1]);
	return object;
}

#define ITEMS 64
#define TEXT  255

/* All that a guest may tell of itself, in characters that JSON writes as six: \u0001. */
static char *longest_info(void)
{
	struct json_object *guest = json_object_new_object();
	struct json_object *info = json_object_new_object();
	char key[TEXT + 1] = "", value[TEXT + 1] = "", *text;

	memset(key, 1, TEXT);
	memset(value, 2, TEXT);
	for (unsigned i = 0; i < ITEMS; i++) {
		key[0] = (char)('0' + i);
		json_object_object_add(guest, key, json_object_new_string(value));
	}
	json_object_object_add(info, "guest", guest);
	assert_true(asprintf(&text, "%s\nlogin: ",
			     json_object_to_json_string_ext(info, JSON_C_TO_STRING_PLAIN)) > 0);
	json_object_put(info);
	assert_true(strlen(text) > ITEMS * 2 * TEXT * 5);
	return text;
}

static void a_guest_that_tells_much_of_itself_is_heard(void **state)
{
	struct json_object *info, *guest;
	char *text = longest_info(), rest[64];

	(void)state;
	info = ask(text, rest, sizeof(rest));
	assert_non_null(info);
	assert_true(json_object_object_get_ex(info, "guest", &guest));
	assert_int_equal(json_object_object_length(guest), ITEMS);
	json_object_put(info);
	free(text);
	/* The console follows, and is whole. */
	assert_string_equal(rest, "login: ");
}

static void an_answer_without_an_end_is_none(void **state)
{
	size_t size = 4u << 20;
	char *text = malloc(size), rest[64];

	(void)state;
	memset(text, ' ', size);
	text[size - 1] = '\0';
	assert_null(ask(text, rest, sizeof(rest)));
	free(text);
}

static void an_answer_that_is_no_object_is_none(void **state)
{
	static const char *const answers[] = {"[]\n", "1\n", "\"ok\"\n", "null\n", "\n", "{\n"};
	char rest[64];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		assert_null(ask(answers[i], rest, sizeof(rest)));
}

static bool see(const char *name, int fd)
{
	return name && fd >= 0;
}

/* A socket with a guest's name, with room for one connection before the door. */
static int listen_as_guest(char name[32], struct sockaddr_un *address)
{
	char folder[CONTROL_FOLDER_MAX];
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(name, 32, "test-%d", (int)getpid());
	assert_int_equal(control_folder(folder, sizeof(folder), true), 0);
	assert_int_equal(control_address(name, address), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(listener, 0), 0);
	return listener;
}

/* Its host takes nobody in: once the places before its door are taken, connecting waits for ever. */
static void a_guest_that_hangs_does_not_hang_the_list(void **state)
{
	struct sockaddr_un address;
	char name[32];
	int listener = listen_as_guest(name, &address), fds[8], count = 0;

	(void)state;
	do {
		assert_true(count < 8);
		fds[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (connect(fds[count++], (struct sockaddr *)&address, sizeof(address)) == 0);
	alarm(60);
	assert_false(guest_each(see));
	alarm(0);
	while (count) {
		close(fds[--count]);
	}
	close(listener);
	unlink(address.sun_path);
}

/* `xenolith console` with this typed and then nothing more, in a process of its own. */
static pid_t start_console(const char *name, const char *typed, const char *output)
{
	int keys[2];
	pid_t pid;

	assert_int_equal(pipe(keys), 0);
	pid = fork();
	if (pid == 0) {
		char *argv[] = {"xenolith console", (char *)(uintptr_t)name, NULL};

		dup2(keys[0], STDIN_FILENO);
		dup2(open(output, O_WRONLY), STDOUT_FILENO);
		alarm(60);
		_exit(cli_console(2, argv));
	}
	assert_int_equal(write(keys[1], typed, strlen(typed)), strlen(typed));
	close(keys[0]);
	close(keys[1]);
	return pid;
}

static int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* As a host: the answer with a first word of the console, and then what is typed. */
static void hear_console(int listener, const char *says, char *heard, size_t size)
{
	int fd = accept(listener, NULL, NULL);
	size_t used = 0;
	ssize_t count;

	assert_true(send(fd, says, strlen(says), MSG_NOSIGNAL) > 0);
	while ((count = recv(fd, heard + used, size - 1 - used, 0)) > 0) {
		used += (size_t)count;
	}
	heard[used] = '\0';
	close(fd);
}

/* The exit status of a console with `typed` and its output to a file, of a guest that `says` this; what that heard goes to `heard`. */
static int status_of_console(const char *typed, const char *output, const char *says, char *heard,
			     size_t size)
{
	struct sockaddr_un address;
	char name[32];
	int listener = listen_as_guest(name, &address), status;
	pid_t pid = start_console(name, typed, output);

	hear_console(listener, says, heard, size);
	status = exit_status(pid);
	close(listener);
	unlink(address.sun_path);
	return status;
}

static void what_is_typed_before_the_escape_key_is_sent(void **state)
{
	char heard[64];

	(void)state;
	assert_int_equal(status_of_console("halt\n\x1dnot this", "/dev/null", "{\"ok\":true}\n",
					   heard, sizeof(heard)),
			 CLI_OK);
	assert_string_equal(heard, "console\nhalt\n");
}

static void a_console_that_cannot_be_shown_is_no_success(void **state)
{
	char heard[64];

	(void)state;
	assert_int_equal(
	    status_of_console("", "/dev/full", "{\"ok\":true}\nlogin: ", heard, sizeof(heard)),
	    CLI_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes_of_memory_count_mebibytes_unless_they_say_else),
	    cmocka_unit_test(the_adapter_is_the_one_that_came_with_the_program),
	    cmocka_unit_test(a_disk_has_the_format_that_is_said_in_any_order),
	    cmocka_unit_test(a_guest_that_tells_much_of_itself_is_heard),
	    cmocka_unit_test(an_answer_without_an_end_is_none),
	    cmocka_unit_test(an_answer_that_is_no_object_is_none),
	    cmocka_unit_test(a_guest_that_hangs_does_not_hang_the_list),
	    cmocka_unit_test(what_is_typed_before_the_escape_key_is_sent),
	    cmocka_unit_test(a_console_that_cannot_be_shown_is_no_success),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
