/* SPDX-License-Identifier: MIT */
/* What a process in the sandbox can and cannot do any more: each question is a child of its own, as nobody comes out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/sandbox.h"

static const char *terminal_name, *readable;
static int terminal, null;

/* 0 where `act` could, else its errno. */
static int in_sandbox(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		static struct sandbox sandbox;

		if (terminal_name) { /* who leads a session has the first terminal it opens for its own */
			setsid();
			terminal = open(terminal_name, O_RDWR);
		}
		if (!sandbox_allow(&sandbox, readable, false, false) ||
		    sandbox_enter(&sandbox) < 0) {
			_exit(255);
		}
		_exit(act() < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 255);
	return WEXITSTATUS(status);
}

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int packet_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int internet_sockets(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? -1 : socket(AF_INET6, SOCK_DGRAM, 0);
}

/* The session's bus, whose services start anything for us, is behind such a socket. */
static void only_the_guests_network_is_within_reach(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(unix_socket), EPERM);
	assert_int_equal(in_sandbox(packet_socket), EPERM);
	assert_int_equal(in_sandbox(internet_sockets), 0);
}

static int type_into_terminal(void)
{
	return ioctl(terminal, TIOCSTI, "x");
}

static int make_terminal_raw(void)
{
	struct termios termios;

	return tcgetattr(terminal, &termios) < 0 ? -1 : tcsetattr(terminal, TCSANOW, &termios);
}

static void nobody_types_into_the_users_shell(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	(void)state;
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	terminal_name = ptsname(master);
	assert_int_equal(in_sandbox(type_into_terminal), EPERM);
	assert_int_equal(in_sandbox(make_terminal_raw), 0);
	terminal_name = NULL;
	close(master);
}

static int signal_another(void)
{
	return (int)syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static int signal_myself(void)
{
	return pthread_kill(pthread_self(), 0);
}

static int signal_by_file(void)
{
	return fcntl(null, F_SETOWN, getppid());
}

static int limit_another(void)
{
	struct rlimit limit;

	return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit);
}

/* As for clients of the control socket, who come where the guest has taken all files. */
static int limit_myself(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? -1 : setrlimit(RLIMIT_NOFILE, &limit);
}

static void other_processes_are_left_alone(void **state)
{
	(void)state;
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(in_sandbox(signal_another), EPERM);
	assert_int_equal(in_sandbox(signal_by_file), EPERM);
	assert_int_equal(in_sandbox(limit_another), EPERM);
	assert_int_equal(in_sandbox(limit_myself), 0);
	assert_int_equal(in_sandbox(signal_myself), 0);
	close(null);
}

static void *nothing(void *argument)
{
	return argument;
}

static int start_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, nothing, NULL);

	errno = error;
	return error ? -1 : pthread_join(thread, NULL);
}

static int start_process(void)
{
	return fork();
}

static void threads_can_be_started_and_processes_cannot(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(start_thread), 0);
	assert_int_equal(in_sandbox(start_process), EPERM);
}

static int empty_it(void)
{
	return open(readable, O_RDONLY | O_TRUNC | O_CLOEXEC);
}

static int read_it(void)
{
	return open(readable, O_RDONLY | O_CLOEXEC);
}

/* As parents and media are; that they are the user's own is all that open(2) asks before it empties one. */
static void a_file_to_read_is_not_emptied(void **state)
{
	char path[] = "/tmp/sandbox-XXXXXX";
	int fd = mkstemp(path), error;

	(void)state;
	assert_int_equal(write(fd, "parent", 6), 6);
	readable = path;
	assert_int_equal(in_sandbox(read_it), 0);
	error = in_sandbox(empty_it);
	readable = NULL;
	unlink(path);
	assert_int_equal(error, EPERM);
	assert_int_equal(lseek(fd, 0, SEEK_END), 6);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_the_guests_network_is_within_reach),
	    cmocka_unit_test(nobody_types_into_the_users_shell),
	    cmocka_unit_test(other_processes_are_left_alone),
	    cmocka_unit_test(threads_can_be_started_and_processes_cannot),
	    cmocka_unit_test(a_file_to_read_is_not_emptied),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
