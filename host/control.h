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

#define CONTROL_NAME_MAX    64u
#define CONTROL_FOLDER_MAX  256u
#define CONTROL_MAX_CLIENTS 16u
#define CONTROL_LINE_MAX    16384u
#define CONTROL_MAX_FILES   16u

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
	/* Input for the guest's console; returns how much of it was taken. */
	size_t (*input)(void *context, const uint8_t *bytes, size_t count);
};

/* Answers: {"ok":true}, to which more can be added, and {"error":…}. */
struct json_object *control_done(void);
struct json_object *control_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Creates the socket of `name`. Says why not; NULL then. */
struct control *control_create(struct loop *loop, const char *name, const struct control_ops *ops,
			       void *context);
void control_destroy(struct control *control);
/* Console output, to every client that asked for the console. One that does not read loses it. */
void control_console(struct control *control, const uint8_t *bytes, size_t count);

/* Shared with the commands: the folder of the sockets, created where `create`. 0, or -1 with a message. */
int control_folder(char *to, size_t size, bool create);
/* Whether a name may be a guest's: letters, digits, - _ . and no leading dot. */
bool control_valid_name(const char *name);

#endif
