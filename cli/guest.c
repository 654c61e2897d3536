/* SPDX-License-Identifier: MIT */
#include "cli/guest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/control.h"

/* Far beyond what a guest may tell of itself, which is some 200 KiB where all of it is to be escaped. */
#define ANSWER_MAX   (1u << 20)
#define ANSWER_FIRST 4096u
#define PATIENCE     5 /* s, for a guest whose host may hang while others are to be listed */

static const struct timeval patience = {.tv_sec = PATIENCE};

/* A connection or -errno; `hurried` it is one that is given up where the host hangs. */
static int try_connect(const char *name, bool hurried)
{
	struct sockaddr_un address;
	int fd, error;

	if (control_address(name, &address) < 0) {
		return -EINVAL;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && hurried) {
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	}
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		return fd;
	}
	error = errno;
	if (fd >= 0) {
		close(fd);
	}
	return -error;
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED;
}

int guest_connect(const char *name)
{
	int fd;

	if (!control_valid_name(name)) {
		cli_complain("%s: no guest can have that name", name);
		return -1;
	}
	fd = try_connect(name, false);
	if (fd < 0 && fd != -EINVAL) { /* which has been told */
		cli_complain("%s: %s", name,
			     is_gone(fd) ? "no such guest is running; see xenolith list"
					 : strerror(-fd));
	}
	return fd < 0 ? -1 : fd;
}

/* Looks before it reads: of a console that follows the line nothing is taken. 1: the line ends here; 0: not yet; -1: never. */
static int read_piece(int fd, char *to, size_t size, size_t *count)
{
	ssize_t there = recv(fd, to, size, MSG_PEEK);
	const char *end = there > 0 ? memchr(to, '\n', (size_t)there) : NULL;

	if (there <= 0) {
		return -1;
	}
	there = recv(fd, to, end ? (size_t)(end - to) + 1 : (size_t)there, 0);
	if (there <= 0) {
		return -1;
	}
	*count = (size_t)there;
	return to[there - 1] == '\n';
}

/* Without its end; the caller frees it. NULL where there is none. */
static char *read_line(int fd)
{
	char *line = NULL, *larger;
	size_t used = 0, count;
	int ended = 0;

	for (size_t size = ANSWER_FIRST; !ended && size <= ANSWER_MAX; size *= 2) {
		larger = realloc(line, size);
		if (!larger) {
			break;
		}
		line = larger;
		while (!ended && used < size) {
			ended = read_piece(fd, line + used, size - used, &count);
			used += ended < 0 ? 0 : count;
		}
	}
	if (ended <= 0) {
		free(line);
		return NULL;
	}
	line[used - 1] = '\0';
	return line;
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
	char *answer = send_line(fd, line, files, count) ? read_line(fd) : NULL;
	struct json_object *object = answer ? json_tokener_parse(answer) : NULL, *error;

	free(answer);
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
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
	int fd = guest_connect(name);
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

static bool visit_one(const char *name, guest_visit *visit)
{
	int fd = try_connect(name, true);
	bool good;

	if (fd < 0) {
		if (!is_gone(fd)) {
			cli_complain("%s: %s", name,
				     fd == -EAGAIN ? "it does not answer" : strerror(-fd));
		}
		return is_gone(fd);
	}
	good = visit(name, fd);
	close(fd);
	return good;
}

bool guest_each(guest_visit *visit)
{
	char folder[CONTROL_FOLDER_MAX], name[CONTROL_NAME_MAX];
	struct dirent *entry;
	bool good = true;
	DIR *dir;

	if (control_folder(folder, sizeof(folder), false) < 0) {
		return false;
	}
	dir = opendir(folder);
	if (!dir && errno != ENOENT) {
		cli_complain("%s: %s", folder, strerror(errno));
		return false;
	}
	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot && strcmp(dot, CONTROL_SUFFIX) == 0 &&
		    (size_t)snprintf(name, sizeof(name), "%.*s", (int)(dot - entry->d_name),
				     entry->d_name) < sizeof(name) &&
		    control_valid_name(name)) {
			good &= visit_one(name, visit);
		}
	}
	if (dir) {
		closedir(dir);
	}
	return good;
}
