/* SPDX-License-Identifier: MIT */
#include "adapter/boot/memory.h"

#include "adapter/x86/image.h"
#include "adapter/x86/log.h"
#include "adapter/x86/smpboot.h"
#include "core/string.h"

#define E820_RAM   1
#define LOW_END    0x100000
#define EARLY_END  0x100000000 /* what entry.S maps */
#define RANGES_MAX (BOOT_MEMORY_MAX + 4)
#define LOANS_MAX  16

/* What the pool must hold besides the machine-to-phys table, the frame flags and the devices' memory. */
#define POOL_FIXED  (3ull << 20)
#define POOL_PER_VP (96ull << 10)

struct range {
	uint64_t start, end; /* page-aligned machine addresses */
};

static struct range ram[RANGES_MAX];
static unsigned nr_ram;
static struct range loans[LOANS_MAX]; /* first the modules as loaded, then what was borrowed */
static unsigned nr_loans;
static struct range pool;
static uint64_t pool_next;

static uint64_t page_up(uint64_t a)
{
	return (a + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

static uint64_t page_down(uint64_t a)
{
	return a & ~(uint64_t)(PAGE_SIZE - 1);
}

static bool overlaps(struct range a, struct range b)
{
	return a.start < b.end && b.start < a.end;
}

static struct range image_range(void)
{
	return (struct range){IMAGE_PHYS, page_up((uint64_t)image_end - IMAGE_VIRT + IMAGE_PHYS)};
}

/* Takes `hole` out of the RAM, wherever it lies. */
static void exclude(struct range hole)
{
	for (unsigned i = 0; i < nr_ram; i++) {
		struct range r = ram[i];

		if (!overlaps(r, hole))
			continue;
		ram[i].end = hole.start > r.start ? hole.start : r.start;
		if (r.end > hole.end && nr_ram < RANGES_MAX)
			ram[nr_ram++] = (struct range){hole.end, r.end};
	}
}

static void collect_ram(const struct bootinfo *boot)
{
	for (unsigned i = 0; i < boot->nr_ranges; i++) {
		const struct boot_range *b = &boot->ranges[i];
		struct range r = {page_up(b->start), page_down(b->start + b->size)};

		if (b->type == E820_RAM && r.start < r.end)
			ram[nr_ram++] = r;
	}
	/* Firmware tables overlap now and then; anything that is not RAM wins. */
	for (unsigned i = 0; i < boot->nr_ranges; i++) {
		const struct boot_range *b = &boot->ranges[i];

		if (b->type != E820_RAM)
			exclude((struct range){page_down(b->start), page_up(b->start + b->size)});
	}
	exclude((struct range){0, LOW_END});
	exclude(image_range());
}

/* The highest place for `bytes` below 4 GiB that is free of loans. */
static uint64_t carve(uint64_t bytes)
{
	uint64_t best = 0;

	bytes = page_up(bytes);
	for (unsigned i = 0; i < nr_ram; i++) {
		uint64_t end = ram[i].end < EARLY_END ? ram[i].end : EARLY_END;
		bool moved = true;

		while (moved && end >= ram[i].start + bytes) {
			struct range want = {end - bytes, end};

			moved = false;
			for (unsigned l = 0; l < nr_loans && !moved; l++)
				if (overlaps(want, loans[l])) {
					end = loans[l].start;
					moved = true;
				}
		}
		if (!moved && end >= ram[i].start + bytes && end - bytes > best)
			best = end - bytes;
	}
	return best;
}

static void lend(uint64_t ma, uint64_t bytes)
{
	if (nr_loans == LOANS_MAX)
		panic("too many loans of memory");
	loans[nr_loans++] = (struct range){page_down(ma), page_up(ma + bytes)};
}

uint64_t memory_borrow(uint64_t bytes)
{
	uint64_t ma = carve(bytes);

	if (ma)
		lend(ma, bytes);
	return ma;
}

uint64_t memory_max_mfn(void)
{
	uint64_t max = 0;

	for (unsigned i = 0; i < nr_ram; i++)
		if (ram[i].end > max)
			max = ram[i].end;
	return max >> PAGE_SHIFT;
}

uint64_t memory_top(void)
{
	uint64_t top = memory_max_mfn() << PAGE_SHIFT;

	return top > EARLY_END ? top : EARLY_END;
}

/* Keeps the lowest `limit` bytes of RAM, counting what is never the guest's too. */
static void cut(uint64_t limit)
{
	uint64_t most;

	/* The ranges are in no order: take from the highest until enough is gone. */
	for (;;) {
		uint64_t sum = 0;
		struct range *last = &ram[0];

		for (unsigned i = 0; i < nr_ram; i++) {
			sum += ram[i].end - ram[i].start;
			if (ram[i].end > last->end)
				last = &ram[i];
		}
		if (sum <= limit)
			return;
		most = last->end - last->start;
		last->end -= sum - limit < most ? page_up(sum - limit) : most;
		if (last->start == last->end)
			*last = ram[--nr_ram];
	}
}

void memory_init(const struct bootinfo *boot, unsigned nr_vps, uint64_t limit)
{
	uint64_t max_mfn, size;

	collect_ram(boot);
	if (limit)
		cut(limit);
	for (unsigned i = 0; i < boot->nr_modules; i++)
		lend(boot->modules[i].ma, boot->modules[i].size);
	max_mfn = memory_max_mfn();
	size = page_up(POOL_FIXED + nr_vps * POOL_PER_VP + max_mfn * (sizeof(uint64_t) + 1)) +
	       device_memory_pages(nr_vps) * PAGE_SIZE;
	pool.start = carve(size);
	if (!pool.start)
		refuse("too little memory: no %lu KiB for the adapter itself", size >> 10);
	pool.end = pool.start + size;
	pool_next = pool.start;
	exclude(pool);
}

void *page_alloc(size_t pages)
{
	uint64_t bytes = pages * PAGE_SIZE;
	uint64_t ma = __atomic_fetch_add(&pool_next, bytes, __ATOMIC_RELAXED);

	if (ma + bytes > pool.end)
		panic("out of the adapter's own memory");
	return memset(ma_to_va(ma), 0, bytes);
}

bool memory_guest_range(unsigned i, uint64_t *first, uint64_t *end)
{
	if (i >= nr_ram)
		return false;
	*first = ram[i].start >> PAGE_SHIFT;
	*end = ram[i].end >> PAGE_SHIFT;
	return true;
}

uint64_t memory_pool_used(void)
{
	return pool_next - pool.start;
}

uint64_t memory_pool_size(void)
{
	return pool.end - pool.start;
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
