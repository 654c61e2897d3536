/* SPDX-License-Identifier: MIT */
/* Whatever firmware reports, a map keeps the promises of core/e820.h, and no byte becomes more usable than it was. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/e820.h"

static void check_promises(const struct e820_map *map)
{
	for (unsigned int i = 0; i < map->count; i++) {
		const struct e820_range *r = &map->range[i], *next = r + 1;

		assert(r->size > 0 && (r->start | r->size) % E820_PAGE == 0);
		assert(r->start + r->size <= E820_ADDRESS_END);
		if (i + 1 < map->count) {
			assert(r->start + r->size <= next->start);
			assert(r->start + r->size < next->start || r->type != next->type);
		}
	}
}

static void check_usable(const struct e820_map *map, const struct e820_range *in,
			 unsigned int count)
{
	const struct e820_range *r;

	for (unsigned int i = 0; (r = e820_next_usable(map, &i)) != NULL;) {
		for (unsigned int j = 0; j < count; j++) {
			uint64_t end = in[j].start + in[j].size < in[j].start
					   ? UINT64_MAX
					   : in[j].start + in[j].size;

			assert(in[j].type == E820_USABLE || in[j].size == 0 || end <= r->start ||
			       r->start + r->size <= in[j].start);
		}
	}
}

static void check_found(const struct e820_map *map, uint64_t size, uint64_t max)
{
	uint64_t found = e820_find(map, size, max);
	struct e820_range largest = e820_largest(map, max);

	/* Found exactly where the largest has room. */
	assert((found == UINT64_MAX) == (largest.size == 0 || largest.size < size));
	if (found != UINT64_MAX) {
		assert(found % E820_PAGE == 0 && found + size <= max);
	}
	assert(largest.size % E820_PAGE == 0);
	assert(largest.size == 0 || largest.start + largest.size <= max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct e820_map map;
	struct e820_range in[E820_INPUT_MAX], extra = {0};
	unsigned int count = 0;
	uint64_t limit;

	/* 17 bytes a range: start and size, shifted so that they often meet, and a type. */
	for (; size >= 17 && count < E820_INPUT_MAX; size -= 17, data += 17) {
		struct e820_range *r = &in[count++];

		memcpy(&r->start, data, 8);
		memcpy(&r->size, data + 8, 8);
		r->type = data[16] % 8;
		if (data[16] & 8) {
			r->start &= 0xffff;
			r->size &= 0xffff;
		}
	}
	assert(e820_normalise(&map, in, count));
	check_promises(&map);
	check_usable(&map, in, count);
	if (count == 0) {
		return 0;
	}
	extra = in[count - 1];
	extra.type = E820_RESERVED;
	if (e820_reserve(&map, extra.start, extra.size, E820_RESERVED)) {
		check_usable(&map, &extra, 1);
	}
	check_promises(&map);
	check_found(&map, extra.size, in[0].start);
	limit = in[0].size & ~(E820_PAGE - 1);
	e820_limit(&map, limit);
	check_promises(&map);
	assert(e820_usable(&map) <= limit);
	return 0;
}
