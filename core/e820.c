/* SPDX-License-Identifier: MIT */
#include "core/e820.h"

#include <stddef.h>

#define NOT_COVERED 0 /* no type that the specification names; a range that says so is reserved */

static uint64_t round_down(uint64_t address, uint64_t align)
{
	return address & ~(align - 1);
}

static uint64_t round_up(uint64_t address, uint64_t align)
{
	return round_down(address + align - 1, align);
}

static uint64_t end_of(const struct e820_range *r)
{
	return r->start + r->size;
}

/* Cuts off what no processor can address, so that no end wraps around afterwards. */
static struct e820_range clamp(uint64_t start, uint64_t size, uint32_t type)
{
	if (start > E820_ADDRESS_END) {
		start = E820_ADDRESS_END;
	}
	if (size > E820_ADDRESS_END - start) {
		size = E820_ADDRESS_END - start;
	}
	return (struct e820_range){start, size, type};
}

static struct e820_range whole_pages(const struct e820_range *in)
{
	uint32_t type = in->type == NOT_COVERED ? E820_RESERVED : in->type;
	struct e820_range r = clamp(in->start, in->size, type);
	uint64_t start = round_down(r.start, E820_PAGE), end = round_up(end_of(&r), E820_PAGE);

	if (r.size == 0) {
		return r;
	}
	if (r.type == E820_USABLE) {
		start = round_up(r.start, E820_PAGE);
		end = round_down(end_of(&r), E820_PAGE);
	}
	return (struct e820_range){start, end > start ? end - start : 0, r.type};
}

static unsigned int badness(uint32_t type)
{
	switch (type) {
	case E820_USABLE: return 1;
	case E820_ACPI: return 2;
	case E820_NVS: return 3;
	case E820_UNUSABLE: return 5;
	default: return 4;
	}
}

/* The type that holds at an address, NOT_COVERED where no range has it. */
static uint32_t type_at(const struct e820_range *ranges, unsigned int count, uint64_t address)
{
	uint32_t type = NOT_COVERED;

	for (unsigned int i = 0; i < count; i++) {
		const struct e820_range *r = &ranges[i];

		if (r->start <= address && address < end_of(r) &&
		    (type == NOT_COVERED || badness(r->type) > badness(type))) {
			type = r->type;
		}
	}
	return type;
}

static void sort(uint64_t *values, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++) {
		uint64_t v = values[i];
		unsigned int j = i;

		for (; j > 0 && values[j - 1] > v; j--) {
			values[j] = values[j - 1];
		}
		values[j] = v;
	}
}

/* Appends a range that starts at or after the end of all others. False: no room. */
static bool append(struct e820_map *map, uint64_t start, uint64_t end, uint32_t type)
{
	struct e820_range *last = map->count > 0 ? &map->range[map->count - 1] : NULL;

	if (type == NOT_COVERED || start == end) {
		return true;
	}
	if (last != NULL && last->type == type && end_of(last) == start) {
		last->size += end - start;
		return true;
	}
	if (map->count == E820_MAX) {
		return false;
	}
	map->range[map->count++] = (struct e820_range){start, end - start, type};
	return true;
}

bool e820_normalise(struct e820_map *map, const struct e820_range *in, unsigned int count)
{
	struct e820_range whole[E820_INPUT_MAX];
	uint64_t edges[2 * E820_INPUT_MAX];

	if (count > E820_INPUT_MAX) {
		return false;
	}
	for (unsigned int i = 0; i < count; i++) {
		whole[i] = whole_pages(&in[i]);
		edges[2 * i] = whole[i].start;
		edges[2 * i + 1] = end_of(&whole[i]);
	}
	sort(edges, 2 * count);
	map->count = 0;
	/* Between two neighbouring edges the type does not change. At most 2 * count - 1 pieces: they fit. */
	for (unsigned int i = 1; i < 2 * count; i++) {
		append(map, edges[i - 1], edges[i], type_at(whole, count, edges[i - 1]));
	}
	return true;
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Appends r with its part inside [start, end) as another type. */
static bool append_split(struct e820_map *map, const struct e820_range *r, uint64_t start,
			 uint64_t end, uint32_t type)
{
	uint64_t from = at_most(at_least(start, r->start), end_of(r));
	uint64_t to = at_least(at_most(end, end_of(r)), from);

	return append(map, r->start, from, r->type) && append(map, from, to, type) &&
	       append(map, to, end_of(r), r->type);
}

bool e820_reserve(struct e820_map *map, uint64_t start, uint64_t size, uint32_t type)
{
	struct e820_range span = clamp(start, size, E820_RESERVED);
	struct e820_map before = *map;

	span = whole_pages(&span);
	map->count = 0;
	for (unsigned int i = 0; i < before.count; i++) {
		const struct e820_range *r = &before.range[i];
		uint32_t new_type = r->type == E820_USABLE ? type : r->type;

		if (!append_split(map, r, span.start, end_of(&span), new_type)) {
			*map = before;
			return false;
		}
	}
	return true;
}

uint64_t e820_usable(const struct e820_map *map)
{
	const struct e820_range *r;
	uint64_t sum = 0;

	for (unsigned int i = 0; (r = e820_next_usable(map, &i)) != NULL;) {
		sum += r->size;
	}
	return sum;
}

void e820_limit(struct e820_map *map, uint64_t bytes)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < map->count; i++) {
		struct e820_range r = map->range[i];

		if (r.type == E820_USABLE) {
			r.size = at_most(r.size, bytes);
			bytes -= r.size;
		}
		if (r.size > 0) {
			map->range[kept++] = r;
		}
	}
	map->count = kept;
}

const struct e820_range *e820_next_usable(const struct e820_map *map, unsigned int *i)
{
	while (*i < map->count) {
		const struct e820_range *r = &map->range[(*i)++];

		if (r->type == E820_USABLE) {
			return r;
		}
	}
	return NULL;
}

/* The part of r below max, in whole pages. */
static struct e820_range below(const struct e820_range *r, uint64_t max)
{
	uint64_t end = at_least(at_most(end_of(r), round_down(max, E820_PAGE)), r->start);

	return (struct e820_range){r->start, end - r->start, r->type};
}

uint64_t e820_find(const struct e820_map *map, uint64_t size, uint64_t max)
{
	const struct e820_range *r;
	uint64_t found = UINT64_MAX;

	size = size > E820_ADDRESS_END ? UINT64_MAX : round_up(size, E820_PAGE);
	for (unsigned int i = 0; (r = e820_next_usable(map, &i)) != NULL;) {
		struct e820_range span = below(r, max);

		if (span.size > 0 && span.size >= size) {
			found = end_of(&span) - size;
		}
	}
	return found;
}

struct e820_range e820_largest(const struct e820_map *map, uint64_t max)
{
	struct e820_range best = {0, 0, E820_USABLE};
	const struct e820_range *r;

	for (unsigned int i = 0; (r = e820_next_usable(map, &i)) != NULL;) {
		struct e820_range span = below(r, max);

		if (span.size > best.size) {
			best = span;
		}
	}
	return best;
}
