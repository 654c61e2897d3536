/* SPDX-License-Identifier: MIT */
#include "cli/guest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/control.h"

#define ANSWER_MAX 65536u
#define PATIENCE   5 /* s, for a guest whose host may hang while others are to be listed */

int guest_connect(const char *name, bool quiet)
{
	struct sockaddr_un address;
	int fd;

	if (!control_valid_name(name)) {
		cli_complain("%s: no guest can have that name", name);
		return -1;
	}
	if (control_address(name, &address) < 0) {
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (!quiet) {
			cli_complain("%s: %s", name,
				     errno == ENOENT || errno == ECONNREFUSED
					 ? "no such guest is running; see xenolith list"
					 : strerror(errno));
		}
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

/* Reads up to the end of the line, so that nothing of a console that follows is lost. */
static bool read_line(int fd, char *to, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && read(fd, to + used, 1) == 1) {
		if (to[used] == '\n') {
			to[used] = '\0';
			return true;
		}
		used++;
	}
	return false;
}

static bool send_line(int fd, const char *line, const int *files, unsigned count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(CONTROL_MAX_FILES * sizeof(int))];
	} control = {0};
	struct iovec iov[] = {{(char *)(uintptr_t)line, strlen(line)}, {(char[]){"\n"}, 1}};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

	if (count) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
						.cmsg_level = SOL_SOCKET,
						.cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), files, count * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)(iov[0].iov_len + 1);
}

struct json_object *guest_ask_with(int fd, const char *name, const char *line, const int *files,
				   unsigned count)
{
	char answer[ANSWER_MAX];
	struct json_object *object, *error;

	if (!send_line(fd, line, files, count) || !read_line(fd, answer, sizeof(answer)) ||
	    !(object = json_tokener_parse(answer))) {
		cli_complain("%s: it does not answer", name);
		return NULL;
	}
	if (json_object_object_get_ex(object, "error", &error)) {
		cli_complain("%s: %s", name, json_object_get_string(error));
		json_object_put(object);
		return NULL;
	}
	return object;
}

struct json_object *guest_ask(int fd, const char *name, const char *line)
{
	return guest_ask_with(fd, name, line, NULL, 0);
}

int guest_tell(const char *name, const char *line)
{
	int fd = guest_connect(name, false);
	struct json_object *answer = fd < 0 ? NULL : guest_ask(fd, name, line);

	if (fd >= 0) {
		close(fd);
	}
	if (!answer) {
		return CLI_FAILED;
	}
	json_object_put(answer);
	return CLI_OK;
}

unsigned guest_each(void (*visit)(const char *name, int fd, void *context), void *context)
{
	const struct timeval patience = {.tv_sec = PATIENCE};
	char folder[CONTROL_FOLDER_MAX], name[CONTROL_NAME_MAX];
	unsigned count = 0;
	struct dirent *entry;
	DIR *dir = control_folder(folder, sizeof(folder), false) < 0 ? NULL : opendir(folder);

	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');
		int fd;

		if (!dot || strcmp(dot, CONTROL_SUFFIX) != 0 ||
		    (size_t)snprintf(name, sizeof(name), "%.*s", (int)(dot - entry->d_name),
				     entry->d_name) >= sizeof(name)) {
			continue;
		}
		fd = guest_connect(name, true);
		if (fd >= 0) {
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
			visit(name, fd, context);
			close(fd);
			count++;
		}
	}
	if (dir) {
		closedir(dir);
	}
	return count;
}
