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
int cli_pause(int argc, char **argv);
int cli_resume(int argc, char **argv);
int cli_attach(int argc, char **argv);
int cli_detach(int argc, char **argv);
int cli_grow(int argc, char **argv);
int cli_attach_net(int argc, char **argv);
int cli_detach_net(int argc, char **argv);
int cli_link(int argc, char **argv);
int cli_memory(int argc, char **argv);
int cli_guest_info(int argc, char **argv);

/* Connects to a guest; says why not, -1 then. */
int guest_connect(const char *name);
/* Sends a verb with its argument and reads the answer, which the caller frees. NULL: told. */
struct json_object *guest_ask(int fd, const char *name, const char *line);
/* The same with open files; they stay the caller's. */
struct json_object *guest_ask_with(int fd, const char *name, const char *line, const int *files,
				   unsigned count);
/* Calls `visit` for every guest that answers. False, and told, where a guest could not be asked or a visit was false. */
typedef bool guest_visit(const char *name, int fd);
bool guest_each(guest_visit *visit);

/* The command line of a verb that speaks with one guest: NAME and `least` to GUEST_MOST further words, and at most one option. */
#define GUEST_MOST 2u

struct guest_usage {
	const char *words; /* "NAME LUN" */
	const char *doc;
	unsigned least, most; /* words after the name */
	const char *option;   /* a long option's name, or NULL */
	const char *option_doc;
};

struct guest_request {
	const char *name;
	char *word[GUEST_MOST]; /* NULL where it was not given */
	unsigned words;
	bool option;
};

/* Ends with a usage error where the line does not fit. */
void guest_parse(const struct guest_usage *usage, int argc, char **argv,
		 struct guest_request *request);
/* Connects, sends one line and frees the answer. Returns the exit status. */
int guest_tell(const char *name, const char *line);

#endif
