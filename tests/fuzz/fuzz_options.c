/* SPDX-License-Identifier: MIT */
/* Any command line either sets fields within their limits or gets an error that can be shown. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/options_adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct adapter_options o;
	char error[160] = "", *line = malloc(size + 1);
	const char *rest;

	memcpy(line, data, size);
	line[size] = '\0';
	if (adapter_options_parse(line, &o, error, sizeof(error))) {
		assert(o.loglevel <= OPT_LOG_DEBUG && o.console <= OPT_CONSOLE_NONE);
		assert(o.xpti <= OPT_XPTI_OFF && o.crash <= OPT_CRASH_HALT);
		assert(o.vcpus <= 64 && o.ring == 1 && strlen(o.no_hv) < sizeof(o.no_hv));
		assert(strlen(line) <= OPTIONS_LINE_MAX);
	} else {
		assert(error[0] != '\0' && memchr(error, '\0', sizeof(error)) != NULL);
		for (const char *p = error; *p != '\0'; p++) {
			assert(*p >= ' ' && *p <= '~');
		}
	}
	rest = options_after_name(line);
	assert(rest >= line && rest <= line + size);
	free(line);
	return 0;
}
