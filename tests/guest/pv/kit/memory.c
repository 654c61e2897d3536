/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/pv.h"

#define PTE_ADDRESS 0x000ffffffffff000ull
#define M2P         ((const uint64_t *)0xffff800000000000)

uint64_t va_to_mfn(const void *va)
{
	const uint64_t *p2m = (const uint64_t *)start_info->mfn_list;

	return p2m[((uint64_t)va - VIRT_BASE) / PAGE_SIZE];
}

uint64_t va_to_ma(const void *va)
{
	return va_to_mfn(va) * PAGE_SIZE + (uint64_t)va % PAGE_SIZE;
}

void *mfn_to_va(uint64_t mfn)
{
	return (void *)(VIRT_BASE + M2P[mfn] * PAGE_SIZE);
}

uint64_t l1_entry_ma(const void *va)
{
	const uint64_t *table = (const uint64_t *)start_info->pt_base;

	for (unsigned shift = 39;; shift -= 9) {
		const uint64_t *entry = &table[(uint64_t)va >> shift & 511];

		if (shift == 12)
			return va_to_ma(entry);
		if (!(*entry & PTE_P))
			return 0;
		table = mfn_to_va((*entry & PTE_ADDRESS) / PAGE_SIZE);
	}
}

uint64_t l1_entry(const void *va)
{
	uint64_t ma = l1_entry_ma(va);
	const char *page;

	if (!ma)
		return 0;
	page = mfn_to_va(ma / PAGE_SIZE);
	return *(const uint64_t *)(page + ma % PAGE_SIZE);
}

long set_l1_entry(const void *va, uint64_t entry, unsigned long flags)
{
	return hypercall3(__HYPERVISOR_update_va_mapping, va, entry, flags);
}
