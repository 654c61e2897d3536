/* SPDX-License-Identifier: MIT */
/* Where the control sockets are; for the host and for the commands. */
#include "host/control.h"

#include "host/say.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nobody else may have made the folder for us, or be able to enter it. */
static int check_folder(const char *path)
{
	struct stat stat;

	if (lstat(path, &stat) < 0) {
		return say_error("%s: %s", path, strerror(errno));
	}
	if (!S_ISDIR(stat.st_mode) || stat.st_uid != geteuid() || (stat.st_mode & 077)) {
		return say_error("%s: not a folder that only you can enter; remove it", path);
	}
	return 0;
}

/* With the folder above it, which a minimal system may lack. */
static int make_folder(const char *path)
{
	char parent[CONTROL_FOLDER_MAX];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		mkdir(parent, 0755);
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

int control_folder(char *to, size_t size, bool create)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int length;

	if (geteuid() == 0) {
		length = snprintf(to, size, "/run/xenolith");
	} else if (runtime && runtime[0] == '/') {
		length = snprintf(to, size, "%s/xenolith", runtime);
	} else {
		length = snprintf(to, size, "/tmp/xenolith-%u", (unsigned)geteuid());
	}
	if (length < 0 || (size_t)length >= size) {
		return say_error("XDG_RUNTIME_DIR: too long");
	}
	if (create && make_folder(to) < 0) {
		return say_error("%s: %s", to, strerror(errno));
	}
	/* Who asks a guest passes open files on: to nobody else's socket. */
	return create || access(to, F_OK) == 0 ? check_folder(to) : 0;
}

int control_address(const char *name, struct sockaddr_un *address)
{
	char folder[CONTROL_FOLDER_MAX];
	int length;

	if (control_folder(folder, sizeof(folder), false) < 0) {
		return -1;
	}
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	length = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s" CONTROL_SUFFIX,
			  folder, name);
	return length > 0 && (size_t)length < sizeof(address->sun_path)
		   ? 0
		   : say_error("%s: too long a name for a socket in %s", name, folder);
}

bool control_valid_name(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length >= CONTROL_NAME_MAX || name[0] == '.') {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i])) {
			return false;
		}
	}
	return true;
}
