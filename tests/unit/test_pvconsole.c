/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/pvconsole.h"

struct output {
	char text[8192];
	size_t len, room;
};

static size_t take(void *ctx, const char *data, size_t len)
{
	struct output *out = ctx;
	size_t n = len < out->room - out->len ? len : out->room - out->len;

	assert_in_range(len, 1, PVCONSOLE_CHUNK);
	memcpy(out->text + out->len, data, n);
	out->len += n;
	return n;
}

static void guest_write(struct xencons_interface *ring, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ring->out[MASK_XENCONS_IDX(ring->out_prod++, ring->out)] = text[i];
}

static void output_reaches_the_sink(void **state)
{
	static struct xencons_interface ring;
	struct output out = {.room = sizeof(out.text)};
	struct pvconsole console;

	(void)state;
	pvconsole_init(&console, &ring);
	assert_int_equal(pvconsole_drain(&console, take, &out), 0);
	guest_write(&ring, "hello", 5);
	assert_int_equal(pvconsole_drain(&console, take, &out), PVCONSOLE_NOTIFY);
	assert_int_equal(ring.out_cons, 5);
	assert_memory_equal(out.text, "hello", 5);
	assert_int_equal(pvconsole_drain(&console, take, &out), 0);
}

static void a_flood_keeps_its_order(void **state)
{
	static struct xencons_interface ring = {.out_cons = 0xfffffff0, .out_prod = 0xfffffff0};
	struct output out = {.room = sizeof(out.text)};
	struct pvconsole console;
	char text[sizeof(out.text)];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i * 7 >> 3;
	pvconsole_init(&console, &ring);
	for (size_t at = 0; at < sizeof(text); at += 2048) {
		guest_write(&ring, text + at, 2048);
		assert_int_equal(pvconsole_drain(&console, take, &out), PVCONSOLE_NOTIFY);
	}
	assert_int_equal(out.len, sizeof(text));
	assert_memory_equal(out.text, text, sizeof(text));
}

static void a_slow_sink_loses_nothing(void **state)
{
	static struct xencons_interface ring;
	struct output out = {.room = 0};
	struct pvconsole console;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[999] = 'y';
	pvconsole_init(&console, &ring);
	guest_write(&ring, text, sizeof(text));
	assert_int_equal(pvconsole_drain(&console, take, &out), PVCONSOLE_MORE);
	out.room = 200;
	assert_int_equal(pvconsole_drain(&console, take, &out), PVCONSOLE_NOTIFY | PVCONSOLE_MORE);
	assert_int_equal(ring.out_cons, 200);
	out.room = sizeof(out.text);
	assert_int_equal(pvconsole_drain(&console, take, &out), PVCONSOLE_NOTIFY);
	assert_int_equal(out.len, 1000);
	assert_int_equal(out.text[999], 'y');
}

static void input_waits_for_room(void **state)
{
	static struct xencons_interface ring;
	struct pvconsole console;
	char text[1500];
	size_t taken;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i;
	pvconsole_init(&console, &ring);
	assert_int_equal(pvconsole_push(&console, text, sizeof(text), &taken), PVCONSOLE_NOTIFY);
	assert_int_equal(taken, 1024);
	assert_int_equal(ring.in_prod, 1024);
	assert_memory_equal(ring.in, text, 1024);
	assert_int_equal(pvconsole_push(&console, text, 1, &taken), 0);
	assert_int_equal(taken, 0);
	ring.in_cons = 100;
	assert_int_equal(pvconsole_push(&console, text + 1024, 476, &taken), PVCONSOLE_NOTIFY);
	assert_int_equal(taken, 100);
	assert_memory_equal(ring.in, text + 1024, 100);
}

static void bad_indices_stop_only_themselves(void **state)
{
	static struct xencons_interface ring;
	struct output out = {.room = sizeof(out.text)};
	struct pvconsole console;
	size_t taken;

	(void)state;
	pvconsole_init(&console, &ring);
	ring.out_prod = 2049;
	assert_int_equal(pvconsole_drain(&console, take, &out), PVCONSOLE_BAD);
	ring.in_cons = 1;
	assert_int_equal(pvconsole_push(&console, "x", 1, &taken), PVCONSOLE_BAD);
	assert_int_equal(taken, 0);
	ring.out_prod = 0;
	ring.in_cons = 0;
	ring.out_cons = ring.in_prod = 77; /* ours, whatever the guest writes there */
	guest_write(&ring, "ok", 2);
	assert_int_equal(pvconsole_drain(&console, take, &out), PVCONSOLE_NOTIFY);
	assert_memory_equal(out.text, "ok", 2);
	assert_int_equal(pvconsole_push(&console, "x", 1, &taken), PVCONSOLE_NOTIFY);
	assert_int_equal(ring.in_prod, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(output_reaches_the_sink),
	    cmocka_unit_test(a_flood_keeps_its_order),
	    cmocka_unit_test(a_slow_sink_loses_nothing),
	    cmocka_unit_test(input_waits_for_room),
	    cmocka_unit_test(bad_indices_stop_only_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
