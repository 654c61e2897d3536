/* SPDX-License-Identifier: MIT */
/* The adapter's own options. Called once at boot; the table also makes the list in docs/. */
#ifndef CORE_OPTIONS_ADAPTER_H
#define CORE_OPTIONS_ADAPTER_H

#include "core/options.h"

/* In the order of severity, as log.h has them. */
enum option_loglevel { OPT_LOG_ERROR, OPT_LOG_WARNING, OPT_LOG_INFO, OPT_LOG_DEBUG };
enum option_console { OPT_CONSOLE_COM1, OPT_CONSOLE_NONE };
enum option_xpti { OPT_XPTI_AUTO, OPT_XPTI_ON, OPT_XPTI_OFF };
enum option_clocksource { OPT_CLOCKSOURCE_AUTO, OPT_CLOCKSOURCE_GUEST };
enum option_blkfront { OPT_BLKFRONT_AUTO, OPT_BLKFRONT_GUEST };
enum option_boot_image { OPT_BOOT_IMAGE_HIDDEN, OPT_BOOT_IMAGE_SHOWN };
enum option_crash { OPT_CRASH_RESET, OPT_CRASH_OFF, OPT_CRASH_HALT };

struct adapter_options {
	enum option_loglevel loglevel;
	enum option_console console;
	uint64_t vcpus; /* 0: one for each VP */
	uint64_t ring;  /* the guest kernel's */
	enum option_xpti xpti;
	enum option_crash crash;
	enum option_clocksource clocksource;
	enum option_blkfront blkfront;
	enum option_boot_image boot_image;
	uint64_t mem;    /* bytes; 0: all there is */
	uint64_t mtu;    /* of the guest's network */
	char disks[256]; /* places separated by commas, as adapter/hv/storvsc_order.h has them */
	char no_hv
	    [256]; /* names separated by commas, as adapter/hv/features.h takes them; empty: none */
};

extern const struct option adapter_option_table[];
extern const size_t adapter_option_count;

/* Sets every field, those that the line does not name to their defaults. Errors as options_parse() has them. */
bool adapter_options_parse(const char *line, struct adapter_options *o, char *error, size_t size);

#endif
