/* SPDX-License-Identifier: MIT */
#include "adapter/boot/layout.h"

#include "adapter/x86/layout.h"

#define PAGES(bytes) (((bytes) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define END_PAGES    (4ull << 20 >> PAGE_SHIFT) /* the mapping ends at a multiple of this */
#define SLACK_PAGES \
	(512ull << 10 >> PAGE_SHIFT) /* xen.h: at least so much is mapped behind the stack */

static uint64_t round_end(uint64_t pfn)
{
	return (pfn + END_PAGES - 1) / END_PAGES * END_PAGES;
}

/* How many tables it takes to map [start, end): one L4, and of each lower level those that the range touches. */
static uint64_t tables_for(uint64_t start, uint64_t end)
{
	uint64_t n = 1;

	for (unsigned shift = 39; shift >= 21; shift -= 9)
		n += ((end - 1) >> shift) - (start >> shift) + 1;
	return n;
}

/*
 * Linux takes the mapping away again as far as the page tables' end, rounded up to 4 MiB, and finds fault with what is left. So
 * the slack behind the stack must not reach into the next 4 MiB; where it would, the tables begin later.
 */
static void place_tables(struct layout *at)
{
	uint64_t tables_end;

	at->tables = at->console + 1;
	tables_end = at->tables + at->nr_tables;
	at->end = round_end(tables_end + 1 + SLACK_PAGES);
	if (round_end(tables_end) < at->end)
		at->tables += round_end(tables_end) + 1 - tables_end;
	at->stack = at->tables + at->nr_tables;
}

/* The tables lie in what they map, so their number is found by trying. */
static void lay_out_tables(struct layout *at, uint64_t virt_start)
{
	at->nr_tables = 4;
	for (;;) {
		uint64_t needed;

		place_tables(at);
		needed = tables_for(virt_start, virt_start + (at->end << PAGE_SHIFT));
		if (needed <= at->nr_tables)
			return;
		at->nr_tables = needed;
	}
}

bool layout_make(struct layout *at, const struct kimage *kernel, uint64_t nr_pages,
		 uint64_t initrd_pages)
{
	uint64_t next = PAGES(kernel->pa_end);

	*at = (struct layout){
	    .first = kernel->pa_start >> PAGE_SHIFT,
	    .initrd_pages = initrd_pages,
	};
	if (!kernel->mod_start_pfn) {
		at->initrd = next;
		next += initrd_pages;
	}
	at->p2m_pages = PAGES(nr_pages * sizeof(uint64_t));
	at->p2m = next;
	at->start_info = at->p2m + at->p2m_pages;
	at->xenstore = at->start_info + 1;
	at->console = at->xenstore + 1;
	lay_out_tables(at, kernel->virt_offset);
	return at->end + (kernel->mod_start_pfn ? initrd_pages : 0) <= nr_pages;
}
