/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a running guest: one per name, in a folder that only its owner can enter. A client sends one line, a
 * verb and perhaps a space and an argument, with open files where the verb takes some (SCM_RIGHTS); the answer is one line of
 * JSON, {"ok":true,…} or {"error":"…"}. After "console" the connection carries the console.
 */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

#include "host/loop.h"

#include <json-c/json.h>
#include <stddef.h>
#include <sys/un.h>

#define CONTROL_SUFFIX      ".sock"
#define CONTROL_NAME_MAX    64u
#define CONTROL_FOLDER_MAX  256u
#define CONTROL_MAX_CLIENTS 16u
#define CONTROL_LINE_MAX    16384u
#define CONTROL_MAX_FILES   16u
/* File descriptors above the process's own limit, where the system allows them, that are for clients alone. */
#define CONTROL_KEPT 32u

struct control;

/* What came with a line. Who takes one sets it to -1; the others are closed. */
struct control_files {
	unsigned count;
	int fd[CONTROL_MAX_FILES];
};

struct control_ops {
	/* A verb with its argument, "" where there is none, which may be written to. A new object: the answer. */
	struct json_object *(*obey)(void *context, const char *verb, char *argument,
				    struct control_files *files);
	/* Input for the guest's console; returns how much of it was taken. The rest waits for control_input_drained(). */
	size_t (*input)(void *context, const uint8_t *bytes, size_t count);
};

/* Answers: {"ok":true}, to which more can be added, and {"error":…}. */
struct json_object *control_done(void);
struct json_object *control_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The socket of `name`, listening: one for all lives of the guest, so that its name stays its own through resets, and made before the sandbox,
 * which lets no such socket be made. Says why not; -1 then.
 */
int control_listen(const char *name);
void control_unlisten(int listener, const char *name);
/* Answers who comes to the socket, which stays the caller's. Says why not; NULL then. */
struct control *control_create(struct loop *loop, int listener, const struct control_ops *ops,
			       void *context);
void control_destroy(struct control *control);
/* The guest's console has room for input again. */
void control_input_drained(struct control *control);
/* Console output, to every client that asked for the console. One that does not read loses it. */
void control_console(struct control *control, const uint8_t *bytes, size_t count);

/* Shared with the commands: the folder of the sockets, created where `create`. 0, or -1 with a message. */
int control_folder(char *to, size_t size, bool create);
/* Where the socket of `name` is. 0, or -1 with a message. */
int control_address(const char *name, struct sockaddr_un *address);
/* Whether a name may be a guest's: letters, digits, - _ . and no leading dot. */
bool control_valid_name(const char *name);

#endif
