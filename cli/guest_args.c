/* SPDX-License-Identifier: MIT */
/* The one way in which the verbs for a guest read their command lines. */
#include <argp.h>

#include "cli/cli.h"
#include "cli/guest.h"

#define KEY_OPTION 256

struct parser {
	const struct guest_usage *usage;
	struct guest_request *request;
};

static error_t take_word(struct parser *parser, char *value, struct argp_state *state)
{
	struct guest_request *request = parser->request;

	if (!request->name) {
		request->name = value;
	} else if (request->words < parser->usage->most) {
		request->word[request->words++] = value;
	} else {
		argp_usage(state);
	}
	return 0;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct parser *parser = state->input;
	const struct guest_request *request = parser->request;

	switch (key) {
	case KEY_OPTION: parser->request->option = true; return 0;
	case ARGP_KEY_ARG: return take_word(parser, value, state);
	case ARGP_KEY_END:
		if (!request->name || request->words < parser->usage->least) {
			argp_usage(state);
		}
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

void guest_parse(const struct guest_usage *usage, int argc, char **argv,
		 struct guest_request *request)
{
	const struct argp_option options[] = {
	    {usage->option, KEY_OPTION, NULL, 0, usage->option_doc, 0}, {0}};
	const struct argp argp = {.options = usage->option ? options : NULL,
				  .parser = parse,
				  .args_doc = usage->words,
				  .doc = usage->doc};
	struct parser parser = {usage, request};

	*request = (struct guest_request){0};
	cli_parse(&argp, argc, argv, &parser);
}
