/* SPDX-License-Identifier: MIT */
/* The commands' side of a running guest's control socket (host/control.h). */
#ifndef CLI_GUEST_H
#define CLI_GUEST_H

#include <json-c/json.h>
#include <stdbool.h>

int cli_list(int argc, char **argv);
int cli_console(int argc, char **argv);
int cli_shutdown(int argc, char **argv);
int cli_reset(int argc, char **argv);
int cli_destroy(int argc, char **argv);
int cli_guest_info(int argc, char **argv);

/* Connects to a guest; says why not, -1 then. With `quiet` it says nothing. */
int guest_connect(const char *name, bool quiet);
/* Sends a verb and reads the answer, which the caller frees. NULL: told. */
struct json_object *guest_ask(int fd, const char *name, const char *verb);
/* Calls `visit` for the name of every guest that answers. Returns how many there are. */
unsigned guest_each(void (*visit)(const char *name, int fd, void *context), void *context);

#endif
