/* SPDX-License-Identifier: MIT */
#include "host/control.h"

#include "host/say.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Read at once; shorter than a line. */
#define CLIENT_PIECE 4096u

struct client {
	struct control *control;
	struct loop_watch watch; /* fd -1: free */
	bool console;
	struct control_files files;
	/*
	 * A line so far; of a console, input that the guest has no room for, and until it has, no more is read. While an
	 * answer is on its way, no more is read either, and this is what came after the line that it answers.
	 */
	size_t used;
	char line[CONTROL_LINE_MAX];
	char *answer; /* NULL: none is on its way */
	size_t answer_length, answer_sent;
};

struct control {
	struct loop *loop;
	int spare; /* kept for when there is no file descriptor left to turn a client away with */
	struct loop_watch watch;
	const struct control_ops *ops;
	void *context;
	struct client client[CONTROL_MAX_CLIENTS];
};

static void close_files(struct control_files *files)
{
	for (unsigned i = 0; i < files->count; i++) {
		if (files->fd[i] >= 0) {
			close(files->fd[i]);
		}
	}
	files->count = 0;
}

static void drop(struct client *client)
{
	loop_remove(client->control->loop, &client->watch);
	close(client->watch.fd);
	close_files(&client->files);
	free(client->answer);
	client->answer = NULL;
	client->watch.fd = -1;
	client->console = false;
	client->used = 0;
}

struct json_object *control_done(void)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "ok", json_object_new_boolean(1));
	return object;
}

struct json_object *control_refuse(const char *format, ...)
{
	struct json_object *object = json_object_new_object();
	char text[640];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_object_object_add(object, "error", json_object_new_string(text));
	return object;
}

/* As far as the socket takes it. Who has left is seen when more is to be read. */
static void send_answer(struct client *client)
{
	while (client->answer_sent < client->answer_length) {
		ssize_t sent =
		    send(client->watch.fd, client->answer + client->answer_sent,
			 client->answer_length - client->answer_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EAGAIN) {
			return;
		}
		if (sent < 0) {
			break;
		}
		client->answer_sent += (size_t)sent;
	}
	free(client->answer);
	client->answer = NULL;
}

/* Consumes `object`. */
static void answer(struct client *client, struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	int length = asprintf(&client->answer, "%s\n", text);

	json_object_put(object);
	if (length < 0) {
		client->answer = NULL;
		drop(client);
		return;
	}
	client->answer_length = (size_t)length;
	client->answer_sent = 0;
	send_answer(client);
	if (client->answer) {
		loop_change(client->control->loop, &client->watch, EPOLLOUT);
	}
}

static void obey(struct client *client, char *line)
{
	const struct control_ops *ops = client->control->ops;
	char *argument = strchr(line, ' ');
	char nothing[1] = "";

	if (argument) {
		*argument++ = '\0';
	}
	if (strcmp(line, "console") == 0) {
		client->console = true;
		answer(client, control_done());
	} else {
		answer(client, ops->obey(client->control->context, line,
					 argument ? argument : nothing, &client->files));
	}
	close_files(&client->files);
}

static size_t give_input(const struct client *client, const char *bytes, size_t count)
{
	const struct control *control = client->control;

	return control->ops->input(control->context, (const uint8_t *)bytes, count);
}

static void take_input(struct client *client, const char *bytes, size_t count)
{
	size_t taken = give_input(client, bytes, count);

	if (taken < count) {
		client->used = count - taken;
		memcpy(client->line, bytes + taken, client->used);
		loop_remove(client->control->loop, &client->watch);
	}
}

/* A console whose input waits for the guest. */
static bool is_parked(const struct client *client)
{
	return client->watch.fd >= 0 && client->console && client->used && !client->answer;
}

void control_input_drained(struct control *control)
{
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct client *client = &control->client[i];
		size_t taken;

		if (!is_parked(client)) {
			continue;
		}
		taken = give_input(client, client->line, client->used);
		client->used -= taken;
		memmove(client->line, client->line + taken, client->used);
		if (!client->used) {
			loop_add(control->loop, &client->watch, EPOLLIN);
		}
	}
}

static void take_line(struct client *client, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count && client->watch.fd >= 0; i++) {
		if (client->answer) {
			client->used = count - i;
			memcpy(client->line, bytes + i, client->used);
			return;
		}
		if (client->console) {
			take_input(client, bytes + i, count - i);
			return;
		}
		if (bytes[i] == '\n') {
			client->line[client->used] = '\0';
			client->used = 0;
			obey(client, client->line);
		} else if (client->used + 1 < sizeof(client->line)) {
			client->line[client->used++] = bytes[i];
		} else {
			drop(client);
			return;
		}
	}
}

/* Files that come while others wait for the end of their line are kept as far as there is room. */
static void take_files(struct client *client, struct msghdr *message)
{
	struct control_files *files = &client->files;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (files->count < CONTROL_MAX_FILES) {
				files->fd[files->count++] = fd;
			} else {
				close(fd);
			}
		}
	}
}

static ssize_t receive(struct client *client, char *bytes, size_t size)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(CONTROL_MAX_FILES * sizeof(int))];
	} files;
	struct iovec iov = {bytes, size};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &files,
				 .msg_controllen = sizeof(files)};
	ssize_t count = recvmsg(client->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (count > 0) {
		take_files(client, &message);
	}
	return count;
}

/* What was asked meanwhile comes before what is still to be read. */
static void go_on_answering(struct client *client)
{
	char bytes[CLIENT_PIECE];
	size_t count = client->used;

	send_answer(client);
	if (client->answer) {
		return;
	}
	loop_change(client->control->loop, &client->watch, EPOLLIN);
	memcpy(bytes, client->line, count);
	client->used = 0;
	take_line(client, bytes, count);
}

static void client_ready(void *context, uint32_t events)
{
	struct client *client = context;
	char bytes[CLIENT_PIECE];
	ssize_t count;

	(void)events;
	if (client->answer) {
		go_on_answering(client);
		return;
	}
	count = receive(client, bytes, sizeof(bytes));
	if (count <= 0) {
		if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
			drop(client);
		}
		return;
	}
	take_line(client, bytes, (size_t)count);
}

/*
 * A client that cannot be let in is not left at the door. False where another thread was faster to take the file descriptor that was kept
 * for this: then it stays there until another one comes.
 */
static bool turn_away(struct control *control)
{
	int fd;

	close(control->spare);
	fd = accept4(control->watch.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		close(fd);
	}
	control->spare = event_create();
	return fd >= 0;
}

/* A parked client is not watched: nobody else sees it. */
static bool has_left(const struct client *client)
{
	struct pollfd peer = {.fd = client->watch.fd};

	return is_parked(client) && poll(&peer, 1, 0) > 0 && (peer.revents & POLLHUP);
}

/* What a client had typed before it left is kept for the guest, unless somebody needs the place. NULL: none. */
static struct client *find_place(struct control *control)
{
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (control->client[i].watch.fd < 0) {
			return &control->client[i];
		}
	}
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (has_left(&control->client[i])) {
			drop(&control->client[i]);
			return &control->client[i];
		}
	}
	return NULL;
}

/* The guest's connections stop at the limit. It is higher for the moment that lets a client in, which they can hardly meet. */
static int accept_client(const struct control *control)
{
	int fd = accept4(control->watch.fd, NULL, NULL, SOCK_CLOEXEC), error = errno;
	struct rlimit limit, more;

	if (fd >= 0 || error != EMFILE || getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return fd;
	}
	more = limit;
	more.rlim_cur = limit.rlim_max - limit.rlim_cur < CONTROL_KEPT
			    ? limit.rlim_max
			    : limit.rlim_cur + CONTROL_KEPT;
	setrlimit(RLIMIT_NOFILE, &more);
	fd = accept4(control->watch.fd, NULL, NULL, SOCK_CLOEXEC);
	error = errno;
	setrlimit(RLIMIT_NOFILE, &limit);
	errno = error;
	return fd;
}

/* False where nobody else can be let in now. */
static bool let_in(struct control *control)
{
	int fd = accept_client(control);
	struct client *client;

	if (fd < 0) {
		return (errno == EMFILE || errno == ENFILE) && turn_away(control);
	}
	client = find_place(control);
	if (!client) {
		close(fd);
		return true;
	}
	client->watch = (struct loop_watch){fd, client_ready, client};
	loop_add(control->loop, &client->watch, EPOLLIN);
	return true;
}

static void connection(void *context, uint32_t events)
{
	struct control *control = context;

	(void)events;
	if (control->spare < 0) {
		control->spare = event_create();
	}
	while (let_in(control)) {
	}
}

/* A socket that nobody listens on was left by a host that was killed. */
static bool is_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		     errno == ECONNREFUSED;

	close(fd);
	return stale;
}

static int listen_at(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (is_stale(address)) {
		unlink(address->sun_path);
	}
	if (fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
	    listen(fd, CONTROL_MAX_CLIENTS) == 0) {
		return fd;
	}
	error = errno;
	if (fd >= 0) {
		close(fd);
	}
	return -error;
}

int control_listen(const char *name)
{
	struct sockaddr_un address;
	char folder[CONTROL_FOLDER_MAX];
	int lock, fd = -1;

	if (control_folder(folder, sizeof(folder), true) < 0 ||
	    control_address(name, &address) < 0) {
		return -1;
	}
	/* Between bind() and listen() a socket looks stale to who comes by. */
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) < 0) {
		say_error("%s: %s", folder, strerror(errno));
	} else {
		fd = listen_at(&address);
		if (fd == -EADDRINUSE) {
			say_error("a guest named %s is running: choose another --name", name);
		} else if (fd < 0) {
			say_error("%s: %s", address.sun_path, strerror(-fd));
		}
	}
	if (lock >= 0) {
		close(lock);
	}
	return fd < 0 ? -1 : fd;
}

void control_unlisten(int listener, const char *name)
{
	struct sockaddr_un address;

	if (control_address(name, &address) == 0) {
		unlink(address.sun_path);
	}
	close(listener);
}

struct control *control_create(struct loop *loop, int listener, const struct control_ops *ops,
			       void *context)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control) {
		say_error("no memory for the control socket");
		return NULL;
	}
	control->loop = loop;
	control->ops = ops;
	control->context = context;
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		control->client[i].control = control;
		control->client[i].watch.fd = -1;
	}
	control->spare = event_create();
	control->watch = (struct loop_watch){listener, connection, control};
	loop_add(loop, &control->watch, LOOP_EVENT);
	return control;
}

void control_destroy(struct control *control)
{
	if (!control) {
		return;
	}
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (control->client[i].watch.fd >= 0) {
			drop(&control->client[i]);
		}
	}
	loop_remove(control->loop, &control->watch);
	close(control->spare);
	free(control);
}

void control_console(struct control *control, const uint8_t *bytes, size_t count)
{
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct client *client = &control->client[i];

		if (client->watch.fd >= 0 && client->console && !client->answer) {
			send(client->watch.fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
		}
	}
}
