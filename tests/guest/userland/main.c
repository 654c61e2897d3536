/* SPDX-License-Identifier: MIT */
/*
 * /init of the test userland. The kernel's command line says what to do:
 *
 *   userland.mode=checks   every check, as TAP, then power off (the default)
 *   userland.mode=stress   userland.seconds=N of load like a kernel build
 *   userland.mode=bench    /bin/ubench
 *   userland.mode=off      power off at once
 *   userland.mode=reboot   reboot at once
 *   userland.mode=panic    crash the kernel
 *   userland.mode=echo     answer each console line until one says "off"
 *   userland.mode=shell    a busybox shell on the console
 *   userland.only=A,B      only checks whose name contains A or B ("_" stands for a space)
 */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static char command_line[4096];

/* The value of NAME=VALUE on the kernel's command line, or what is given for none. */
static const char *parameter(const char *name, const char *none)
{
	static char values[4][64];
	static int turn;
	char key[64], *value = values[turn++ % 4];
	char *at;

	snprintf(key, sizeof(key), "userland.%s=", name);
	at = strstr(command_line, key);
	if (!at || sscanf(at + strlen(key), "%63s", value) != 1)
		return none;
	return value;
}

/* Runs one check in a process of its own and writes what it says to fd. */
static void run_check(const struct check *c, int fd)
{
	const char *said;

	alarm(CHECK_SECONDS);
	setpgid(0, 0);
	said = c->run();
	if (said && write(fd, said, strlen(said)) < 0)
		_exit(2);
	_exit(0);
}

static int report(int number, const struct check *c)
{
	char said[256] = "";
	int out[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe(out))
		return 1;
	pid = fork();
	if (pid == 0)
		run_check(c, out[1]);
	close(out[1]);
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	n = read(out[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = 0;
	close(out[0]);
	if (!strncmp(said, "skip", 4)) {
		printf("ok %d - %s # SKIP%s\n", number, c->name, said + 5);
		return 0;
	}
	if (WIFSIGNALED(status))
		snprintf(said, sizeof(said), "died of signal %d", WTERMSIG(status));
	printf("%sok %d - %s\n", *said ? "not " : "", number, c->name);
	if (*said)
		printf("# %s\n", said);
	return *said != 0;
}

static int wanted(const struct check *c, const char *only)
{
	char patterns[64], *rest = patterns, *pattern;

	if (!*only)
		return 1;
	snprintf(patterns, sizeof(patterns), "%s", only);
	for (char *p = patterns; *p; p++)
		if (*p == '_')
			*p = ' ';
	while ((pattern = strsep(&rest, ",")))
		if (strstr(c->name, pattern))
			return 1;
	return 0;
}

static void run_checks(void)
{
	static const struct check *const lists[] = {
	    process_checks,   signal_checks,  ptrace_checks, memory_checks,
	    isolation_checks, segment_checks, time_checks,   system_checks};
	const char *only = parameter("only", "");
	int number = 0, failed = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct check *c = lists[i]; c->name; c++)
			if (wanted(c, only))
				failed += report(++number, c);
	printf("1..%d\n", number);
	printf("# userland: %d checks, %d failed\n", number, failed);
}

void run_echo(void)
{
	struct termios t;
	char line[4096];

	/* The terminal's own echo would mix with the answers. */
	tcgetattr(0, &t);
	t.c_lflag &= ~ECHO;
	tcsetattr(0, TCSANOW, &t);
	puts("userland: ready for input");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\r\n")] = 0;
		printf("userland: %zu bytes: %s\n", strlen(line), line);
		if (!strcmp(line, "off"))
			return;
	}
}

static void run_shell(void)
{
	if (fork() == 0) {
		setsid();
		ioctl(0, TIOCSCTTY, 1);
		execl("/bin/sh", "-sh", NULL);
		_exit(127);
	}
	wait(NULL);
}

static void prepare(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	setenv("PATH", "/bin:/sbin", 1);
	system("/bin/busybox --install -s /bin; ifconfig lo 127.0.0.1");
	slurp("/proc/cmdline", command_line, sizeof(command_line));
	setvbuf(stdout, NULL, _IOLBF, 0);
}

int main(void)
{
	const char *mode;

	prepare();
	mode = parameter("mode", "checks");
	printf("userland: %s after %.6f s\n", mode, now());
	printf("userland: %d CPUs, %ld KiB\n", online_cpus(),
	       sysconf(_SC_PHYS_PAGES) * (sysconf(_SC_PAGESIZE) / 1024));
	if (!strcmp(mode, "checks"))
		run_checks();
	else if (!strcmp(mode, "stress"))
		run_stress(atof(parameter("seconds", "60")));
	else if (!strcmp(mode, "bench"))
		run_program((char *[]){"/bin/ubench", NULL});
	else if (!strcmp(mode, "echo"))
		run_echo();
	else if (!strcmp(mode, "shell"))
		run_shell();
	else if (!strcmp(mode, "panic"))
		spit("/proc/sysrq-trigger", "c");
	sync();
	reboot(!strcmp(mode, "reboot") ? RB_AUTOBOOT : RB_POWER_OFF);
	return 1;
}
