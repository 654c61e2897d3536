/* SPDX-License-Identifier: MIT */
/* The kernel's view of the machine: /proc, /sys/hypervisor, sockets, CPUs that come and go. */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char text[65536];

static const char *proc_tells_as_many_cpus_as_are_online(void)
{
	int n = 0;

	REQUIRE(slurp("/proc/cpuinfo", text, sizeof(text)) > 0);
	for (char *p = text; (p = strstr(p, "processor\t:")); p++)
		n++;
	REQUIRE(n == online_cpus());
	REQUIRE(slurp("/proc/interrupts", text, sizeof(text)) > 0);
	REQUIRE(slurp("/proc/self/maps", text, sizeof(text)) > 0 && strstr(text, "[stack]"));
	return NULL;
}

static const char *sys_hypervisor_names_xen(void)
{
	if (!under_xen())
		return "skip: not under Xen";
	REQUIRE(slurp("/sys/hypervisor/version/major", text, sizeof(text)) > 0 && text[0] == '4');
	REQUIRE(slurp("/sys/hypervisor/properties/capabilities", text, sizeof(text)) > 0);
	REQUIRE(strstr(text, "xen-3.0-x86_64"));
	REQUIRE(slurp("/sys/hypervisor/uuid", text, sizeof(text)) > 0 && strlen(text) == 37);
	REQUIRE(slurp("/sys/hypervisor/properties/features", text, sizeof(text)) > 0);
	return NULL;
}

static const char *a_stopped_cpu_comes_back(void)
{
	int cpus = online_cpus();
	char path[64];

	if (cpus < 2)
		return "skip: one CPU";
	for (int round = 0; round < 3; round++)
		for (int i = 1; i < cpus; i++) {
			snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", i);
			REQUIRE(spit(path, "0") == 0);
			REQUIRE(online_cpus() == cpus - 1 && pin_to(i) == -1);
			REQUIRE(spit(path, "1") == 0);
			REQUIRE(online_cpus() == cpus && pin_to(i) == 0);
			usleep(10000);
			REQUIRE(pin_to(0) == 0);
		}
	return NULL;
}

/* Echoes what it reads until the other end closes. */
static void serve(int listener)
{
	char buf[512];
	ssize_t n;
	int s = accept(listener, NULL, NULL);

	while ((n = read(s, buf, sizeof(buf))) > 0)
		if (write(s, buf, n) != n)
			break;
	_exit(n == 0 ? 0 : 1);
}

static const char *a_local_tcp_connection_carries_bytes(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), s, status;
	char out[512], in[512];
	pid_t pid;

	REQUIRE(bind(listener, (struct sockaddr *)&a, len) == 0 && listen(listener, 1) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
	pid = fork();
	if (pid == 0)
		serve(listener);
	s = socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(connect(s, (struct sockaddr *)&a, len) == 0);
	for (int i = 0; i < 50; i++) {
		memset(out, i, sizeof(out));
		REQUIRE(write(s, out, sizeof(out)) == sizeof(out));
		REQUIRE(recv(s, in, sizeof(in), MSG_WAITALL) == sizeof(in));
		REQUIRE(!memcmp(in, out, sizeof(in)));
	}
	close(s);
	REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
	return NULL;
}

/* Writes a node of xenstore through the kernel (xen/io/xs_wire.h): 0, or -1. */
static int store_write(const char *node, const char *value)
{
	struct {
		uint32_t type, request, transaction, length;
		char payload[256];
	} m = {.type = 11 /* XS_WRITE */};
	int fd = open("/dev/xen/xenbus", O_RDWR), done = -1;
	size_t head = offsetof(typeof(m), payload);

	m.length = snprintf(m.payload, sizeof(m.payload), "%s%c%s", node, 0, value);
	if (fd >= 0 && write(fd, &m, head + m.length) == (ssize_t)(head + m.length) &&
	    read(fd, &m, head) == (ssize_t)head && m.type == 11)
		done = 0;
	close(fd);
	return done;
}

static int times_in_log(const char *text)
{
	FILE *log = popen("/bin/busybox dmesg", "r");
	char line[512];
	int n = 0;

	while (log && fgets(line, sizeof(line), log))
		n += strstr(line, text) != NULL;
	if (log)
		pclose(log);
	return n;
}

/* As the toolstack would ask for one. There is nowhere to be suspended to, and the kernel is told that it was not. */
static const char *a_cancelled_suspend_resumes(void)
{
	int cpus = online_cpus(), restarted = times_in_log("Restarting tasks");
	double before = now(), wall = time(NULL);

	if (!under_xen() || access("/dev/xen/xenbus", R_OK | W_OK))
		return "skip: no xenstore";
	REQUIRE(store_write("control/shutdown", "suspend") == 0);
	for (int i = 0; i < 600 && times_in_log("Restarting tasks") == restarted; i++)
		usleep(50000);
	REQUIRE(times_in_log("Restarting tasks") > restarted);
	REQUIRE(online_cpus() == cpus);
	REQUIRE(now() > before && now() - before < 60);
	REQUIRE(time(NULL) - wall < 60 && time(NULL) >= wall);
	for (int i = 0; i < cpus; i++)
		REQUIRE(pin_to(i) == 0);
	return NULL;
}

static const char *the_kernel_log_has_no_warning(void)
{
	/* SYSLOG_ACTION_READ_ALL through busybox, which knows the way. */
	FILE *log = popen("/bin/busybox dmesg", "r");
	char line[512];

	REQUIRE(log);
	while (fgets(line, sizeof(line), log))
		if (strstr(line, "WARNING: CPU") || strstr(line, "Oops") || strstr(line, "BUG: ") ||
		    strstr(line, "soft lockup") || strstr(line, "rcu_sched self-detected") ||
		    strstr(line, "W+X mappings: FAILED"))
			return failure("%.200s", line);
	pclose(log);
	return NULL;
}

const struct check system_checks[] = {
    {"/proc tells as many CPUs as are online", proc_tells_as_many_cpus_as_are_online},
    {"/sys/hypervisor names Xen", sys_hypervisor_names_xen},
    {"a local TCP connection carries bytes", a_local_tcp_connection_carries_bytes},
    {"a stopped CPU comes back", a_stopped_cpu_comes_back},
    {"a cancelled suspend resumes", a_cancelled_suspend_resumes},
    {"the kernel log has no warning", the_kernel_log_has_no_warning},
    {NULL, NULL},
};
