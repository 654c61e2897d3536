/* SPDX-License-Identifier: MIT */
/* The grant table as a guest sets it up, and as back ends use it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/gnttab.h"

#define FRAMES    4
#define GUEST_MFN 1000 /* 8 guest pages from here */
#define TABLE_MFN 5000

struct world {
	struct gnttab table;
	struct gnttab_pin pins[FRAMES * GNTTAB_REFS_PER_FRAME];
	unsigned allocated, budget;
	_Alignas(4096) char frames[16][4096];
	_Alignas(4096) char guest[8][4096];
};

static void *alloc(void *ctx, uint64_t *mfn)
{
	struct world *w = ctx;

	if (!w->budget)
		return NULL;
	w->budget--;
	*mfn = TABLE_MFN + w->allocated;
	return w->frames[w->allocated++];
}

static void *page_of(void *ctx, uint64_t mfn)
{
	struct world *w = ctx;

	return mfn >= GUEST_MFN && mfn < GUEST_MFN + 8 ? w->guest[mfn - GUEST_MFN] : NULL;
}

static const struct gnttab_env env = {alloc, page_of};

static int setup(void **state)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) / 4096 * 4096);
	struct gnttab_config c = {&env, w, 1, FRAMES, w->pins};

	memset(w, 0, sizeof(*w));
	w->budget = 16;
	assert_int_equal(gnttab_init(&w->table, &c), 0);
	*state = w;
	return 0;
}

static int setup_v2(void **state)
{
	struct gnttab_set_version op = {2};
	struct world *w;

	setup(state);
	w = *state;
	assert_int_equal(gnttab_op_row(GNTTABOP_set_version)->run(&w->table, &op, NULL), 0);
	assert_int_equal(op.version, 2);
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static int run(struct world *w, unsigned cmd, void *op)
{
	struct gnttab_list list = {NULL, 0};

	return gnttab_op_row(cmd)->run(&w->table, op, &list);
}

static struct grant_entry_v1 *v1(struct world *w, grant_ref_t ref)
{
	return (struct grant_entry_v1 *)w->frames[0] + ref;
}

static union grant_entry_v2 *v2(struct world *w, grant_ref_t ref)
{
	return (union grant_entry_v2 *)w->frames[0] + ref;
}

static uint16_t *status(struct world *w, grant_ref_t ref)
{
	return (uint16_t *)w->table.status[0] + ref;
}

static void the_table_grows_on_demand(void **state)
{
	struct world *w = *state;
	struct gnttab_setup_table setup_table = {.dom = DOMID_SELF, .nr_frames = 3};
	struct gnttab_query_size size = {.dom = DOMID_SELF};
	struct gnttab_list list = {NULL, 0};

	run(w, GNTTABOP_query_size, &size);
	assert_int_equal(size.nr_frames, 1);
	assert_int_equal(size.max_nr_frames, FRAMES);
	assert_int_equal(gnttab_op_row(GNTTABOP_setup_table)->run(&w->table, &setup_table, &list),
			 0);
	assert_int_equal(setup_table.status, GNTST_okay);
	assert_int_equal(list.nr, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(list.mfn[i], TABLE_MFN + i);
	run(w, GNTTABOP_query_size, &size);
	assert_int_equal(size.nr_frames, 3);
	setup_table.nr_frames = FRAMES + 1;
	run(w, GNTTABOP_setup_table, &setup_table);
	assert_int_equal(setup_table.status, GNTST_general_error);
	setup_table.nr_frames = FRAMES;
	w->budget = 0;
	run(w, GNTTABOP_setup_table, &setup_table);
	assert_int_equal(setup_table.status, GNTST_general_error);
	w->budget = 1;
	run(w, GNTTABOP_setup_table, &setup_table);
	assert_int_equal(setup_table.status, GNTST_okay);
}

static void other_domains_are_refused(void **state)
{
	struct world *w = *state;
	struct gnttab_setup_table setup_table = {.dom = 0, .nr_frames = 1};
	struct gnttab_query_size size = {.dom = 7};
	struct gnttab_get_version version = {.dom = 0};
	struct gnttab_map_grant_ref map = {.dom = 0, .flags = GNTMAP_host_map};
	struct gnttab_unmap_grant_ref unmap = {.handle = 0};
	struct gnttab_transfer transfer = {.mfn = GUEST_MFN, .domid = 7};

	run(w, GNTTABOP_setup_table, &setup_table);
	assert_int_equal(setup_table.status, GNTST_permission_denied);
	run(w, GNTTABOP_query_size, &size);
	assert_int_equal(size.status, GNTST_bad_domain);
	assert_int_equal(run(w, GNTTABOP_get_version, &version), -XEN_EPERM);
	version.dom = 1;
	assert_int_equal(run(w, GNTTABOP_get_version, &version), 0);
	assert_int_equal(version.version, 1);
	run(w, GNTTABOP_map_grant_ref, &map);
	assert_int_equal(map.status, GNTST_bad_gntref);
	map.dom = 7;
	run(w, GNTTABOP_map_grant_ref, &map);
	assert_int_equal(map.status, GNTST_bad_domain);
	run(w, GNTTABOP_unmap_grant_ref, &unmap);
	assert_int_equal(unmap.status, GNTST_bad_handle);
	run(w, GNTTABOP_transfer, &transfer);
	assert_int_equal(transfer.status, GNTST_bad_domain);
}

static void a_grant_is_used_and_released(void **state)
{
	struct world *w = *state;
	struct gnttab_page page;

	*v1(w, 9) = (struct grant_entry_v1){GTF_permit_access, 0, GUEST_MFN + 2};
	assert_int_equal(gnttab_acquire(&w->table, 0, 9, false, &page), GNTST_okay);
	assert_int_equal(page.mfn, GUEST_MFN + 2);
	assert_ptr_equal(page.va, w->guest[2]);
	assert_int_equal(page.offset, 0);
	assert_int_equal(page.len, 4096);
	assert_int_equal(v1(w, 9)->flags, GTF_permit_access | GTF_reading);
	assert_int_equal(gnttab_acquire(&w->table, 0, 9, true, &page), GNTST_okay);
	assert_int_equal(v1(w, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	gnttab_release(&w->table, 9, true);
	assert_int_equal(v1(w, 9)->flags, GTF_permit_access | GTF_reading);
	gnttab_release(&w->table, 9, false);
	assert_int_equal(v1(w, 9)->flags, GTF_permit_access);
}

static void what_is_not_granted_is_not_had(void **state)
{
	struct world *w = *state;
	struct gnttab_page page;

	*v1(w, 8) = (struct grant_entry_v1){GTF_invalid, 0, GUEST_MFN};
	*v1(w, 9) = (struct grant_entry_v1){GTF_permit_access, 3, GUEST_MFN};
	*v1(w, 10) = (struct grant_entry_v1){GTF_permit_access | GTF_readonly, 0, GUEST_MFN};
	*v1(w, 11) = (struct grant_entry_v1){GTF_permit_access, 0, TABLE_MFN};
	*v1(w, 12) = (struct grant_entry_v1){GTF_accept_transfer, 0, GUEST_MFN};
	*v1(w, 13) = (struct grant_entry_v1){GTF_transitive, 0, GUEST_MFN};
	assert_int_equal(gnttab_acquire(&w->table, 0, 8, false, &page), GNTST_general_error);
	assert_int_equal(gnttab_acquire(&w->table, 0, 9, false, &page), GNTST_general_error);
	assert_int_equal(gnttab_acquire(&w->table, 0, 10, true, &page), GNTST_general_error);
	assert_int_equal(gnttab_acquire(&w->table, 0, 11, true, &page), GNTST_bad_page);
	assert_int_equal(gnttab_acquire(&w->table, 0, 12, true, &page), GNTST_general_error);
	assert_int_equal(gnttab_acquire(&w->table, 0, 13, false, &page), GNTST_general_error);
	assert_int_equal(gnttab_acquire(&w->table, 0, 512, false, &page), GNTST_bad_gntref);
	assert_int_equal(gnttab_acquire(&w->table, 0, ~0u, false, &page), GNTST_bad_gntref);
	assert_int_equal(v1(w, 10)->flags, GTF_permit_access | GTF_readonly);
	assert_int_equal(v1(w, 11)->flags, GTF_permit_access);
	assert_int_equal(gnttab_acquire(&w->table, 0, 10, false, &page), GNTST_okay);
	gnttab_release(&w->table, 10, false);
	assert_int_equal(v1(w, 10)->flags, GTF_permit_access | GTF_readonly);
}

/* One after the other as by themselves; the same one twice, too. */
static void several_are_had_up_to_the_first_that_is_not(void **state)
{
	const grant_ref_t refs[] = {9, 10, 9, 11, 10};
	struct gnttab_page page[5] = {{0}};
	struct world *w = *state;

	*v1(w, 9) = (struct grant_entry_v1){GTF_permit_access, 0, GUEST_MFN + 2};
	*v1(w, 10) = (struct grant_entry_v1){GTF_permit_access, 0, GUEST_MFN + 3};
	*v1(w, 11) = (struct grant_entry_v1){GTF_permit_access | GTF_readonly, 0, GUEST_MFN + 4};
	assert_int_equal(gnttab_acquire_all(&w->table, 0, refs, 5, true, page), 3);
	assert_int_equal(page[0].mfn, GUEST_MFN + 2);
	assert_ptr_equal(page[1].va, w->guest[3]);
	assert_int_equal(page[2].len, 4096);
	assert_int_equal(w->pins[9].users, 2);
	assert_int_equal(v1(w, 11)->flags, GTF_permit_access | GTF_readonly);
	gnttab_release_all(&w->table, refs, 2, true);
	assert_int_equal(v1(w, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	assert_int_equal(v1(w, 10)->flags, GTF_permit_access);
	gnttab_release_all(&w->table, refs + 2, 1, true);
	assert_int_equal(v1(w, 9)->flags, GTF_permit_access);
	assert_int_equal(gnttab_acquire_all(&w->table, 0, refs, 5, false, page), 5);
	gnttab_release_all(&w->table, refs, 5, false);
	assert_int_equal(v1(w, 11)->flags, GTF_permit_access | GTF_readonly);
}

static void version_2_grants_parts_of_pages(void **state)
{
	struct world *w = *state;
	struct gnttab_page page;

	v2(w, 20)->full_page.hdr = (grant_entry_header_t){GTF_permit_access, 0};
	v2(w, 20)->full_page.frame = GUEST_MFN + 1;
	assert_int_equal(gnttab_acquire(&w->table, 0, 20, true, &page), GNTST_okay);
	assert_int_equal(page.mfn, GUEST_MFN + 1);
	assert_int_equal(page.len, 4096);
	assert_int_equal(*status(w, 20), GTF_reading | GTF_writing);
	assert_int_equal(v2(w, 20)->hdr.flags, GTF_permit_access);
	gnttab_release(&w->table, 20, true);
	assert_int_equal(*status(w, 20), 0);

	v2(w, 21)->sub_page.hdr =
	    (grant_entry_header_t){GTF_permit_access | GTF_sub_page | GTF_readonly, 0};
	v2(w, 21)->sub_page.page_off = 512;
	v2(w, 21)->sub_page.length = 100;
	v2(w, 21)->sub_page.frame = GUEST_MFN;
	assert_int_equal(gnttab_acquire(&w->table, 0, 21, true, &page), GNTST_general_error);
	assert_int_equal(*status(w, 21), 0);
	assert_int_equal(gnttab_acquire(&w->table, 0, 21, false, &page), GNTST_okay);
	assert_int_equal(page.offset, 512);
	assert_int_equal(page.len, 100);
	gnttab_release(&w->table, 21, false);
	v2(w, 21)->sub_page.length = 4000;
	assert_int_equal(gnttab_acquire(&w->table, 0, 21, false, &page), GNTST_general_error);
	assert_int_equal(*status(w, 21), 0);
	v2(w, 21)->hdr.flags = GTF_transitive;
	assert_int_equal(gnttab_acquire(&w->table, 0, 21, false, &page), GNTST_general_error);
	assert_int_equal(gnttab_acquire(&w->table, 0, 256, false, &page), GNTST_bad_gntref);
}

static void the_version_changes_only_when_idle(void **state)
{
	struct world *w = *state;
	struct gnttab_set_version op = {2};
	struct gnttab_get_status_frames frames = {.dom = DOMID_SELF, .nr_frames = 1};
	struct gnttab_list list = {NULL, 0};
	struct gnttab_page page;

	run(w, GNTTABOP_get_status_frames, &frames);
	assert_int_equal(frames.status, GNTST_general_error);
	*v1(w, 1) = (struct grant_entry_v1){GTF_permit_access, 0, GUEST_MFN};
	*v1(w, 9) = (struct grant_entry_v1){GTF_permit_access, 0, GUEST_MFN};
	gnttab_acquire(&w->table, 0, 9, false, &page);
	assert_int_equal(run(w, GNTTABOP_set_version, &op), -XEN_EBUSY);
	assert_int_equal(op.version, 1);
	gnttab_release(&w->table, 9, false);
	op.version = 3;
	assert_int_equal(run(w, GNTTABOP_set_version, &op), -XEN_EINVAL);
	op.version = 2;
	w->budget = 0;
	assert_int_equal(run(w, GNTTABOP_set_version, &op), -XEN_ENOMEM);
	assert_int_equal(w->table.version, 1);
	w->budget = 10;
	op.version = 2;
	assert_int_equal(run(w, GNTTABOP_set_version, &op), 0);
	assert_int_equal(op.version, 2);
	assert_int_equal(v2(w, 1)->hdr.flags, GTF_permit_access); /* reserved: kept */
	assert_int_equal(v2(w, 1)->full_page.frame, GUEST_MFN);
	assert_int_equal(v2(w, 9)->hdr.flags, 0);
	assert_int_equal(gnttab_op_row(GNTTABOP_get_status_frames)->run(&w->table, &frames, &list),
			 0);
	assert_int_equal(frames.status, GNTST_okay);
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.mfn[0], TABLE_MFN + 1);
	frames.nr_frames = 2;
	run(w, GNTTABOP_get_status_frames, &frames);
	assert_int_equal(frames.status, GNTST_general_error);
	op.version = 1;
	assert_int_equal(run(w, GNTTABOP_set_version, &op), 0);
	assert_int_equal(v1(w, 1)->flags, GTF_permit_access);
	assert_int_equal(v1(w, 1)->frame, GUEST_MFN);
}

static void references_swap_when_idle(void **state)
{
	struct world *w = *state;
	struct gnttab_swap_grant_ref op = {.ref_a = 9, .ref_b = 10};
	struct gnttab_page page;

	*v1(w, 9) = (struct grant_entry_v1){GTF_permit_access, 0, GUEST_MFN};
	run(w, GNTTABOP_swap_grant_ref, &op);
	assert_int_equal(op.status, GNTST_okay);
	assert_int_equal(v1(w, 10)->frame, GUEST_MFN);
	assert_int_equal(v1(w, 9)->flags, 0);
	gnttab_acquire(&w->table, 0, 10, false, &page);
	run(w, GNTTABOP_swap_grant_ref, &op);
	assert_int_equal(op.status, GNTST_eagain);
	op.ref_b = 512;
	run(w, GNTTABOP_swap_grant_ref, &op);
	assert_int_equal(op.status, GNTST_bad_gntref);
}

static struct gnttab_copy copy_op(uint64_t from, uint16_t from_offset, uint64_t to,
				  uint16_t to_offset, uint16_t len)
{
	return (struct gnttab_copy){
	    .source = {.u.gmfn = from, .domid = DOMID_SELF, .offset = from_offset},
	    .dest = {.u.gmfn = to, .domid = DOMID_SELF, .offset = to_offset},
	    .len = len,
	};
}

static void copies_stay_within_the_guest(void **state)
{
	struct world *w = *state;
	struct gnttab_copy op = copy_op(GUEST_MFN, 10, GUEST_MFN + 1, 4091, 5);

	memcpy(w->guest[0] + 10, "hello", 5);
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_okay);
	assert_memory_equal(w->guest[1] + 4091, "hello", 5);
	op.len = 6;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_bad_copy_arg);
	op = copy_op(GUEST_MFN, 0, TABLE_MFN, 0, 5);
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_bad_page);
	op = copy_op(GUEST_MFN, 0, GUEST_MFN, 0, 5);
	op.dest.domid = 0;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_bad_domain);
	op.flags = GNTCOPY_dest_gref;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_bad_gntref);
}

static void a_copy_through_an_own_grant_obeys_it(void **state)
{
	struct world *w = *state;
	struct gnttab_copy op = copy_op(9, 0, GUEST_MFN + 1, 0, 4);

	memcpy(w->guest[0], "data", 4);
	*v1(w, 9) = (struct grant_entry_v1){GTF_permit_access | GTF_readonly, 1, GUEST_MFN};
	op.flags = GNTCOPY_source_gref;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_okay);
	assert_memory_equal(w->guest[1], "data", 4);
	assert_int_equal(v1(w, 9)->flags, GTF_permit_access | GTF_readonly);
	op = copy_op(GUEST_MFN + 1, 0, 9, 0, 4);
	op.flags = GNTCOPY_dest_gref;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_general_error);
	v1(w, 9)->domid = 0; /* granted to domain 0, not to itself */
	op = copy_op(9, 0, GUEST_MFN + 1, 0, 4);
	op.flags = GNTCOPY_source_gref;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_general_error);
}

static void a_copy_stays_within_a_sub_page(void **state)
{
	struct world *w = *state;
	struct gnttab_copy op = copy_op(30, 100, GUEST_MFN + 1, 0, 50);

	v2(w, 30)->sub_page.hdr = (grant_entry_header_t){GTF_permit_access | GTF_sub_page, 1};
	v2(w, 30)->sub_page.page_off = 100;
	v2(w, 30)->sub_page.length = 50;
	v2(w, 30)->sub_page.frame = GUEST_MFN;
	op.flags = GNTCOPY_source_gref;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_okay);
	op.len = 51;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_general_error);
	op.len = 1;
	op.source.offset = 99;
	run(w, GNTTABOP_copy, &op);
	assert_int_equal(op.status, GNTST_general_error);
	assert_int_equal(*status(w, 30), 0);
}

static void cache_flush_only_checks(void **state)
{
	struct world *w = *state;
	struct gnttab_cache_flush op = {.offset = 0, .length = 0, .op = GNTTAB_CACHE_CLEAN};

	assert_int_equal(run(w, GNTTABOP_cache_flush, &op), 0);
	op.length = 1;
	assert_int_equal(run(w, GNTTABOP_cache_flush, &op), -XEN_EOPNOTSUPP);
	op.offset = 4096;
	assert_int_equal(run(w, GNTTABOP_cache_flush, &op), -XEN_EINVAL);
	op.offset = 0;
	op.op = 4;
	assert_int_equal(run(w, GNTTABOP_cache_flush, &op), -XEN_EINVAL);
}

static void the_table_names_what_there_is(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GNTTAB_OP_COUNT; i++) {
		if (i == GNTTABOP_dump_table) {
			assert_null(gnttab_op_row(i)); /* a debugging aid that Xen no longer has */
			continue;
		}
		assert_non_null(gnttab_op_row(i)->name);
		assert_in_range(gnttab_op_row(i)->arg_size, 4, GNTTAB_OP_ARG_MAX);
	}
	assert_null(gnttab_op_row(GNTTAB_OP_COUNT));
}

#define TEST(f)    cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_V2(f) cmocka_unit_test_setup_teardown(f, setup_v2, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_table_grows_on_demand),
	    TEST(other_domains_are_refused),
	    TEST(a_grant_is_used_and_released),
	    TEST(what_is_not_granted_is_not_had),
	    TEST(several_are_had_up_to_the_first_that_is_not),
	    TEST_V2(version_2_grants_parts_of_pages),
	    TEST(the_version_changes_only_when_idle),
	    TEST(references_swap_when_idle),
	    TEST(copies_stay_within_the_guest),
	    TEST(a_copy_through_an_own_grant_obeys_it),
	    TEST_V2(a_copy_stays_within_a_sub_page),
	    TEST(cache_flush_only_checks),
	    TEST(the_table_names_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
