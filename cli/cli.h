/* SPDX-License-Identifier: MIT */
/* What all commands share: exit codes, messages, sizes, stopping. Who calls this: cli/. */
#ifndef XENOLITH_CLI_H
#define XENOLITH_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_DAMAGED = 3,   /* image check: errors remain */
	CLI_WARNINGS = 4,  /* image check: warnings, no errors */
	CLI_STOPPED = 130, /* Ctrl-C */
};

/* One line of a table of commands. run gets argv[0] = "xenolith image info" or so, for its usage text. */
struct cli_command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

/* Finds argv[1] in the table, which ends with a NULL name, and runs it; prints the table for --help. */
int cli_dispatch(const struct cli_command *table, const char *doc, int argc, char **argv);

/* "xenolith: …" on standard error. Returns CLI_FAILED. */
int cli_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "10G", "1.5TiB", "512": bytes; powers of 1024. False where it is none. */
bool cli_read_size(const char *text, uint64_t *size);
/* The same for memory, of which a number alone counts MiB. */
bool cli_read_memory(const char *text, uint64_t *size);
/* As cli_read_size(), and ends with a usage error where it is none. */
uint64_t cli_size(const char *text, struct argp_state *state);
/* The same for what has 32 bits. */
uint32_t cli_size32(const char *text, struct argp_state *state);
/* "1.5 GiB" into out[16], which is returned. */
char *cli_human(uint64_t bytes, char *out);

/* On standard output, without what a terminal would obey: for text out of an image or a guest. */
void cli_put_text(const char *text);

/* argp's parser with our exit code for wrong usage. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

#define CLI_JSON_OPTION                                            \
	{                                                          \
		"json", 'j', NULL, 0, "machine-readable output", 0 \
	}
/* For a parser's default case: the operands, in order, each of them needed. `to` says where they go and ends with NULL. */
error_t cli_operands(int key, char *arg, struct argp_state *state, const char **const to[]);

/* From now on Ctrl-C, SIGTERM and SIGHUP set a flag instead of killing. */
void cli_catch_signals(void);
bool cli_stopped(void);

#endif
