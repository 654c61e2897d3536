/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a running guest: one per name, in a folder that only its owner can enter. A client sends one line, a
 * verb; the answer is one line of JSON, {"ok":true,…} or {"error":"…"}. After "console" the connection carries the console.
 */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

#include "host/loop.h"

#include <json-c/json.h>
#include <stddef.h>

#define CONTROL_NAME_MAX    64u
#define CONTROL_FOLDER_MAX  256u
#define CONTROL_MAX_CLIENTS 16u
#define CONTROL_LINE_MAX    256u

struct control;

struct control_ops {
	/* NULL where it was done, else why not. */
	const char *(*shutdown)(void *context, bool restart);
	void (*reset)(void *context);
	void (*destroy)(void *context);
	/* A new object that the caller frees. */
	struct json_object *(*info)(void *context);
	/* Input for the guest's console; returns how much of it was taken. */
	size_t (*input)(void *context, const uint8_t *bytes, size_t count);
};

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
