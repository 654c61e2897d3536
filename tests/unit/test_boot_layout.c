/* SPDX-License-Identifier: MIT */
/* adapter/boot/layout.h: what the ABI and Linux want of the start of day, for guests of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapter/boot/layout.h"

#define MIB      (1ull << 20)
#define GIB      (1ull << 30)
#define PAGE     4096ull
#define ROUND_4M (4 * MIB / PAGE)

/* Debian's 6.1, about; what matters is where it lies. */
static const struct kimage linux_kernel = {
    .pa_start = 16 * MIB,
    .pa_end = 16 * MIB + 59 * MIB + 0x3000,
    .virt_offset = 0xffffffff80000000,
    .mod_start_pfn = true,
};

static uint64_t round_4m(uint64_t pfn)
{
	return (pfn + ROUND_4M - 1) / ROUND_4M * ROUND_4M;
}

/* One L4, L3 and so on for the upper end of the address space, and an L1 for each 2 MiB. */
static void check_layout(const struct layout *at, const struct kimage *k, uint64_t nr_pages)
{
	uint64_t l1 = (at->end * PAGE + 2 * MIB - 1) / (2 * MIB);
	uint64_t l2 = (at->end * PAGE + GIB - 1) / GIB;

	assert_true(at->first == k->pa_start / PAGE);
	assert_true(at->p2m * PAGE >= k->pa_end);
	assert_true(at->p2m_pages * PAGE >= nr_pages * 8);
	assert_true(at->start_info == at->p2m + at->p2m_pages);
	assert_true(at->xenstore > at->start_info && at->console > at->xenstore);
	assert_true(at->tables > at->console);
	assert_true(at->nr_tables >= 2 + l1 + l2);
	assert_true(at->nr_tables <= 2 + l1 + l2 + 2);
	assert_true(at->stack == at->tables + at->nr_tables);
	/* xen.h: 512 KiB of padding; a multiple of 4 MiB. */
	assert_true(at->end % ROUND_4M == 0);
	assert_true((at->end - at->stack - 1) * PAGE >= 512 * 1024);
	/* Linux, xen_pagetable_cleanhighmap: no further. */
	assert_int_equal(round_4m(at->stack), at->end);
}

static void every_size_of_memory_is_laid_out(void **state)
{
	struct layout at;

	(void)state;
	for (uint64_t pages = 128 * MIB / PAGE; pages < 3 * GIB / PAGE; pages += 61) {
		assert_true(layout_make(&at, &linux_kernel, pages, 1000));
		check_layout(&at, &linux_kernel, pages);
	}
	for (uint64_t size = 4 * GIB; size <= 128 * GIB; size += GIB) {
		assert_true(layout_make(&at, &linux_kernel, size / PAGE, 1000));
		check_layout(&at, &linux_kernel, size / PAGE);
		/* Linux maps its kernel in 512 MiB or 1 GiB; modules begin behind that. */
		assert_true(at.end * PAGE <= 512 * MIB);
	}
}

static void an_initrd_lies_inside_where_the_kernel_wants_it(void **state)
{
	struct kimage old = linux_kernel;
	struct layout at;

	(void)state;
	old.mod_start_pfn = false;
	assert_true(layout_make(&at, &old, 512 * MIB / PAGE, 30 * MIB / PAGE));
	assert_true(at.initrd * PAGE >= old.pa_end);
	assert_true(at.p2m == at.initrd + at.initrd_pages);
	assert_int_equal(round_4m(at.stack), at.end);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct kimage old = linux_kernel;
	struct layout at;

	(void)state;
	assert_false(layout_make(&at, &linux_kernel, 75 * MIB / PAGE, 0));
	assert_true(layout_make(&at, &linux_kernel, 100 * MIB / PAGE, 0));
	assert_false(layout_make(&at, &linux_kernel, 100 * MIB / PAGE, 30 * MIB / PAGE));
	assert_true(at.end + at.initrd_pages > 100 * MIB / PAGE);
	old.mod_start_pfn = false;
	assert_false(layout_make(&at, &old, 100 * MIB / PAGE, 30 * MIB / PAGE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_size_of_memory_is_laid_out),
	    cmocka_unit_test(an_initrd_lies_inside_where_the_kernel_wants_it),
	    cmocka_unit_test(what_does_not_fit_is_refused),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
