/* SPDX-License-Identifier: MIT */
#include "cli/guest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/control.h"

#define SUFFIX     ".sock"
#define ANSWER_MAX 65536u

int guest_connect(const char *name, bool quiet)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char folder[sizeof(address.sun_path) - CONTROL_NAME_MAX - sizeof(SUFFIX)];
	int fd;

	if (!control_valid_name(name)) {
		cli_complain("%s: no guest can have that name", name);
		return -1;
	}
	if (control_folder(folder, sizeof(folder), false) < 0) {
		return -1;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s" SUFFIX, folder, name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (!quiet) {
			cli_complain(errno == ENOENT || errno == ECONNREFUSED
					 ? "%s: no such guest is running; see xenolith list"
					 : "%s: cannot reach it",
				     name);
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

struct json_object *guest_ask(int fd, const char *name, const char *verb)
{
	char line[CONTROL_LINE_MAX], answer[ANSWER_MAX];
	int length = snprintf(line, sizeof(line), "%s\n", verb);
	struct json_object *object, *error;

	if (send(fd, line, (size_t)length, MSG_NOSIGNAL) != length ||
	    !read_line(fd, answer, sizeof(answer)) || !(object = json_tokener_parse(answer))) {
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

unsigned guest_each(void (*visit)(const char *name, int fd, void *context), void *context)
{
	char folder[128], name[CONTROL_NAME_MAX];
	unsigned count = 0;
	struct dirent *entry;
	DIR *dir = control_folder(folder, sizeof(folder), false) < 0 ? NULL : opendir(folder);

	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);
		int fd;

		if (length <= strlen(SUFFIX) || length - strlen(SUFFIX) >= sizeof(name) ||
		    strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) != 0) {
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(length - strlen(SUFFIX)), entry->d_name);
		fd = guest_connect(name, true);
		if (fd >= 0) {
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
