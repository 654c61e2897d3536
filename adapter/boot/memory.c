/* SPDX-License-Identifier: MIT */
#include "adapter/boot/memory.h"

#include "adapter/x86/log.h"
#include "adapter/x86/smpboot.h"
#include "core/e820.h"
#include "core/string.h"

#define LOW_END   0x100000
#define EARLY_END 0x100000000 /* what entry.S maps */

/* What the pool must hold besides the machine-to-phys table, the frame flags and the devices' memory. Page tables map all of it, and that table. */
#define POOL_FIXED   (1792ull << 10)
#define POOL_PER_VP  (84ull << 10)
#define POOL_PER_GIB (2ull * PAGE_SIZE)

/* In `ram` the guest's is usable; `vacant` is the same without the modules as loaded and without what was borrowed. */
static struct e820_map ram, vacant;
static uint64_t pool, pool_size, pool_next;

static uint64_t page_up(uint64_t a)
{
	return (a + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

static void take(struct e820_map *map, uint64_t start, uint64_t bytes)
{
	if (!e820_reserve(map, start, bytes, E820_RESERVED))
		refuse("the memory map has too many pieces");
}

static void collect(const struct bootinfo *boot, uint64_t image_bytes, uint64_t limit)
{
	struct e820_range ranges[BOOT_MEMORY_MAX];

	for (unsigned i = 0; i < boot->nr_ranges; i++) {
		const struct boot_range *b = &boot->ranges[i];

		ranges[i] = (struct e820_range){b->start, b->size, b->type};
	}
	_Static_assert(BOOT_MEMORY_MAX <= E820_INPUT_MAX, "any map of a boot loader's is taken");
	e820_normalise(&ram, ranges, boot->nr_ranges);
	take(&ram, 0, LOW_END);
	take(&ram, IMAGE_PHYS, image_bytes);
	if (limit)
		e820_limit(&ram, limit & ~(uint64_t)(PAGE_SIZE - 1));
}

uint64_t memory_borrow(uint64_t bytes)
{
	uint64_t ma = e820_find(&vacant, bytes, EARLY_END);

	if (ma == UINT64_MAX)
		return 0;
	take(&vacant, ma, bytes);
	return ma;
}

uint64_t memory_largest(uint64_t *bytes)
{
	struct e820_range r = e820_largest(&vacant, EARLY_END);

	*bytes = r.size;
	return r.start;
}

uint64_t memory_max_mfn(void)
{
	const struct e820_range *r;
	uint64_t max = 0;

	for (unsigned i = 0; (r = e820_next_usable(&ram, &i));)
		max = r->start + r->size;
	return max >> PAGE_SHIFT;
}

uint64_t memory_top(void)
{
	uint64_t top = memory_max_mfn() << PAGE_SHIFT;

	return top > EARLY_END ? top : EARLY_END;
}

void memory_init(const struct bootinfo *boot, uint64_t image_bytes, unsigned nr_vps, uint64_t limit)
{
	collect(boot, image_bytes, limit);
	vacant = ram;
	for (unsigned i = 0; i < boot->nr_modules; i++)
		take(&vacant, boot->modules[i].ma, boot->modules[i].size);
	pool_size =
	    page_up(POOL_FIXED + nr_vps * POOL_PER_VP + (memory_max_mfn() >> 18) * POOL_PER_GIB +
		    memory_max_mfn() * (sizeof(uint64_t) + 1)) +
	    device_memory_pages(nr_vps) * PAGE_SIZE;
	pool = memory_borrow(pool_size);
	if (!pool)
		refuse("too little memory: no %lu KiB for the adapter itself", pool_size >> 10);
	pool_next = pool;
	take(&ram, pool, pool_size);
}

void *page_alloc(size_t pages)
{
	uint64_t bytes = pages * PAGE_SIZE;
	uint64_t ma = __atomic_fetch_add(&pool_next, bytes, __ATOMIC_RELAXED);

	if (ma + bytes > pool + pool_size)
		panic("out of the adapter's own memory");
	return memset(ma_to_va(ma), 0, bytes);
}

bool memory_next_guest_range(unsigned *i, uint64_t *first, uint64_t *end)
{
	const struct e820_range *r = e820_next_usable(&ram, i);

	if (!r)
		return false;
	*first = r->start >> PAGE_SHIFT;
	*end = (r->start + r->size) >> PAGE_SHIFT;
	return true;
}

uint64_t memory_pool_used(void)
{
	return pool_next - pool;
}

uint64_t memory_pool_size(void)
{
	return pool_size;
}

/* Any page there will do that holds none of the firmware's data: the BIOS uses the first KiBs and the last, and loads at 0x7c00. */
uint64_t boot_low_page(void)
{
	static uint64_t next = 0x8000;
	uint64_t ma = next;

	if (ma >= 0x80000)
		return 0;
	next += PAGE_SIZE;
	return ma;
}
