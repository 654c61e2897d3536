/* SPDX-License-Identifier: MIT */
/* Grants used from several processors at once, under ThreadSanitizer: in the end nothing is marked as in use. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/gnttab.h"

#define REFS   4
#define ROUNDS 20000

static _Alignas(4096) char frames[4][4096], guest[4096];
static unsigned allocated;

static void *alloc(void *ctx, uint64_t *mfn)
{
	(void)ctx;
	*mfn = allocated;
	return frames[allocated++];
}

static void *page_of(void *ctx, uint64_t mfn)
{
	(void)ctx;
	(void)mfn;
	return guest;
}

static const struct gnttab_env env = {alloc, page_of};
static struct gnttab table;
static struct gnttab_pin pins[GNTTAB_REFS_PER_FRAME];

static uint16_t flags_of(grant_ref_t ref)
{
	return __atomic_load_n(&((struct grant_entry_v1 *)frames[0])[ref].flags, __ATOMIC_SEQ_CST);
}

/* While a reference is held, its entry says so. */
static void *user(void *seed)
{
	unsigned state = (uintptr_t)seed;
	struct gnttab_page page;

	for (unsigned i = 0; i < ROUNDS; i++) {
		grant_ref_t ref = 8 + rand_r(&state) % REFS;
		bool write = rand_r(&state) & 1;
		uint16_t want = GTF_reading | (write ? GTF_writing : 0);

		if (gnttab_acquire(&table, 0, ref, write, &page))
			return "not acquired";
		if ((flags_of(ref) & want) != want)
			return "not marked";
		gnttab_release(&table, ref, write);
	}
	return NULL;
}

/* The guest changes what it may: the table's version, which is refused while anything is in use, and grows it. */
static void *changer(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 200; i++) {
		struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
		struct gnttab_swap_grant_ref swap = {.ref_a = 8, .ref_b = 9};
		struct gnttab_list list;

		gnttab_op_row(GNTTABOP_setup_table)->run(&table, &setup, &list);
		gnttab_op_row(GNTTABOP_swap_grant_ref)->run(&table, &swap, &list);
	}
	return NULL;
}

static void nothing_stays_marked(void **state)
{
	struct gnttab_config c = {&env, NULL, 1, 1, pins};
	pthread_t threads[4];

	(void)state;
	assert_int_equal(gnttab_init(&table, &c), 0);
	for (unsigned i = 0; i < REFS; i++)
		((struct grant_entry_v1 *)frames[0])[8 + i] =
		    (struct grant_entry_v1){GTF_permit_access, 0, i};
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, user, (void *)(i + 1));
	pthread_create(&threads[3], NULL, changer, NULL);
	for (unsigned i = 0; i < 4; i++) {
		void *complaint;

		pthread_join(threads[i], &complaint);
		if (complaint)
			fail_msg("%s", (char *)complaint);
	}
	for (unsigned i = 0; i < REFS; i++) {
		assert_int_equal(pins[8 + i].users, 0);
		assert_int_equal(flags_of(8 + i), GTF_permit_access);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_stays_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
