/* SPDX-License-Identifier: MIT */
/* Any indices in the console's page, at any time. */
#include <stdlib.h>
#include <string.h>

#include "core/pvconsole.h"

struct sink {
	size_t total, limit;
};

static size_t take(void *ctx, const char *data, size_t len)
{
	struct sink *sink = ctx;
	size_t n = len < sink->limit ? len : sink->limit;

	if (!len || len > PVCONSOLE_CHUNK || !data)
		abort();
	sink->total += n;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xencons_interface ring;
	struct pvconsole console;
	struct sink sink = {0, 0};
	size_t taken;

	memset(&ring, 0, sizeof(ring));
	pvconsole_init(&console, &ring);
	for (; size >= 6; data += 6, size -= 6) {
		uint32_t *index[] = {&ring.in_cons, &ring.in_prod, &ring.out_cons, &ring.out_prod};
		uint32_t value;

		memcpy(&value, data + 1, 4);
		if (data[0] & 4)
			*index[data[0] % 4] += value % 2100;
		else
			*index[data[0] % 4] = value;
		sink = (struct sink){0, data[5]};
		pvconsole_drain(&console, take, &sink);
		if (sink.total > sizeof(ring.out))
			abort();
		pvconsole_push(&console, (const char *)data, 6, &taken);
		if (taken > 6)
			abort();
	}
	return 0;
}
