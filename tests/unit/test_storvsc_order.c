/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/hv/storvsc_order.h"

static void parsed(struct storvsc_order *order, const char *list)
{
	char reason[200] = "";

	assert_true(storvsc_order_parse(order, list, reason, sizeof(reason)));
	assert_string_equal(reason, "");
}

static void what_is_written_is_read_again(void **state)
{
	static const char list[] = "scsi:0:0,scsi:7:63,ide:1:0,ide:0:1";
	char text[STORVSC_PLACE_TEXT], all[100] = "";
	struct storvsc_order order;

	(void)state;
	parsed(&order, list);
	assert_int_equal(order.nr, 4);
	for (unsigned i = 0; i < order.nr; i++) {
		storvsc_place_text(order.place[i], text);
		strcat(strcat(all, i ? "," : ""), text);
	}
	assert_string_equal(all, list);
	parsed(&order, "");
	assert_int_equal(order.nr, 0);
}

static void what_is_no_place_is_named(void **state)
{
	static const char *const bad[] = {
	    "scsi",     "scsi:",     "scsi:0", "scsi:0:",   "scsi::0",  "scsi:8:0", "scsi:0:64",
	    "ide:2:0",  "ide:0:2",   "ide:0",  ":0:0",      "sata:0:0", "0:0",      "scsi:0:0:0",
	    "scsi:0:x", "scsi:-1:0", " ",      "scsi:0:0 ", "ide:0:",   "ide:",
	};
	struct storvsc_order order;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char list[40] = "scsi:0:0,", reason[200] = "";

		assert_false(
		    storvsc_order_parse(&order, strcat(list, bad[i]), reason, sizeof(reason)));
		assert_non_null(strstr(reason, bad[i]));
		assert_null(strchr(reason, '\n'));
	}
}

static void too_many_places_are_refused(void **state)
{
	char list[9 * (STORVSC_ORDER_MAX + 1) + 1] = "", reason[200];
	struct storvsc_order order;

	(void)state;
	for (unsigned i = 0; i < STORVSC_ORDER_MAX; i++)
		strcat(list, "scsi:0:0,");
	assert_true(storvsc_order_parse(&order, list, reason, sizeof(reason)));
	assert_false(storvsc_order_parse(&order, strcat(list, "scsi:0:1"), reason, sizeof(reason)));
}

/* Each disk comes before the next one. */
static void the_order_is_the_list_then_disks_then_cdroms(void **state)
{
	static const struct {
		struct storvsc_place place;
		bool cdrom;
	} disks[] = {
	    {{false, 1, 3}, true},  {{true, 1, 1}, false}, /* the list's */
	    {{true, 0, 0}, false},  {{true, 0, 1}, false},   {{true, 1, 0}, false},
	    {{false, 0, 0}, false}, {{false, 0, 63}, false}, {{false, 1, 0}, false},
	    {{true, 0, 0}, true},   {{false, 0, 1}, true},
	};
	struct storvsc_order order;

	(void)state;
	parsed(&order, "scsi:1:3,scsi:5:5,ide:1:1");
	for (unsigned i = 0; i + 1 < sizeof(disks) / sizeof(*disks); i++)
		assert_true(storvsc_order_key(&order, disks[i].place, disks[i].cdrom) <
			    storvsc_order_key(&order, disks[i + 1].place, disks[i + 1].cdrom));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read_again),
	    cmocka_unit_test(what_is_no_place_is_named),
	    cmocka_unit_test(too_many_places_are_refused),
	    cmocka_unit_test(the_order_is_the_list_then_disks_then_cdroms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
