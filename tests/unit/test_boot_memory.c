/* SPDX-License-Identifier: MIT */
/* adapter/boot/memory.h: what is whose, on machines of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/boot/memory.h"
#include "adapter/x86/log.h"

#define MIB   (1ull << 20)
#define GIB   (1ull << 30)
#define IMAGE (700 * 1024)

static jmp_buf refused;
static char why[256];

void refuse(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	longjmp(refused, 1);
}

void panic(const char *format, ...)
{
	(void)format;
	fail();
	__builtin_unreachable();
}

/* A PC's memory: the firmware's hole below 4 GiB, the rest above. */
static struct bootinfo pc(uint64_t memory)
{
	uint64_t low = memory < 3 * GIB ? memory : 3 * GIB;
	struct bootinfo boot = {
	    .nr_ranges = 5,
	    .ranges =
		{
		    {4 * GIB, memory - low, 1}, /* in no order, as firmware may have it */
		    {0, 0x9fc00, 1},
		    {0xf0000, 0x10000, 2},
		    {MIB, low - MIB - 0x20000, 1},
		    {low - 0x20000, 0x20000, 2},
		},
	    .nr_modules = 2,
	    .modules = {{4 * MIB, 12 * MIB + 5, ""}, {20 * MIB + 0x123, 8 * MIB, ""}},
	};

	return boot;
}

static bool guests(uint64_t ma)
{
	uint64_t first, end;

	for (unsigned i = 0; memory_next_guest_range(&i, &first, &end);)
		if (ma >> PAGE_SHIFT >= first && ma >> PAGE_SHIFT < end)
			return true;
	return false;
}

static uint64_t guest_bytes(void)
{
	uint64_t first, end, last = 0, sum = 0;

	for (unsigned i = 0; memory_next_guest_range(&i, &first, &end);) {
		assert_true(first < end && first >= last);
		last = end;
		sum += (end - first) << PAGE_SHIFT;
	}
	return sum;
}

static void nobody_elses_memory_is_the_guests(void **state)
{
	struct bootinfo boot = pc(2 * GIB);

	(void)state;
	memory_init(&boot, IMAGE, 1, 0);
	assert_false(guests(0));
	assert_false(guests(0x9f000));
	assert_false(guests(IMAGE_PHYS));
	assert_false(guests(IMAGE_PHYS + IMAGE - 1));
	assert_true(guests(IMAGE_PHYS + IMAGE + PAGE_SIZE));
	assert_true(guests(4 * MIB));
	assert_false(guests(2 * GIB - 1));
	/* The pool is the highest that there was. */
	assert_false(guests(2 * GIB - 0x20000 - 1));
	assert_true(guests(2 * GIB - 0x20000 - memory_pool_size() - 1));
}

/* At most 8 MiB and 0.3 % of the memory, whatever its size; each further VP has its stacks and queues besides. */
static void the_pool_is_large_enough_and_small_enough(void **state)
{
	static const uint64_t sizes[] = {128 * MIB, 1 * GIB,  5 * GIB,
					 16 * GIB,  64 * GIB, 256 * GIB};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bootinfo boot = pc(sizes[i]);
		uint64_t usable = sizes[i] - 0x20000 - MIB;

		memory_init(&boot, IMAGE, 1, 0);
		assert_true(memory_pool_size() >= memory_max_mfn() * 9);
		assert_true(memory_pool_size() + IMAGE <= 8 * MIB + sizes[i] / 1000 * 3);
		assert_true(guest_bytes() + memory_pool_size() + IMAGE <= usable);
		assert_true(guest_bytes() + memory_pool_size() + IMAGE + 2 * PAGE_SIZE >= usable);
		assert_int_equal(memory_top(), sizes[i] > 3 * GIB ? sizes[i] + GIB : 4 * GIB);
	}
}

/* What each of them takes: stacks, descriptor tables, the hypervisor's pages (adapter/x86/vp.c, adapter/hv/vp.c). */
static void the_pool_has_room_for_64_vps(void **state)
{
	struct bootinfo boot = pc(1 * GIB);
	uint64_t one;

	(void)state;
	memory_init(&boot, IMAGE, 1, 0);
	one = memory_pool_size();
	memory_init(&boot, IMAGE, 64, 0);
	assert_true(memory_pool_size() - one >= 63 * 20 * PAGE_SIZE);
	assert_true(memory_pool_size() < 32 * MIB);
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static void loans_overlap_nothing(void **state)
{
	struct bootinfo boot = pc(64 * MIB);
	uint64_t start[80], n = 0, largest, at;

	(void)state;
	memory_init(&boot, IMAGE, 1, 0);
	at = memory_largest(&largest);
	assert_true(largest > MIB && guests(at) && guests(at + largest - 1));
	while (n < 80 && (start[n] = memory_borrow(MIB)))
		n++;
	assert_in_range(n, 30, 45);
	for (unsigned i = 0; i < n; i++) {
		assert_true(guests(start[i]) && guests(start[i] + MIB - 1));
		for (unsigned j = 0; j < i; j++)
			assert_false(overlap(start[i], MIB, start[j], MIB));
		for (unsigned m = 0; m < boot.nr_modules; m++)
			assert_false(
			    overlap(start[i], MIB, boot.modules[m].ma, boot.modules[m].size));
	}
	memory_largest(&largest);
	assert_true(largest < MIB);
}

static void loans_lie_where_the_early_tables_reach(void **state)
{
	struct bootinfo boot = pc(64 * GIB);
	uint64_t size, ma = 0;

	(void)state;
	memory_init(&boot, IMAGE, 8, 0);
	memory_largest(&size);
	assert_true(size > 2 * GIB && size < 3 * GIB);
	ma = memory_borrow(size);
	assert_true(ma && ma + size <= 4 * GIB);
}

static void a_limit_is_kept(void **state)
{
	struct bootinfo boot = pc(64 * GIB);

	(void)state;
	memory_init(&boot, IMAGE, 1, 5 * GIB + 77);
	assert_true(guest_bytes() + memory_pool_size() == 5 * GIB);
	assert_in_range(memory_max_mfn(), 6 * GIB >> PAGE_SHIFT, (6 * GIB + 2 * MIB) >> PAGE_SHIFT);
}

static void too_little_memory_is_refused(void **state)
{
	struct bootinfo boot = pc(5 * MIB);

	(void)state;
	boot.nr_modules = 0;
	if (!setjmp(refused)) {
		memory_init(&boot, IMAGE, 1, 0);
		fail();
	}
	assert_non_null(strstr(why, "too little memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_elses_memory_is_the_guests),
	    cmocka_unit_test(the_pool_is_large_enough_and_small_enough),
	    cmocka_unit_test(the_pool_has_room_for_64_vps),
	    cmocka_unit_test(loans_overlap_nothing),
	    cmocka_unit_test(loans_lie_where_the_early_tables_reach),
	    cmocka_unit_test(a_limit_is_kept),
	    cmocka_unit_test(too_little_memory_is_refused),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
