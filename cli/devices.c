/* SPDX-License-Identifier: MIT */
/* `xenolith attach`, `detach`, `grow`, `attach-net`, `detach-net`, `link` and `memory`: what a running guest has. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/disk_argument.h"
#include "cli/guest.h"
#include "host/control.h"
#include "host/disk_files.h"
#include "host/machine.h"
#include "host/net.h"
#include "host/say.h"

struct files {
	unsigned count;
	int fd[DISK_FILES_MAX];
	struct json_object *paths;
};

static bool add_file(struct files *files, const char *path, bool write)
{
	struct stat st;
	int fd;

	/* Opening a pipe may wait for its other end; the host would refuse it then. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		cli_complain("%s: neither a file nor a block device", path);
		return false;
	}
	if (files->count == DISK_FILES_MAX) {
		cli_complain("%s: more than %u files", path, DISK_FILES_MAX);
		return false;
	}
	fd = open(path, O_CLOEXEC | O_NOCTTY | (write ? O_RDWR : O_RDONLY));
	if (fd < 0) {
		cli_complain("%s: %s", path, strerror(errno));
		return false;
	}
	files->fd[files->count++] = fd;
	json_object_array_add(files->paths, json_object_new_string(path));
	return true;
}

/* The guest's host cannot open files any more: it gets the image and all its parents open. */
static bool open_all(struct files *files, const struct machine_disk *disk, const char *path)
{
	const struct xd_open how = {.path = path, .format = disk->format, .flags = XD_OPEN_NO_LOCK};
	struct xd_image *image, *parent;
	struct xd_error error;
	bool good = add_file(files, path, !disk->read_only);

	if (!good || disk->format == XD_FORMAT_RAW) {
		return good;
	}
	if (xd_open_with(&how, &image, &error) < 0) {
		cli_complain("%s: %s", path, error.message);
		return false;
	}
	for (parent = xd_get_parent(image); parent && good; parent = xd_get_parent(parent)) {
		good = add_file(files, xd_get_path(parent), false);
	}
	xd_close(image, NULL);
	return good;
}

/* Parents are looked for beside the image, and the host's folder is not ours. */
static bool absolute(const char *path, char *to, size_t size)
{
	char folder[PATH_MAX] = "";

	if (path[0] != '/' && !getcwd(folder, sizeof(folder))) {
		return false;
	}
	return (size_t)snprintf(to, size, "%s%s%s", folder, path[0] == '/' ? "" : "/", path) < size;
}

static int send_disk(const char *name, const struct machine_disk *disk, const struct files *files)
{
	struct json_object *request = json_object_new_object(), *answer = NULL;
	char line[CONTROL_LINE_MAX];
	int fd = guest_connect(name);

	json_object_object_add(request, "format",
			       json_object_new_string(xd_format_name(disk->format)));
	json_object_object_add(request, "read_only", json_object_new_boolean(disk->read_only));
	json_object_object_add(request, "cdrom", json_object_new_boolean(disk->cdrom));
	json_object_object_add(request, "paths", json_object_get(files->paths));
	if ((size_t)snprintf(line, sizeof(line), "attach %s",
			     json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN)) >=
	    sizeof(line)) {
		cli_complain("%s: too long names", disk->path);
	} else if (fd >= 0) {
		answer = guest_ask_with(fd, name, line, files->fd, files->count);
	}
	json_object_put(request);
	if (fd >= 0) {
		close(fd);
	}
	if (!answer) {
		return CLI_FAILED;
	}
	printf("LUN %d\n", json_object_get_int(json_object_object_get(answer, "lun")));
	json_object_put(answer);
	return CLI_OK;
}

int cli_attach(int argc, char **argv)
{
	static const struct guest_usage usage = {
	    .words = "NAME FILE[,ro][,cdrom][,format=raw|vhd|vhdx]",
	    .doc = "Gives a running guest one more disk, or a DVD, and tells its LUN.",
	    .least = 1,
	    .most = 1};
	struct guest_request request;
	struct files files = {0};
	struct machine_disk disk;
	char path[PATH_MAX];
	int status = CLI_FAILED;

	guest_parse(&usage, argc, argv, &request);
	if (disk_argument(&disk, request.word[0]) < 0) {
		return CLI_USAGE;
	}
	if (disk.ide) {
		say_error("%s: an IDE disk cannot come while the guest runs; leave out ide",
			  disk.path);
		return CLI_USAGE;
	}
	files.paths = json_object_new_array();
	if (!absolute(disk.path, path, sizeof(path))) {
		cli_complain("%s: too long a name", disk.path);
	} else if (open_all(&files, &disk, path)) {
		status = send_disk(request.name, &disk, &files);
	}
	for (unsigned i = 0; i < files.count; i++) {
		close(files.fd[i]);
	}
	json_object_put(files.paths);
	return status;
}

/* Of a LUN or an adapter: the host tells whether there is one. */
static bool is_number(const char *word)
{
	size_t digits = strspn(word, "0123456789");

	if (!digits || word[digits] || digits > 9) {
		cli_complain("%s: no number; see xenolith info", word);
		return false;
	}
	return true;
}

int cli_detach(int argc, char **argv)
{
	static const struct guest_usage usage = {
	    .words = "NAME LUN",
	    .doc = "Takes a disk from a running guest; what was asked of it before is done first.",
	    .least = 1,
	    .most = 1};
	struct guest_request request;
	char line[64];

	guest_parse(&usage, argc, argv, &request);
	if (!is_number(request.word[0])) {
		return CLI_USAGE;
	}
	snprintf(line, sizeof(line), "detach %.16s", request.word[0]);
	return guest_tell(request.name, line);
}

int cli_grow(int argc, char **argv)
{
	static const struct guest_usage usage = {
	    .words = "NAME LUN SIZE",
	    .doc = "Makes the disk of a running guest larger; the guest is told.",
	    .least = 2,
	    .most = 2};
	struct guest_request request;
	char line[64];
	uint64_t size;

	guest_parse(&usage, argc, argv, &request);
	if (!is_number(request.word[0])) {
		return CLI_USAGE;
	}
	if (!cli_read_size(request.word[1], &size)) {
		cli_complain("%s: no size", request.word[1]);
		return CLI_USAGE;
	}
	snprintf(line, sizeof(line), "resize %.16s %" PRIu64, request.word[0], size);
	return guest_tell(request.name, line);
}

/* The guest's host can make no tap interface its own any more: it gets one that is. */
static int send_net(const char *name, const char *words, const int *tap)
{
	char line[CONTROL_LINE_MAX];
	struct json_object *answer;
	int fd;

	if ((size_t)snprintf(line, sizeof(line), "attach-net %s", words) >= sizeof(line)) {
		cli_complain("%s: too long", words);
		return CLI_USAGE;
	}
	fd = guest_connect(name);
	answer = fd < 0 ? NULL : guest_ask_with(fd, name, line, tap, tap ? 1 : 0);
	if (fd >= 0) {
		close(fd);
	}
	if (!answer) {
		return CLI_FAILED;
	}
	printf("adapter %d\n", json_object_get_int(json_object_object_get(answer, "adapter")));
	json_object_put(answer);
	return CLI_OK;
}

int cli_attach_net(int argc, char **argv)
{
	static const struct guest_usage usage = {
	    .words = "NAME user[,hostfwd=…]…|tap=INTERFACE",
	    .doc = "Gives a running guest one more network adapter, and tells its number.",
	    .least = 1,
	    .most = 1};
	struct guest_request request;
	struct machine_net net;
	char *words;
	int status = CLI_USAGE, tap;

	guest_parse(&usage, argc, argv, &request);
	words = strdup(request.word[0]);
	if (!words || !machine_net_parse(&net, words)) {
		cli_complain("%s: user[,hostfwd=…]… or tap=INTERFACE is expected", request.word[0]);
	} else if (net.kind == NET_USER) {
		status = send_net(request.name, request.word[0], NULL);
	} else {
		tap = net_tap_open(net.interface);
		status = tap < 0 ? CLI_FAILED : send_net(request.name, request.word[0], &tap);
		close(tap);
	}
	free(words);
	return status;
}

int cli_detach_net(int argc, char **argv)
{
	static const struct guest_usage usage = {
	    .words = "NAME ADAPTER",
	    .doc = "Takes a network adapter from a running guest; info tells their numbers.",
	    .least = 1,
	    .most = 1};
	struct guest_request request;
	char line[64];

	guest_parse(&usage, argc, argv, &request);
	if (!is_number(request.word[0])) {
		return CLI_USAGE;
	}
	snprintf(line, sizeof(line), "detach-net %.16s", request.word[0]);
	return guest_tell(request.name, line);
}

int cli_link(int argc, char **argv)
{
	static const struct guest_usage usage = {
	    .words = "NAME up|down [ADAPTER]",
	    .doc = "Plugs the cable of a network adapter (default 0, the first) in or out.",
	    .least = 1,
	    .most = 2};
	struct guest_request request;
	char line[64];

	guest_parse(&usage, argc, argv, &request);
	if (strcmp(request.word[0], "up") != 0 && strcmp(request.word[0], "down") != 0) {
		cli_complain("%s: up or down is expected", request.word[0]);
		return CLI_USAGE;
	}
	if (request.word[1] && !is_number(request.word[1])) {
		return CLI_USAGE;
	}
	snprintf(line, sizeof(line), "link %.4s %.16s", request.word[0],
		 request.word[1] ? request.word[1] : "0");
	return guest_tell(request.name, line);
}

int cli_memory(int argc, char **argv)
{
	static const struct guest_usage usage = {
	    .words = "NAME SIZE",
	    .doc = "Brings a running guest's memory to SIZE, as far as the guest goes along.",
	    .least = 1,
	    .most = 1};
	struct guest_request request;
	char line[64];
	uint64_t size;

	guest_parse(&usage, argc, argv, &request);
	if (!cli_read_memory(request.word[0], &size)) {
		cli_complain("%s: no size", request.word[0]);
		return CLI_USAGE;
	}
	snprintf(line, sizeof(line), "memory %" PRIu64, size);
	return guest_tell(request.name, line);
}
