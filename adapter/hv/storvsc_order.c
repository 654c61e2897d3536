/* SPDX-License-Identifier: MIT */
#include "adapter/hv/storvsc_order.h"

#include "core/fmt.h"
#include "core/number.h"
#include "core/string.h"

#define IDE_UNITS  2 /* of a controller, and controllers */
#define SCSI_UNITS 64
#define BUSES      8

void storvsc_place_text(struct storvsc_place place, char text[STORVSC_PLACE_TEXT])
{
	fmt(text, STORVSC_PLACE_TEXT, "%s:%u:%u", place.ide ? "ide" : "scsi", place.controller,
	    place.unit);
}

/* A number below `limit`, up to `end` or a colon; *word goes behind it. */
static bool take_number(const char **word, const char *end, unsigned limit, uint8_t *n)
{
	const char *start = *word;
	uint64_t value;

	while (*word < end && **word != ':')
		++*word;
	if (!number_parse(start, (size_t)(*word - start), &value) || value >= limit)
		return false;
	*n = (uint8_t)value;
	return true;
}

static bool take_place(const char *word, const char *end, struct storvsc_place *place)
{
	size_t length = (size_t)(end - word);

	place->ide = length > 4 && !memcmp(word, "ide:", 4);
	if (!place->ide && (length <= 5 || memcmp(word, "scsi:", 5)))
		return false;
	word += place->ide ? 4 : 5;
	return take_number(&word, end, place->ide ? IDE_UNITS : BUSES, &place->controller) &&
	       word++ < end &&
	       take_number(&word, end, place->ide ? IDE_UNITS : SCSI_UNITS, &place->unit) &&
	       word == end;
}

bool storvsc_order_parse(struct storvsc_order *order, const char *list, char *reason, size_t size)
{
	order->nr = 0;
	while (*list) {
		const char *end = list;

		while (*end && *end != ',')
			end++;
		if (order->nr == STORVSC_ORDER_MAX) {
			fmt(reason, size, "option disks=: more than %d places", STORVSC_ORDER_MAX);
			return false;
		}
		if (!take_place(list, end, &order->place[order->nr++])) {
			fmt(reason, size,
			    "option disks=: \"%.*s\" is no place of a disk: give "
			    "ide:CONTROLLER:UNIT "
			    "(each 0 or 1) or scsi:CONTROLLER:LUN (0..7, 0..63)",
			    (int)(end - list), list);
			return false;
		}
		list = *end ? end + 1 : end;
	}
	return true;
}

static bool same(struct storvsc_place a, struct storvsc_place b)
{
	return a.ide == b.ide && a.controller == b.controller && a.unit == b.unit;
}

uint32_t storvsc_order_key(const struct storvsc_order *order, struct storvsc_place place,
			   bool cdrom)
{
	for (unsigned i = 0; i < order->nr; i++)
		if (same(order->place[i], place))
			return i;
	return 1u << 24 | (uint32_t)cdrom << 17 | (uint32_t)!place.ide << 16 |
	       (uint32_t)place.controller << 8 | place.unit;
}
