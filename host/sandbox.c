/* SPDX-License-Identifier: MIT */
#include "host/sandbox.h"

#include "host/say.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_READ     LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_WRITE    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
#define FOLDER_REMOVE LANDLOCK_ACCESS_FS_REMOVE_FILE
/* Every right of Landlock's first version, and REFER of the second: what is not handled is not restricted. */
#define RIGHTS_V1 ((1ull << 13) - 1)
#define RIGHTS_V2 (RIGHTS_V1 | 1ull << 13)

/* The type byte of ioctl numbers that are let through. */
#define IOCTL_TYPE  0xff00u
#define IOCTL_KVM   0xae00u
#define IOCTL_BLOCK 0x1200u

bool sandbox_allow(struct sandbox *sandbox, const char *path, bool write, bool folder)
{
	unsigned at = sandbox->paths;

	if (!path) {
		return true;
	}
	if (at == SANDBOX_MAX_PATHS) {
		return false;
	}
	sandbox->path[at].path = strdup(path);
	sandbox->path[at].write = write;
	sandbox->path[at].folder = folder;
	sandbox->paths += sandbox->path[at].path != NULL;
	return sandbox->path[at].path;
}

static int drop_capabilities(bool keep_net_admin)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0}, now[2] = {0};

	if (syscall(SYS_capget, &header, now) < 0) {
		return -1;
	}
	if (keep_net_admin) {
		data[0].effective = data[0].permitted = now[0].permitted & (1u << CAP_NET_ADMIN);
	}
	return (int)syscall(SYS_capset, &header, data);
}

/* A path that is not there needs no rule. */
static int add_rule(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights};
	int result;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0) {
		return 0;
	}
	result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
	return result;
}

static int restrict_files(const struct sandbox *sandbox)
{
	int version =
	    (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const struct landlock_ruleset_attr attr = {.handled_access_fs =
						       version >= 2 ? RIGHTS_V2 : RIGHTS_V1};
	int ruleset, result = 0;

	if (version < 1) {
		say_detail("this kernel has no Landlock: files are not restricted");
		return 0;
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0) {
		return -1;
	}
	for (unsigned i = 0; i < sandbox->paths && result == 0; i++) {
		uint64_t rights = sandbox->path[i].folder  ? FOLDER_REMOVE
				  : sandbox->path[i].write ? FILE_WRITE
							   : FILE_READ;

		result = add_rule(ruleset, sandbox->path[i].path, rights);
	}
	if (result == 0) {
		result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	}
	close(ruleset);
	return result;
}

static const int calls[] = {
    /* files, of which Landlock says which */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev2),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(lseek),
    SCMP_SYS(fallocate),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(flock),
    SCMP_SYS(unlink),
    SCMP_SYS(mkdir),
    SCMP_SYS(readlink),
    SCMP_SYS(getcwd),
    SCMP_SYS(access),
    SCMP_SYS(fstatfs),
    SCMP_SYS(lstat),
    SCMP_SYS(stat),
    SCMP_SYS(readlinkat),
    SCMP_SYS(faccessat2),
    /* the ring that was made before, and only reads and writes */
    SCMP_SYS(io_uring_enter),
    /* memory */
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(memfd_create),
    /* threads and signals */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getuid),
    SCMP_SYS(membarrier),
    /* events and time */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(signalfd4),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    /* sockets: control's, which is there already, and libslirp's */
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
};

/* Calls that can do more than is needed, with the values of one argument, 32 bits of it, that are. */
static const struct narrow {
	int call;
	unsigned argument;
	uint32_t value;
} narrow[] = {
    /* Not AF_UNIX: the session's bus, whose services start anything for anybody who asks. */
    {SCMP_SYS(socket), 0, AF_INET},
    {SCMP_SYS(socket), 0, AF_INET6},
    /* Not TIOCSTI, which types into the terminal, for the user's shell to read. */
    {SCMP_SYS(ioctl), 1, TCGETS},
    {SCMP_SYS(ioctl), 1, TCSETS},
    {SCMP_SYS(ioctl), 1, FIONREAD},
    {SCMP_SYS(ioctl), 1, FIONBIO},
    {SCMP_SYS(ioctl), 1, TUNSETIFF},
    {SCMP_SYS(ioctl), 1, TUNSETOFFLOAD},
    /* Not F_SETOWN, by which a file's events are signals to another process. */
    {SCMP_SYS(fcntl), 1, F_DUPFD_CLOEXEC},
    {SCMP_SYS(fcntl), 1, F_GETFD},
    {SCMP_SYS(fcntl), 1, F_SETFD},
    {SCMP_SYS(fcntl), 1, F_GETFL},
    {SCMP_SYS(fcntl), 1, F_SETFL},
    {SCMP_SYS(fcntl), 1, F_OFD_SETLK},
    /* Its own limits, not those of another process. */
    {SCMP_SYS(prlimit64), 0, 0},
};

static int add_narrow(scmp_filter_ctx filter)
{
	int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)getpid()));

	/* Not O_TRUNC: Landlock's first versions let it empty what may only be read. Nothing here asks for it. */
	if (result == 0) {
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, O_TRUNC, 0));
	}
	for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]) && result == 0; i++) {
		result = seccomp_rule_add(
		    filter, SCMP_ACT_ALLOW, narrow[i].call, 1,
		    SCMP_CMP(narrow[i].argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, narrow[i].value));
	}
	return result;
}

static int add_calls(scmp_filter_ctx filter)
{
	static const unsigned types[] = {IOCTL_KVM, IOCTL_BLOCK};
	int result = add_narrow(filter);

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && result == 0; i++) {
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && result == 0; i++) {
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_MASKED_EQ, IOCTL_TYPE, types[i]));
	}
	/* Threads, not processes. clone3 hides its flags in memory; without it, libc uses clone. */
	if (result == 0) {
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
					  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	}
	return result ? result
		      : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int restrict_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int result;

	if (!filter) {
		return -1;
	}
	result = add_calls(filter);
	if (result == 0) {
		result = seccomp_load(filter);
	}
	seccomp_release(filter);
	errno = -result;
	return result;
}

int sandbox_enter(struct sandbox *sandbox)
{
	int result = -1;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		say_error("cannot give up new privileges: %s", strerror(errno));
	} else if (drop_capabilities(sandbox->needs_net_admin) < 0) {
		say_error("cannot drop capabilities: %s", strerror(errno));
	} else if (restrict_files(sandbox) < 0) {
		say_error("Landlock refuses: %s", strerror(errno));
	} else if (restrict_calls() < 0) {
		say_error("seccomp refuses: %s", strerror(errno));
	} else {
		result = 0;
	}
	for (unsigned i = 0; i < sandbox->paths; i++) {
		free(sandbox->path[i].path);
	}
	sandbox->paths = 0;
	return result;
}
