/* SPDX-License-Identifier: MIT */
#include "adapter/x86/paging.h"

#include "adapter/x86/asm.h"
#include "adapter/x86/image.h"
#include "core/string.h"

#define TABLE_FLAGS (PTE_P | PTE_W | PTE_A | PTE_D)
#define SIZE_2M     (1ull << 21)
#define SIZE_1G     (1ull << 30)

static uint64_t *root;

/* The entry for `va` at `level`, with the tables above it made as needed. */
static uint64_t *entry_of(uint64_t va, unsigned level)
{
	uint64_t *table = root;

	for (unsigned l = 4; l > level; l--) {
		uint64_t *e = &table[table_slot(va, l)];

		if (!(*e & PTE_P))
			*e = va_to_ma(page_alloc(1)) | TABLE_FLAGS;
		table = ma_to_va(*e & PTE_ADDR);
	}
	return &table[table_slot(va, level)];
}

void map_page(uint64_t va, uint64_t ma, uint64_t flags)
{
	*entry_of(va, 1) = ma | flags;
}

static bool have_1g_pages(void)
{
	return cpuid(0x80000000).eax >= 0x80000001 && cpuid(0x80000001).edx & 1u << 26;
}

static void map_direct(uint64_t max_ma)
{
	bool huge = have_1g_pages();
	uint64_t step = huge ? SIZE_1G : SIZE_2M;

	for (uint64_t ma = 0; ma < max_ma; ma += step)
		*entry_of(DIRECT_VIRT + ma, huge ? 3 : 2) = ma | MAP_DATA | PTE_PS;
}

static void map_image_part(const uint8_t *start, const uint8_t *end, uint64_t flags)
{
	for (uint64_t va = (uint64_t)start; va < (uint64_t)end; va += PAGE_SIZE)
		map_page(va, va - IMAGE_VIRT + IMAGE_PHYS, flags);
}

static void map_image(void)
{
	map_image_part(image_start, text_end, MAP_CODE);
	map_image_part(text_end, rodata_end, MAP_RODATA);
	map_image_part(rodata_end, image_end, MAP_DATA);
}

void paging_init(uint64_t max_ma)
{
	root = page_alloc(1);
	/* Every slot's L3 exists from now on, so that what is copied into the guest's L4s stays true. */
	for (unsigned s = SLOT_FIRST; s <= SLOT_LAST; s++)
		root[s] = va_to_ma(page_alloc(1)) | TABLE_FLAGS;
	map_direct(max_ma);
	map_image();
	write_cr3(va_to_ma(root));
}

uint64_t paging_root(void)
{
	return va_to_ma(root);
}

void paging_install(uint64_t *l4)
{
	memcpy(l4 + SLOT_FIRST, root + SLOT_FIRST, (SLOT_LAST - SLOT_FIRST + 1) * sizeof(*l4));
}

uint64_t virt_to_ma(const void *va)
{
	uint64_t a = (uint64_t)va;
	uint64_t *e;

	if (a >= DIRECT_VIRT && a < DIRECT_END)
		return a - DIRECT_VIRT;
	if (a >= IMAGE_VIRT && a < (uint64_t)image_end)
		return a - IMAGE_VIRT + IMAGE_PHYS;
	e = walk_l1(paging_root(), a);
	return (*e & PTE_ADDR) | (a & (PAGE_SIZE - 1));
}

void *map_mmio(uint64_t ma, size_t size)
{
	static uint64_t next = MMIO_VIRT;
	uint64_t offset = ma & (PAGE_SIZE - 1);
	uint64_t at = next + offset;

	for (uint64_t done = 0; done < offset + size; done += PAGE_SIZE, next += PAGE_SIZE)
		map_page(next, ma - offset + done, MAP_DEVICE);
	return (void *)at;
}
